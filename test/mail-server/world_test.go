package mailserver_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/adlayer/after/changes"
	"github.com/adlayer/after/couch/couchtest"
	"github.com/adlayer/after/internal/testcert"
)

// patience is how long anything may take, however slow the machine.
const patience = time.Minute

// message is a mail as the server tells of it.
type message struct {
	From        string   `json:"from"`
	To          []string `json:"to"`
	Secure      bool     `json:"secure"`
	User        string   `json:"user"`
	Headers     []string `json:"headers"`
	ID          string   `json:"id"`
	Subject     string   `json:"subject"`
	Text        string   `json:"text"`
	Attachments []struct {
		Name, Type, Content string
	} `json:"attachments"`
}

// mailServer is a mail server, a process of its own.
type mailServer struct {
	tb      testing.TB
	port    int
	mails   chan message
	child   *exec.Cmd
	reading sync.WaitGroup
	input   io.Closer
}

// openMailServer starts the server with its options; nil where there is no npm, which is said loudly.
func openMailServer(tb testing.TB, options map[string]any) *mailServer {
	tb.Helper()
	node, err := couchtest.NPM(tb, ".")
	if err != nil {
		couchtest.Without(tb, "mail-server", err)
		return nil
	}
	if _, err := os.Stat("server.js"); err != nil { // go test runs anew what it saw a test look at
		tb.Fatal(err)
	}
	raw, err := json.Marshal(options)
	if err != nil {
		tb.Fatal(err)
	}
	o := &mailServer{tb: tb, mails: make(chan message, 1000)}
	o.child = exec.CommandContext(context.WithoutCancel(tb.Context()), node, "server.js", string(raw))
	var complaints bytes.Buffer
	o.child.Stderr = &complaints
	input, err := o.child.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	output, err := o.child.StdoutPipe()
	if err == nil {
		err = o.child.Start()
	}
	if err != nil {
		tb.Fatal(err)
	}
	o.input = input
	port := make(chan int, 1)
	o.reading.Go(func() {
		lines := bufio.NewScanner(output)
		lines.Buffer(nil, 16<<20)
		for lines.Scan() {
			var line struct {
				Port int
				Mail *message
			}
			if json.Unmarshal(lines.Bytes(), &line) != nil {
				continue
			}
			if line.Mail != nil {
				o.mails <- *line.Mail
			} else {
				port <- line.Port
			}
		}
		close(port)
	})
	tb.Cleanup(o.close)
	if o.port = <-port; o.port == 0 {
		o.close()
		tb.Fatalf("the mail server does not listen: %s", complaints.String())
	}
	return o
}

func (o *mailServer) close() {
	if o.child == nil {
		return
	}
	_ = o.input.Close()
	o.reading.Wait()
	if err := o.child.Wait(); err != nil {
		o.tb.Errorf("the mail server: %v", err)
	}
	o.child = nil
}

// next gives the next mail.
func (o *mailServer) next() message {
	o.tb.Helper()
	select {
	case l := <-o.mails:
		return l
	case <-time.After(patience):
		o.tb.Fatal("no mail came")
		return message{}
	}
}

// certificates writes those of a server and of the authority that signed them.
func certificates(tb testing.TB) (ca, certificate, key string) {
	tb.Helper()
	dir := tb.TempDir()
	ca, certificate, key = filepath.Join(dir, "ca.pem"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	authority, err := testcert.New(ca)
	if err == nil {
		_, err = authority.Issue(certificate, key)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return ca, certificate, key
}

func contents(tb testing.TB, file string) string {
	tb.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	return string(raw)
}

// world is a served store with a database of tasks, and the program.
type world struct {
	tb      testing.TB
	program string
	server  couchtest.Server
}

func newWorld(tb testing.TB, program string) *world {
	tb.Helper()
	process := couchtest.NewProcess(tb, program)
	process.Start()
	w := &world{tb: tb, program: program, server: process.Server()}
	w.want(http.MethodPut, "/tasks", "", http.StatusCreated)
	return w
}

// want asks the store, and for the status.
func (w *world) want(method, path, body string, status int) []byte {
	w.tb.Helper()
	r, err := http.NewRequestWithContext(w.tb.Context(), method, w.server.URL+path, bytes.NewBufferString(body))
	if err != nil {
		w.tb.Fatal(err)
	}
	r.SetBasicAuth(w.server.User, w.server.Password)
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		w.tb.Fatal(err)
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != status {
		w.tb.Fatalf("%s %s: %d %s %v", method, path, answer.StatusCode, raw, err)
	}
	return raw
}

// add writes a task that calls a URL now.
func (w *world) add(id, url string, notify any) {
	w.tb.Helper()
	raw, err := json.Marshal(map[string]any{
		"_id": id, "worker": "manobi", "job": map[string]any{"name": "http", "arguments": map[string]any{"url": url}}, "notify": notify,
	})
	if err != nil {
		w.tb.Fatal(err)
	}
	w.want(http.MethodPost, "/tasks", string(raw), http.StatusCreated)
}

// notice gives the document of the one that waits.
func (w *world) notice() string {
	w.tb.Helper()
	ids := w.notices()
	if len(ids) != 1 {
		return ""
	}
	return string(w.want(http.MethodGet, "/tasks/"+url.PathEscape(ids[0]), "", http.StatusOK))
}

// notices gives the ids of those that wait.
func (w *world) notices() []string {
	w.tb.Helper()
	var listing struct{ Rows []struct{ ID string } }
	raw := w.want(http.MethodGet, `/tasks/_all_docs?startkey="notice:"&endkey="notice:\ufff0"`, "", http.StatusOK)
	if err := json.Unmarshal(raw, &listing); err != nil {
		w.tb.Fatal(err)
	}
	var ids []string
	for _, row := range listing.Rows {
		ids = append(ids, row.ID)
	}
	return ids
}

// until looks after each change of the database whether it is so.
func (w *world) until(what string, so func() bool) {
	w.tb.Helper()
	ctx, stop := context.WithTimeout(w.tb.Context(), patience)
	defer stop()
	isSo := errors.New("it is so")
	err := changes.Follow(ctx, w.server.Dial(w.tb).Database("tasks"), changes.Options{}, func(context.Context, []changes.Row, string) error {
		if so() {
			return isSo
		}
		return nil
	})
	if !errors.Is(err, isSo) {
		w.tb.Fatalf("it is not so that %s: %v", what, err)
	}
}

// toldAll waits until no notice is left.
func (w *world) toldAll() {
	w.tb.Helper()
	w.until("no notice is left", func() bool { return len(w.notices()) == 0 })
}

// worker is a process of `after start`.
type worker struct {
	tb    testing.TB
	child *exec.Cmd
	said  bytes.Buffer
	ended chan struct{}
}

// start runs the worker manobi; settings are variables of the configuration.
func (w *world) start(state string, settings ...string) *worker {
	w.tb.Helper()
	return w.startAs("manobi", state, settings...)
}

// startAs runs a worker.
func (w *world) startAs(name, state string, settings ...string) *worker {
	w.tb.Helper()
	p := &worker{tb: w.tb, ended: make(chan struct{})}
	p.child = exec.CommandContext(context.WithoutCancel(w.tb.Context()), w.program, "start", name, "--standby")
	p.child.Dir = state
	p.child.Stderr, p.child.Stdout = &p.said, &p.said
	p.child.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + state, "TZ=UTC", "AFTER_STATE_FOLDER=" + state,
		"AFTER_COUCH_URL=" + w.server.URL, "AFTER_COUCH_USER=" + w.server.User, "AFTER_COUCH_PASSWORD=" + w.server.Password,
		"AFTER_NOTIFY_RETRY=100ms", "AFTER_HTTP_BREAKER_FAILURES=0",
	}, settings...)
	if err := p.child.Start(); err != nil {
		w.tb.Fatal(err)
	}
	go func() {
		_ = p.child.Wait()
		close(p.ended)
	}()
	w.tb.Cleanup(func() {
		p.kill()
		if w.tb.Failed() {
			w.tb.Logf("after start said: %s", p.said.String())
		}
	})
	return p
}

// kill ends the process as kill -9 does.
func (p *worker) kill() {
	_ = p.child.Process.Kill()
	<-p.ended
}

// stop asks the process to end, and waits for that.
func (p *worker) stop() {
	p.tb.Helper()
	if err := p.child.Process.Signal(os.Interrupt); err != nil {
		p.tb.Fatal(err)
	}
	<-p.ended
}

// reload has the process read its configuration again.
func (p *worker) reload(file, config string) {
	p.tb.Helper()
	err := os.WriteFile(file, []byte(config), 0o600)
	if err == nil {
		err = p.child.Process.Signal(syscall.SIGHUP)
	}
	if err != nil {
		p.tb.Fatal(err)
	}
}

// mailSettings are the configuration's for a mail server.
func mailSettings(port int, more ...string) []string {
	return append([]string{
		"AFTER_MAIL_HOST=127.0.0.1", fmt.Sprintf("AFTER_MAIL_PORT=%d", port), "AFTER_MAIL_FROM=After <after@example.org>",
	}, more...)
}
