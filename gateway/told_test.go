package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/adlayer/after/gateway"
)

// TestToldWhatToDo: a refusal says what is wrong, where, and what would be right.
func TestToldWhatToDo(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, r *rig) {
		t.Helper()
		const good = `"url":"http://localhost/"`
		for name, test := range map[string]struct {
			method, path, kind, body string
			field, says              string
		}{
			"JSON as a form":        {http.MethodPost, "/queue", form, `{` + good + `}`, "", "say Content-Type: application/json"},
			"a parameter":           {http.MethodPost, "/queue", form, "url=http://localhost/", "url", "task.url in a form"},
			"no address":            {http.MethodPost, "/queue", inJSON, `{"worker":"w"}`, "url", "url, task.url in a form"},
			"broken JSON":           {http.MethodPost, "/queue", inJSON, `{` + good + `,}`, "", "the body is no JSON: invalid character"},
			"a field":               {http.MethodPost, "/queue", inJSON, `{` + good + `,"delay":5}`, "delay", "there are callback, codes, countdown, eta,"},
			"a field of a form":     {http.MethodPost, "/queue", form, "task.url=http://localhost/&task.delay=5", "delay", "there are callback, codes, countdown, eta,"},
			"a field of a batch":    {http.MethodPost, "/queue/batch", inJSON, `{"task":[]}`, "task", `there is no field "task"`},
			"no list of a batch":    {http.MethodPost, "/queue/batch", inJSON, `{"tasks":"x"}`, "tasks", "a text was sent, where a list of objects is wanted"},
			"a header's type":       {http.MethodPost, "/queue", inJSON, `{` + good + `,"headers":{"X":1}}`, "headers.X", "a number was sent, where a text is wanted"},
			"a list":                {http.MethodPost, "/queue", inJSON, `{` + good + `,"tags":"a"}`, "tags", "a text was sent, where a list of texts is wanted"},
			"an object":             {http.MethodPost, "/queue", inJSON, `{` + good + `,"headers":[]}`, "headers", "a list was sent, where an object of texts is wanted"},
			"parameters":            {http.MethodPost, "/queue", inJSON, `{` + good + `,"params":"a=1"}`, "params", `a text was sent, where an object is wanted: {"name": "value"}`},
			"parameters as JSON":    {http.MethodPost, "/queue", inJSON, `{` + good + `,"format":"json","params":[]}`, "params", "a list was sent, where an object is wanted"},
			"a bare repeat":         {http.MethodPost, "/queue", inJSON, `{` + good + `,"repeat":60}`, "repeat", `"60s"`},
			"a bare callback":       {http.MethodPost, "/queue", inJSON, `{` + good + `,"callback":30}`, "callback", `"30s"`},
			"another content type":  {http.MethodPost, "/queue", "multipart/form-data; boundary=x", "", "", "not multipart/form-data"},
			"a plan as a parameter": {http.MethodPost, "/queue/x", form, "eta=tomorrow", "params", "in a form with task. before it"},
			"a status":              {http.MethodGet, "/queue?status=finished", "", "", "status", "there are waiting, scheduled, running, done, error, canceled,"},
			"a path":                {http.MethodGet, "/queue/x/colour", "", "", "", "/queue/<id>/result"},
			"a setting":             {http.MethodGet, "/later/http://localhost/?after.delay=5", "", "", "after.delay", "there are at, callback, codes, cron, every,"},
			"in":                    {http.MethodGet, "/later/http://localhost/?after.in=soon", "", "", "after.in", "soon"},
			"at":                    {http.MethodGet, "/later/http://localhost/?after.at=whenever", "", "", "after.at", "whenever"},
			"every":                 {http.MethodGet, "/later/http://localhost/?after.every=often", "", "", "after.every", "often"},
			"cron":                  {http.MethodGet, "/later/http://localhost/?after.cron=5", "", "", "after.cron", "five fields"},
			"who is told":           {http.MethodGet, `/later/http://localhost/?after.notify={"email":"x"}`, "", "", "after.notify.email", "mail address"},
			"how long":              {http.MethodGet, "/later/http://localhost/?after.timeout=5", "", "", "after.timeout", "30s"},
			"which address":         {http.MethodGet, "/later/ftp://localhost/", "", "", "url", "http"},
		} {
			a := r.ask(asking{method: test.method, path: test.path, kind: test.kind, body: test.body})
			if a.status < 400 || a.status >= 500 || a.get("field") != test.field || !strings.Contains(a.get("reason"), test.says) {
				t.Errorf("%s: %d %s, want the field %q and %q", name, a.status, a.body, test.field, test.says)
			}
		}
		if n := r.documents(); n != 0 {
			t.Errorf("%d documents", n)
		}
		if a := r.ask(asking{method: http.MethodGet, path: "/queue", nobody: true}); a.status != http.StatusUnauthorized || !strings.Contains(a.get("reason"), "gateway.tokens") {
			t.Errorf("nobody: %d %s", a.status, a.body)
		}
		if a := r.ask(asking{method: http.MethodGet, path: "/queue", header: map[string]string{"Authorization": "Bearer x"}}); a.status != http.StatusUnauthorized || !strings.Contains(a.get("reason"), "gateway.tokens") {
			t.Errorf("a token of nobody's: %d %s", a.status, a.body)
		}
	})
	r := before(t, gateway.Options{Database: "tasks"})
	for _, test := range []asking{{method: http.MethodGet, path: "/"}, {method: http.MethodGet, path: "/queues"}} {
		if a := r.ask(test); a.status != http.StatusNotFound || !strings.Contains(a.get("reason"), "there are /queue, /later/<url>, /ping/<id>, /callback/<token> and /openapi.json") {
			t.Errorf("%s: %d %s", test.path, a.status, a.body)
		}
	}
	if a := r.post("/queue", form, "task.url=http://localhost/"); a.get("field") != "worker" || !strings.Contains(a.get("reason"), "task.worker in a form") {
		t.Errorf("no worker: %d %s", a.status, a.body)
	}
}
