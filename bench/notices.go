package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/notify"
	"github.com/adlayer/after/task"
)

// mailServer is a mail server that takes every mail, and counts them.
type mailServer struct {
	listener net.Listener

	mu    sync.Mutex
	count int
	first time.Time
}

func listenForMails(address string) (*mailServer, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	l := &mailServer{listener: listener}
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go l.converse(connection)
		}
	}()
	return l, nil
}

// converse speaks SMTP as far as it is needed.
func (l *mailServer) converse(connection net.Conn) {
	defer connection.Close()
	say := func(line string) { _, _ = connection.Write([]byte(line + "\r\n")) }
	say("220 bench")
	content := false
	for lines := bufio.NewScanner(connection); lines.Scan(); {
		switch line := lines.Text(); {
		case content && line != ".":
		case content:
			content = false
			l.took()
			say("250 taken")
		case strings.HasPrefix(line, "DATA"):
			content = true
			say("354 go on")
		case strings.HasPrefix(line, "QUIT"):
			say("221 bye")
			return
		default:
			say("250 fine")
		}
	}
}

func (l *mailServer) took() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count++; l.count == 1 {
		l.first = time.Now()
	}
}

// measureNotices has a worker find 100,000 notices for the same recipients while the mail server is away, and tell them once it is back.
func measureNotices(ctx context.Context, r *rig) ([]figure, error) {
	const (
		n    = 100_000
		away = 20 * time.Second
	)
	b, err := r.open(ctx)
	if err != nil {
		return nil, err
	}
	defer b.close()
	if err := b.insert(ctx, n, 500, 4, waiting); err != nil {
		return nil, err
	}
	none, err := listenForMails("127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := none.listener.Addr().String()
	_ = none.listener.Close()
	_, port, _ := net.SplitHostPort(address)
	w := b.command(ctx, "start", name)
	w.Env = append(w.Env, "AFTER_MAIL_HOST=127.0.0.1", "AFTER_MAIL_PORT="+port, "AFTER_MAIL_TLS=none", "AFTER_MAIL_FROM=after@example.org", "AFTER_NOTIFY_RETRY=1s")
	before, err := b.updates(ctx)
	if err != nil {
		return nil, err
	}
	if err := w.Start(); err != nil {
		return nil, err
	}
	defer func() { _ = w.Process.Kill() }()
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-time.After(away):
	}
	written, err := b.updates(ctx)
	if err != nil {
		return nil, err
	}
	server, err := listenForMails(address)
	if err != nil {
		return nil, err
	}
	defer server.listener.Close()
	most := 0.0
	for left := 1; left > 0; {
		time.Sleep(20 * time.Millisecond)
		listing, err := b.db.AllDocs(ctx, couch.Range{Start: notify.Prefix, End: notify.Prefix + "\ufff0", Limit: 1})
		if err != nil {
			return nil, err
		}
		memory, err := residentOf(w)
		if err != nil {
			return nil, err
		}
		left, most = len(listing.Rows), max(most, memory)
	}
	ended := time.Now()
	_ = w.Process.Signal(os.Interrupt)
	_ = w.Wait()
	used := w.ProcessState.UserTime() + w.ProcessState.SystemTime()
	server.mu.Lock()
	defer server.mu.Unlock()
	return []figure{
		{Name: "100,000 notices and a mail server away for 20 s: writes meanwhile", Value: float64(written - before), Unit: "documents"},
		{Name: "from the first mail to the last notice told", Value: rate(n, ended.Sub(server.first)), Unit: "notices/s"},
		{Name: "in so many mails", Value: float64(server.count), Unit: "mails"},
		{Name: "memory of the worker's process, the most", Value: most, Unit: "MB"},
		{Name: "its processor time in all", Value: used.Seconds(), Unit: "s"},
	}, nil
}

// waiting is a notice of a task that has failed.
func waiting(i int) []byte {
	id := "task-" + strconv.Itoa(i)
	at := time.Now()
	raw, err := notify.Notice{
		ID: notify.Prefix + id + "@2026-12-01T09:00:00Z/1-0123456789abcdef#1:error", By: name, Event: task.EventError, Task: id, Job: "http",
		Key: id + "@2026-12-01T09:00:00Z/1-0123456789abcdef", Attempt: 1, At: at, Nominal: at, Started: at, Finished: at,
		Kind: "job", Error: "the answer was 507 Insufficient Storage", Code: 507,
		Result: fmt.Appendf(nil, `{"status":507,"body":%q}`, strings.Repeat("the disk is full; ", 30)), To: notify.To{Email: []string{"ops@example.org"}},
	}.Encode()
	if err != nil {
		panic(err) // it is ours
	}
	return raw
}
