package gateway_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestNothingIsAltered: what JSON cannot hold is refused, rather than sent on as something else; and nothing has a name that no post could give it.
func TestNothingIsAltered(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, r *rig) {
		t.Helper()
		const good = "task.url=http://localhost/"
		for name, test := range map[string]struct{ path, kind, body, field, says string }{
			"a parameter":              {"/queue", form, good + "&a=%ff", "params.a", "no UTF-8"},
			"the name of a parameter":  {"/queue", form, good + "&%ff=a", "params", "no UTF-8"},
			"an address":               {"/queue", form, good + "%ff", "url", "no UTF-8"},
			"a tag":                    {"/queue", form, good + "&task.tags=a&task.tags=%ff", "tags", "no UTF-8"},
			"a header":                 {"/queue", form, good + "&task.headers.X-A=%ff", "headers.X-A", "no UTF-8"},
			"an address in the path":   {"/later/http%3A%2F%2Flocalhost%2F%FF", "", "", "url", "no UTF-8"},
			"the id of a ping":         {"/ping/%ff?every=1h", "", "", "id", "no valid UTF-8"},
			"the worker of a ping":     {"/ping/x?every=1h&worker=%ff", "", "", "worker", "a name is plain text"},
			"the notice of a ping":     {"/ping/x?every=1h&worker=w&notify.url=http://h/%ff", "", "", "notify.url", "no UTF-8"},
			"a mail of a ping":         {"/ping/x?every=1h&worker=w&notify.email=a@h&notify.email=%ff@h", "", "", "notify.email", "no UTF-8"},
			"a setting":                {"/later/http://localhost/?after.notify={%22url%22:%22http://h/%ff%22}", "", "", "after.notify", "no UTF-8"},
			"a worker that is no name": {"/ping/x?every=1h&worker=a%1b%5B2J", "", "", "worker", "a name is plain text"},
		} {
			if a := r.post(test.path, test.kind, test.body); a.status != http.StatusBadRequest || a.get("field") != test.field || !strings.Contains(a.get("reason"), test.says) {
				t.Errorf("%s: %d %s, want the field %q and %q", name, a.status, a.body, test.field, test.says)
			}
		}
		for name, value := range map[string]string{"X-After-Notify": `{"url":"http://h/` + "\xff" + `"}`, "X-After-Worker": "\xff"} {
			a := r.ask(asking{method: http.MethodPost, path: "/later/http://localhost/", header: map[string]string{name: value}})
			if a.status != http.StatusBadRequest || a.get("field") != name || !strings.Contains(a.get("reason"), "no UTF-8") {
				t.Errorf("%s: %d %s", name, a.status, a.body)
			}
		}
		if n := r.documents(); n != 0 {
			t.Errorf("%d documents", n)
		}
		// A plain address keeps its spelling, and an encoded one what was encoded twice.
		for path, want := range map[string]string{
			"/later/http://localhost/%FF?after.id=plain": "http://localhost/%FF", "/later/http%3A%2F%2Flocalhost%2F%25FF?after.id=encoded": "http://localhost/%FF",
		} {
			a := r.post(path, "", "")
			if got := r.document(a.get("id")).Get("job.arguments.url").Str; got != want {
				t.Errorf("%s: %d %s, the address is %q", path, a.status, a.body, got)
			}
		}
		if a := r.post("/ping/x?every=1h&worker=w", "", ""); a.status != http.StatusOK {
			t.Errorf("a ping: %d %s", a.status, a.body)
		}
		if a := r.post("/ping/x?worker=%00", "", ""); a.status != http.StatusBadRequest || r.document("expect:x").Get("worker").Str != "w" {
			t.Errorf("another worker: %d %s", a.status, a.body)
		}
	})
}
