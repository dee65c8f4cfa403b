// Package mailserver_test has the program tell of tasks: by mails to a mail server that is a program of its own, and by posts to a receiver,
// through failures of each.
package mailserver_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/adlayer/after/couch/couchtest"
	"github.com/adlayer/after/test/faultproxy"
	"github.com/adlayer/after/webhook"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(int) { http.DefaultClient.CloseIdleConnections() }))
}

const secret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

// endpoint is what tasks call: it answers with the status and the bytes that the query asks for.
func endpoint(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("fail") != "" {
			http.Error(w, "the disk is full", http.StatusInsufficientStorage)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"rows":"`+strings.Repeat("x", len(r.URL.Query().Get("long"))*100)+`"}`)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// TestNotify goes through everything with one build of the program.
func TestNotify(t *testing.T) {
	t.Parallel()
	program := couchtest.Program(t)
	for name, test := range map[string]func(t *testing.T, w *world){
		"starttls": startTLS, "tls": implicitTLS, "digest": digests, "away": mailServerAway, "receiver": receiver, "killed": killed, "two": twoProcesses,
		"unconfigured": unconfigured, "reloaded": reloaded, "put off": putOff, "page": page, "renamed": renamed,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newWorld(t, program))
		})
	}
}

// startTLS sends mails over STARTTLS, logged in, of tasks whose ids would be headers if they could.
func startTLS(t *testing.T, w *world) {
	t.Helper()
	ca, certificate, key := certificates(t)
	o := openMailServer(t, map[string]any{
		"cert": contents(t, certificate), "key": contents(t, key), "user": "after", "password": "s3cret",
		"refuse": []string{"nobody@example.org"},
	})
	if o == nil {
		return
	}
	w.start(t.TempDir(), mailSettings(o.port, "AFTER_MAIL_USER=after", "AFTER_MAIL_PASSWORD=s3cret", "AFTER_MAIL_CA_FILE="+ca, "AFTER_MAIL_WINDOW=0s",
		"AFTER_MAIL_ALLOW=example.org")...)
	const id = "réport\r\nBcc: evil@example.com\r\n\r\nx"
	call := endpoint(t)
	w.add(id, call+"?fail=1", map[string]any{"email": []string{"ops@example.org", "nobody@example.org", "stranger@example.com"}})
	l := o.next()
	if !l.Secure || l.User != "after" || l.From != "after@example.org" || !slices.Equal(l.To, []string{"ops@example.org"}) {
		t.Errorf("secure %v, user %q, from %s to %s", l.Secure, l.User, l.From, l.To)
	}
	headers := strings.Join(l.Headers, "\n")
	if !strings.Contains(headers, "Auto-Submitted: auto-generated") || strings.Contains(strings.ToLower(headers), "\nbcc:") ||
		!strings.HasSuffix(l.ID, "@example.org>") {
		t.Errorf("headers: %s", headers)
	}
	if want := "réport Bcc: evil@example.com x: error"; !strings.HasPrefix(l.Subject, want) {
		t.Errorf("subject %q, want %q", l.Subject, want)
	}
	for _, says := range []string{"Job       http", "Worker    manobi", "Attempt   1", "Code      507", "the disk is full"} {
		if !strings.Contains(l.Text, says) {
			t.Errorf("the mail does not say %q: %s", says, l.Text)
		}
	}
	// A result that is long is attached, a short one stands in the text.
	done := map[string]any{"email": "ops@example.org", "on": []string{"done"}}
	w.add("long", call+"?long="+strings.Repeat("x", 200), done)
	if l = o.next(); len(l.Attachments) != 1 || l.Attachments[0].Name != "result.json" || l.Attachments[0].Type != "application/json" ||
		!strings.Contains(l.Attachments[0].Content, strings.Repeat("x", 20_000)) {
		t.Errorf("%d attachments: %.300s", len(l.Attachments), l.Text)
	}
	w.add("short", call, done)
	if l = o.next(); len(l.Attachments) != 0 || !strings.Contains(l.Text, `"rows": ""`) {
		t.Errorf("%d attachments: %s", len(l.Attachments), l.Text)
	}
	w.toldAll()
}

func implicitTLS(t *testing.T, w *world) {
	t.Helper()
	ca, certificate, key := certificates(t)
	o := openMailServer(t, map[string]any{"cert": contents(t, certificate), "key": contents(t, key), "secure": true, "user": "after", "password": "s3cret"})
	if o == nil {
		return
	}
	w.start(t.TempDir(), mailSettings(o.port, "AFTER_MAIL_TLS=tls", "AFTER_MAIL_USER=after", "AFTER_MAIL_PASSWORD=s3cret", "AFTER_MAIL_CA_FILE="+ca)...)
	w.add("t", endpoint(t)+"?fail=1", map[string]any{"email": "ops@example.org"})
	if l := o.next(); !l.Secure || l.User != "after" {
		t.Errorf("%+v", l)
	}
	w.toldAll()
}

// digests: the first mail goes at once, what comes within the window is one mail; other recipients have a window of their own.
func digests(t *testing.T, w *world) {
	t.Helper()
	o := openMailServer(t, map[string]any{})
	if o == nil {
		return
	}
	call, to := endpoint(t)+"?fail=1", map[string]any{"email": []string{"a@example.org", "b@example.org"}}
	w.start(t.TempDir(), mailSettings(o.port, "AFTER_MAIL_TLS=none", "AFTER_MAIL_WINDOW=3s")...)
	w.add("first", call, to)
	if l := o.next(); !strings.HasPrefix(l.Subject, "first: error") {
		t.Fatalf("%+v", l)
	}
	const many = 30
	for i := range many {
		w.add(fmt.Sprintf("t%02d", i), call, to)
	}
	w.add("other", call, map[string]any{"email": "c@example.org"})
	if l := o.next(); !strings.HasPrefix(l.Subject, "other: error") {
		t.Fatalf("%+v", l)
	}
	l := o.next()
	if l.Subject != "30 notices of 30 tasks, 30 of errors" || !strings.Contains(l.Text, "t29 (job http, worker manobi)\n  1 × error") ||
		!strings.Contains(l.Text, "last error, code 507") {
		t.Errorf("%s: %s", l.Subject, l.Text)
	}
	w.toldAll()
	if len(o.mails) > 0 {
		t.Errorf("another mail came: %+v", <-o.mails)
	}
}

// mailServerAway has the mail server refuse connections for a while: nothing is lost.
func mailServerAway(t *testing.T, w *world) {
	t.Helper()
	o := openMailServer(t, map[string]any{})
	if o == nil {
		return
	}
	proxy := faultproxy.New(t, fmt.Sprintf("127.0.0.1:%d", o.port))
	proxy.Refuse(true)
	address, err := url.Parse("http://" + proxy.Addr())
	if err != nil {
		t.Fatal(err)
	}
	settings := mailSettings(0, "AFTER_MAIL_PORT="+address.Port(), "AFTER_MAIL_TLS=none", "AFTER_MAIL_WINDOW=0s")
	state := t.TempDir()
	p := w.start(state, settings...)
	call := endpoint(t) + "?fail=1"
	w.add("before", call, map[string]any{"email": "a@example.org"})
	w.until("it is tried again", func() bool { return strings.Contains(w.notice(), `"attempts":2`) })
	p.kill()
	proxy.Heal()
	w.start(state, settings...)
	if l := o.next(); !strings.HasPrefix(l.Subject, "before: error") {
		t.Errorf("%+v", l)
	}
	w.toldAll()
}

// inbox is a receiver of posts. It keeps the webhook-ids of what it was sent, verified.
type inbox struct {
	url    string
	mu     sync.Mutex
	came   *sync.Cond
	ids    []string
	bodies []string
}

// newInbox makes one; answer says what a post, counted from 1, is answered.
func newInbox(t *testing.T, answer func(n int) int) *inbox {
	t.Helper()
	v, err := webhook.NewVerifier(secret)
	if err != nil {
		t.Fatal(err)
	}
	in := &inbox{}
	in.came = sync.NewCond(&in.mu)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		m, err := v.Verify(r.Header, body)
		if err != nil {
			t.Errorf("the signature: %v", err)
		}
		in.mu.Lock()
		in.ids, in.bodies = append(in.ids, m.ID), append(in.bodies, string(body))
		n := len(in.ids)
		in.came.Broadcast()
		in.mu.Unlock()
		w.WriteHeader(answer(n))
	}))
	t.Cleanup(s.Close)
	in.url = s.URL
	return in
}

func (in *inbox) received() []string {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Clone(in.ids)
}

// await waits for so many posts.
func (in *inbox) await(t *testing.T, n int) {
	t.Helper()
	late := time.AfterFunc(patience, func() {
		t.Errorf("of %d posts, %d came", n, len(in.received()))
		in.mu.Lock()
		defer in.mu.Unlock()
		in.ids = append(in.ids, make([]string, n)...)
		in.came.Broadcast()
	})
	defer late.Stop()
	in.mu.Lock()
	defer in.mu.Unlock()
	for len(in.ids) < n {
		in.came.Wait()
	}
}

// receiver answers 500 twice: what it is sent has the same id each time.
func receiver(t *testing.T, w *world) {
	t.Helper()
	in := newInbox(t, func(n int) int {
		if n < 3 {
			return http.StatusInternalServerError
		}
		return http.StatusNoContent
	})
	w.start(t.TempDir(), "AFTER_HTTP_SIGNING_KEY="+secret)
	w.add("t", endpoint(t), map[string]any{"url": in.url})
	in.await(t, 3)
	w.toldAll()
	ids := in.received()
	if len(ids) != 3 || ids[0] != ids[2] || ids[1] != ids[2] {
		t.Errorf("the ids are %s", ids)
	}
	for _, says := range []string{`"type":"task.done"`, `"task":"t"`, `"worker":"manobi"`, `"event":"done"`, `"status":200`} {
		if !strings.Contains(in.bodies[0], says) {
			t.Errorf("%s is not in %s", says, in.bodies[0])
		}
	}
}

// killed kills the process between the post and the deletion of the notice: it is posted again under its id.
func killed(t *testing.T, w *world) {
	t.Helper()
	var p *worker
	started := make(chan struct{})
	in := newInbox(t, func(n int) int {
		if <-started; n == 1 {
			p.kill()
		}
		return http.StatusOK
	})
	state := t.TempDir()
	p = w.start(state, "AFTER_HTTP_SIGNING_KEY="+secret)
	close(started)
	w.add("t", endpoint(t), map[string]any{"url": in.url})
	<-p.ended
	w.start(state, "AFTER_HTTP_SIGNING_KEY="+secret)
	in.await(t, 2)
	w.toldAll()
	if ids := in.received(); len(ids) != 2 || ids[0] != ids[1] {
		t.Errorf("the ids are %s", ids)
	}
}

// twoProcesses stand for one name, one by: each notice is told once.
func twoProcesses(t *testing.T, w *world) {
	t.Helper()
	in := newInbox(t, func(int) int { return http.StatusOK })
	w.start(t.TempDir(), "AFTER_HTTP_SIGNING_KEY="+secret)
	w.start(t.TempDir(), "AFTER_HTTP_SIGNING_KEY="+secret)
	call := endpoint(t)
	const many = 50
	for i := range many {
		w.add(fmt.Sprintf("t%02d", i), call, map[string]any{"url": in.url})
	}
	in.await(t, many)
	w.toldAll()
	ids := in.received()
	slices.Sort(ids)
	if n := len(slices.Compact(slices.Clone(ids))); len(ids) != many || n != many {
		t.Errorf("%d posts of %d notices", len(ids), n)
	}
}

// renamed has another worker tell what is left of one that nobody runs any more.
func renamed(t *testing.T, w *world) {
	t.Helper()
	o := openMailServer(t, map[string]any{})
	if o == nil {
		return
	}
	p := w.start(t.TempDir())
	w.add("t", endpoint(t), map[string]any{"email": "ops@example.org", "on": "done"})
	w.until("the mail waits", func() bool { return len(w.notices()) == 1 })
	p.stop()
	w.startAs("another", t.TempDir(), mailSettings(o.port, "AFTER_MAIL_TLS=none", "AFTER_NOTIFY_TAKE_OVER=1s")...)
	if l := o.next(); !strings.HasPrefix(l.Subject, "t: done") {
		t.Errorf("%+v", l)
	}
	w.toldAll()
}

// unconfigured has no mail server at first: notices wait, also through a restart with one.
func unconfigured(t *testing.T, w *world) {
	t.Helper()
	in := newInbox(t, func(int) int { return http.StatusOK })
	state := t.TempDir()
	p := w.start(state, "AFTER_HTTP_SIGNING_KEY="+secret)
	w.add("t", endpoint(t), map[string]any{"url": in.url, "email": "ops@example.org", "on": "done"})
	w.until("the post was told and the mail waits", func() bool { return strings.Contains(w.notice(), `"told":true`) })
	p.kill()
	o := openMailServer(t, map[string]any{})
	if o == nil {
		return
	}
	w.start(state, mailSettings(o.port, "AFTER_MAIL_TLS=none", "AFTER_HTTP_SIGNING_KEY="+secret)...)
	if l := o.next(); !strings.HasPrefix(l.Subject, "t: done") {
		t.Errorf("%+v", l)
	}
	w.toldAll()
	if n := len(in.received()); n != 1 {
		t.Errorf("it was posted %d times", n)
	}
}

// reloaded changes the configuration of a worker that runs: a mail server that was not there, templates, and how long a notice is kept.
func reloaded(t *testing.T, w *world) {
	t.Helper()
	o := openMailServer(t, map[string]any{})
	if o == nil {
		return
	}
	folder := t.TempDir()
	file := filepath.Join(folder, "config.json")
	if err := os.WriteFile(filepath.Join(folder, "subject.txt"), []byte("{{.Task}} says {{.Event}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(`{}`), 0o600); err != nil {
		t.Fatal(err)
	}
	p := w.start(folder, "AFTER_CONFIG="+file, "AFTER_HTTP_SIGNING_KEY="+secret)
	call := endpoint(t) + "?fail=1"
	w.add("first", call, map[string]any{"email": "a@example.org"})
	w.until("the mail waits", func() bool { return w.notice() != "" })
	mail := func(more string) string {
		return fmt.Sprintf(`{"mail": {"host": "127.0.0.1", "port": %d, "tls": "none", "from": "after@example.org"%s}}`, o.port, more)
	}
	p.reload(file, mail(""))
	if l := o.next(); !strings.HasPrefix(l.Subject, "first: error") || l.From != "after@example.org" {
		t.Errorf("%+v", l)
	}
	w.toldAll()
	// Another window has the workers start anew.
	p.reload(file, mail(`, "window": "0s", "templates": "`+folder+`"`))
	w.add("second", call, map[string]any{"email": "a@example.org"})
	if l := o.next(); l.Subject != "second says error" {
		t.Errorf("%+v", l)
	}
	w.toldAll()
	// A notice whose receiver never takes it is kept for three days, then for no time.
	in := newInbox(t, func(int) int { return http.StatusInternalServerError })
	w.add("third", call, map[string]any{"url": in.url})
	in.await(t, 1)
	p.reload(file, `{"notify": {"keep": "1ms"}}`)
	w.toldAll()
}

// putOff has a recipient that the server puts off each time: the others get their mail all the same.
func putOff(t *testing.T, w *world) {
	t.Helper()
	o := openMailServer(t, map[string]any{"later": []string{"full@example.org"}})
	if o == nil {
		return
	}
	w.start(t.TempDir(), mailSettings(o.port, "AFTER_MAIL_TLS=none", "AFTER_NOTIFY_RETRY=2ms")...)
	w.add("t", endpoint(t)+"?fail=1", map[string]any{"email": []string{"ops@example.org", "full@example.org"}})
	if l := o.next(); !slices.Equal(l.To, []string{"ops@example.org"}) {
		t.Errorf("%+v", l)
	}
	w.toldAll()
}
