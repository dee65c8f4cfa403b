package send_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"mime/quotedprintable"
	"net"
	"net/textproto"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"

	"github.com/adlayer/after/couch/couchtest"
	"github.com/adlayer/after/notify"
	"github.com/adlayer/after/notify/mailer"
	"github.com/adlayer/after/notify/send"
	"github.com/adlayer/after/task"
)

// mailServer takes mails, but for those whose text has a word that it does not like, or for which it puts them off.
type mailServer struct {
	dislikes string
	putsOff  string

	mu      sync.Mutex
	mails   []string // the texts of those that it took
	refused []string
}

// listen serves until the test ends, and gives the port.
func (s *mailServer) listen(t *testing.T) int {
	t.Helper()
	listening, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			connection, err := listening.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer connection.Close()
				s.serve(textproto.NewConn(connection))
			})
		}
	})
	t.Cleanup(func() {
		_ = listening.Close()
		serving.Wait()
	})
	return listening.Addr().(*net.TCPAddr).Port
}

// serve talks SMTP.
func (s *mailServer) serve(c *textproto.Conn) {
	say := func(text string) { _ = c.PrintfLine("%s", text) }
	say("220 here")
	for {
		line, err := c.ReadLine()
		if err != nil {
			return
		}
		switch verb, _, _ := strings.Cut(strings.ToUpper(line), " "); verb {
		case "DATA":
			say("354 go on")
			text, err := text(c.DotReader())
			if err != nil {
				return
			}
			say(s.take(text))
		case "QUIT":
			say("221 goodbye")
			return
		default:
			say("250 fine")
		}
	}
}

// text reads the text of a mail.
func text(r io.Reader) (string, error) {
	buffered := bufio.NewReader(r)
	if _, err := textproto.NewReader(buffered).ReadMIMEHeader(); err != nil {
		return "", err
	}
	raw, err := io.ReadAll(quotedprintable.NewReader(buffered))
	return string(raw), err
}

func (s *mailServer) take(text string) (answer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dislikes != "" && strings.Contains(text, s.dislikes) {
		s.refused = append(s.refused, text)
		return "554 this is not liked"
	}
	if s.putsOff != "" && strings.Contains(text, s.putsOff) {
		s.refused = append(s.refused, text)
		return "451 come again"
	}
	s.mails = append(s.mails, text)
	return "250 taken"
}

// TestRefusedForWhatItSays: a notice that the mail server does not take keeps those that were gathered with it from nobody. It alone is given up, and the
// log says which it is; that of a worker that is gone is tried on, in case another process has another mail server.
func TestRefusedForWhatItSays(t *testing.T) {
	t.Parallel()
	for worker, givenUp := range map[string]string{"w": "[t037 t038]", "gone": "[]"} {
		t.Run(worker, func(t *testing.T) {
			t.Parallel()
			server, heard := &mailServer{dislikes: "rude"}, &test.Hook{}
			w, mails := mailed(t, server)
			w.heard = heard
			const many = 90
			w.rude(worker, many, 37, 38)
			if w.written = many; worker != "w" {
				w.written -= 2
			}
			w.sends(1, send.Options{
				Mailer: mails, Window: 10 * time.Millisecond, TakeOver: 20 * time.Millisecond,
				Fleet: func(_ context.Context, names []string) (running, known []string, err error) { return nil, names, nil },
			})
			all := strings.Join(server.mails, "\n")
			for i := range many {
				if n := strings.Count(all, fmt.Sprintf("t%03d", i)); (n == 0) != (i == 37 || i == 38) {
					t.Errorf("t%03d is in %d places", i, n)
				}
			}
			if n := len(server.mails) + len(server.refused); n > 50 && worker == "w" { // the others are tried on for as long as this takes
				t.Errorf("%d mails were tried", n)
			}
			stayAlone(t, server.refused)
			var given []any
			for _, e := range heard.AllEntries() {
				if e.Level == logrus.ErrorLevel {
					given = append(given, e.Data["task"])
				}
			}
			if fmt.Sprint(given) != givenUp {
				t.Errorf("given up are %v", given)
			}
		})
	}
}

// mailed gives a world whose mails go to a server.
func mailed(t *testing.T, to *mailServer) (*world, *mailer.Mailer) {
	t.Helper()
	mails, err := mailer.New(mailer.Options{Host: "127.0.0.1", Port: to.listen(t), TLS: mailer.None, From: "after@example.org"})
	if err != nil {
		t.Fatal(err)
	}
	embedded := couchtest.Embedded(t)
	client := embedded.Dial(t)
	if err := client.CreateDatabase(t.Context(), "tasks"); err != nil {
		t.Fatal(err)
	}
	return &world{t: t, db: client.Database("tasks")}, mails
}

// TestPutOffForWhatItSays: a notice whose mail the server puts off again and again, though it takes others, holds up none of those for long, and they
// still are few mails.
func TestPutOffForWhatItSays(t *testing.T) {
	t.Parallel()
	for name, those := range map[string][]int{"the first": {0}, "the first ones": {0, 1, 2}, "some": {0, 37, 38, 89}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := &mailServer{putsOff: "rude"}
			w, mails := mailed(t, server)
			const many = 90
			w.rude("w", many, those...)
			w.written = many - len(those)
			w.sends(1, send.Options{Mailer: mails, Window: 10 * time.Millisecond, Retry: 100 * time.Millisecond})
			if len(server.mails) > 40 || len(server.refused) > 60 {
				t.Errorf("%d mails were taken, and %d put off", len(server.mails), len(server.refused))
			}
			t.Logf("%d mails were taken, and %d put off", len(server.mails), len(server.refused))
		})
	}
}

// stayAlone: what was refused by itself is in no mail of several after that.
func stayAlone(t *testing.T, refused []string) {
	t.Helper()
	known := map[string]bool{}
	for _, text := range refused {
		tasks := slices.Compact(slices.Sorted(slices.Values(regexp.MustCompile(`t\d{3}`).FindAllString(text, -1))))
		for _, name := range tasks {
			if known[name] && len(tasks) > 1 {
				t.Errorf("%s was refused by itself, and is in a mail of %d", name, len(tasks))
			}
		}
		if len(tasks) == 1 {
			known[tasks[0]] = true
		}
	}
}

// rude writes notices of a worker, the errors of some of which are rude.
func (w *world) rude(worker string, n int, those ...int) {
	w.t.Helper()
	var bodies [][]byte
	for i := range n {
		said := "no"
		if slices.Contains(those, i) {
			said = "rude"
		}
		body, err := notify.Notice{
			ID: fmt.Sprintf("%st%03d", notify.Prefix, i), By: worker, Event: task.EventError, Task: fmt.Sprintf("t%03d", i), Job: "j", Key: "k", Attempt: 1,
			At: time.Now(), Error: said, To: notify.To{Email: []string{"ops@example.org"}},
		}.Encode()
		if err != nil {
			w.t.Fatal(err)
		}
		bodies = append(bodies, body)
	}
	if _, err := w.db.Bulk(w.t.Context(), bodies); err != nil {
		w.t.Fatal(err)
	}
}
