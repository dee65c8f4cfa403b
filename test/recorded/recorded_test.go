// Package recorded_test shows that whatever after asks of its database is something that the exchanges recorded from a CouchDB 3.5.0 answer. The embedded
// store answers those as the CouchDB did; what after asks and they have not is listed, with where CouchDB's documentation defines it.
package recorded_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/adlayer/after/couch/couchtest"
)

// TestWhatIsAskedIsRecorded has people, programs and workers do all that after can do, at a database behind a proxy that takes note of each request.
func TestWhatIsAskedIsRecorded(t *testing.T) {
	asked := &couchtest.Asked{}
	server := asked.Through(t, couchtest.Embedded(t))
	w := newWorld(t, server)
	w.setsUp()
	w.begins("ready", "start", "manobi", "other")
	t.Setenv("AFTER_STATE_FOLDER", t.TempDir()) // a process has one entry in the list of those that run
	said := w.begins("serving the queue at ", "gateway")
	_, address, _ := strings.Cut(said, "serving the queue at ")
	address, _, _ = strings.Cut(address, ",")
	at, callbacks := endpoint(t)
	everything(t, server)
	replicates(t, server)
	w.types(at)
	w.posts(queue{t, strings.TrimSuffix(address, "/queue")}, at, callbacks)
	asked.Judge(t, couchtest.Recordings(), unrecorded())
}

// setsUp is what an administrator does, twice.
func (w *world) setsUp() {
	w.t.Setenv("AFTER_COUCH_PASSWORD", "another")
	w.after("setup")
	w.t.Setenv("AFTER_COUCH_PASSWORD", "its own")
	w.after("setup", "--reset-password")
}

// types are the commands about tasks and workers.
func (w *world) types(at string) {
	w.after("add", "manobi", "noop", "--id", "once", "--wait")
	w.after("add", "manobi", "noop", "--id", "late", "--at", "2099-01-01", "--repeat", "1d", "--timezone", "UTC")
	w.after("add", "nobody", "noop", "--id", "a/b + c", "--at", "2099-01-01", "--tag", "x")
	w.exits(4, "add", "manobi", "noop", "--id", "once")
	w.exits(3, "delete", "nothing")
	w.after("tasks")
	w.after("tasks", "--worker", "manobi", "--status", "done")
	w.after("list")
	w.after("next", "late")
	w.after("pause", "late", "--note", "why not")
	w.after("run", "late", "--wait")
	w.after("skip", "late")
	w.after("reschedule", "late", "--at", "2098-01-01")
	w.after("cancel", "a/b + c")
	w.after("add", "manobi", "noop", "--id", "ticks", "--repeat", `{"milliseconds":50}`, "--times", "3")
	w.exits(6, "add", "manobi", "http", `{"url":"http://127.0.0.1:1/"}`, "--id", "fails", "--retry", `{"limit":1,"interval":"10ms"}`, "--wait")
	w.after("watch", "ticks")
	w.after("runs", "ticks", "--status", "done", "--since", "1h", "-n", "2", "--json")
	w.after("retry", "fails")
	w.after("call", at, "--worker", "manobi", "--every", "1h", "--id", "ping")
	w.after("calls")
	w.after("export", "ics")
	tab := filepath.Join(w.folder, "tab")
	if err := os.WriteFile(tab, []byte("30 2 * * * backup\n@daily report\n"), 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.after("import", "crontab", tab, "--worker", "manobi", "--yes")
	w.after("backfill", "late", "--from", "2026-01-01", "--until", "2026-01-02")
	w.after("prune", "--older", "0s", "--status", "error", "--worker", "manobi")
	w.after("delete", "a/b + c")
}

const form, inJSON = "application/x-www-form-urlencoded", "application/json"

// posts is the queue's whole range.
func (w *world) posts(q queue, at string, callbacks <-chan string) {
	to := "task.url=" + url.QueryEscape(at)
	q.ask(201, "POST", "/queue?wait=30s", form, to+"&task.id=first&a=b")
	q.ask(201, "POST", "/queue", inJSON, `{"url":"`+at+`","countdown":"1h","id":"order/7","params":{"a":1}}`)
	q.ask(201, "POST", "/queue", inJSON, `{"url":"`+at+`","repeat":{"milliseconds":50,"limit":2},"id":"twice"}`)
	q.ask(409, "POST", "/queue", inJSON, `{"url":"`+at+`/2","id":"first"}`)
	for range 2 {
		q.ask(201, "POST", "/queue", form, to+"&task.countdown=1h", "Idempotency-Key", "7f3a")
	}
	q.ask(404, "GET", "/queue/nothing", "", "")
	q.ask(200, "GET", "/queue/twice?wait=30s", "", "")
	q.ask(200, "GET", "/queue/order%2F7", "", "")
	q.ask(200, "GET", "/queue/first/result", "", "")
	q.ask(200, "POST", "/queue/order%2F7", form, "task.eta=2099-01-01")
	q.ask(202, "DELETE", "/queue/order%2F7", "", "")
	next := member(w.t, q.ask(200, "GET", "/queue?limit=2&worker=manobi", "", ""), "bookmark")
	q.ask(200, "GET", "/queue?limit=2&worker=manobi&bookmark="+url.QueryEscape(next), "", "")
	q.ask(200, "GET", "/queue?status=done&job=http", "", "")
	q.ask(400, "GET", "/queue?limit=2&bookmark=nonsense", "", "")
	q.ask(200, "POST", "/queue/batch", inJSON, `{"tasks":[{"url":"`+at+`","id":"first"},{"url":"`+at+`","id":"second"},{"url":"ftp://example.org"}]}`)
	q.ask(200, "POST", "/ping/backup?every=25h&notify.url="+url.QueryEscape(at), "", "")
	q.ask(200, "POST", "/ping/backup", "", "")

	q.ask(201, "PUT", "/later/"+at+"/a?b=c&after.wait=30s", "text/plain", "the body as it is")
	q.ask(201, "PUT", "/later/"+at+"/a?b=c&after.in=1h&after.id=handed", "text/plain", "the body as it is")
	q.ask(201, "POST", "/later/"+at, "text/plain", strings.Repeat("a long body ", 1<<17), "X-After-Wait", "30s")

	q.ask(201, "POST", "/queue", inJSON, `{"url":"`+at+`","callback":true,"id":"convert"}`)
	callback, err := url.Parse(<-callbacks)
	if err != nil {
		w.t.Fatal(err)
	}
	q.ask(202, "POST", callback.Path, inJSON, `{"status":"done","result":{"pages":7}}`)
	q.ask(200, "GET", "/queue/convert?wait=30s", "", "")

	// Whoever asked for it is told, and a task that is expected has a switch.
	told := make(chan struct{}, 10)
	listener := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { told <- struct{}{} }))
	w.t.Cleanup(listener.Close)
	q.ask(201, "POST", "/queue", inJSON, `{"url":"`+at+`","id":"tells","notify":{"url":"`+listener.URL+`","on":["done"]},"expect":"every 1h"}`)
	<-told
}
