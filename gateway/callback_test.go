package gateway_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/adlayer/after/task"
	"github.com/adlayer/after/webhook"
)

// TestCallback: whoever was left with a call tells its outcome by the token alone, once.
func TestCallback(t *testing.T) {
	t.Parallel()
	secret := webhook.NewSecret()
	verifier, err := webhook.NewVerifier(secret)
	must(t, err)
	signer, err := webhook.NewSigner(secret)
	must(t, err)
	other, err := webhook.NewSigner(webhook.NewSecret())
	must(t, err)
	o := options()
	o.Callbacks = verifier
	const plan = `{"_id":"a","worker":"manobi","job":"http","status":"running","plan":{"from":"2026-11-22T06:00:00Z","nominal":"2026-11-22T06:00:00Z",` +
		`"due":"2099-01-01T00:00:00Z","key":"k","awaits":true}}`
	for name, r := range map[string]*rig{"within": within(t, o), "before": before(t, o)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r.t = t
			must(t, func() error { _, err := r.db.Put(t.Context(), "a", []byte(plan)); return err }())
			token := func(s *webhook.Signer, c webhook.Callback) string {
				t.Helper()
				c.Expires = c.Expires.Add(time.Hour)
				text, err := s.Callback(c)
				must(t, err)
				return text
			}
			now := time.Now()
			good := webhook.Callback{Task: "a", Key: "k", Attempt: 1, Expires: now}
			for what, test := range map[string]struct {
				token, kind, body string
				status            int
			}{
				"nonsense":         {"x", inJSON, `{}`, 403},
				"another secret":   {token(other, good), inJSON, `{}`, 403},
				"too late":         {token(signer, webhook.Callback{Task: "a", Key: "k", Attempt: 1, Expires: now.Add(-2 * time.Hour)}), inJSON, `{}`, 410},
				"another firing":   {token(signer, webhook.Callback{Task: "a", Key: "l", Attempt: 1, Expires: now}), inJSON, `{}`, 409},
				"another attempt":  {token(signer, webhook.Callback{Task: "a", Key: "k", Attempt: 2, Expires: now}), inJSON, `{}`, 409},
				"no task":          {token(signer, webhook.Callback{Task: "b", Key: "k", Attempt: 1, Expires: now}), inJSON, `{}`, 404},
				"a status":         {token(signer, good), inJSON, `{"status":"fine"}`, 400},
				"a field":          {token(signer, good), inJSON, `{"colour":"red"}`, 400},
				"a type":           {token(signer, good), "text/plain", `done`, 415},
				"too long a token": {token(signer, good) + "x", inJSON, `{}`, 403},
			} {
				a := r.ask(asking{method: http.MethodPost, path: "/callback/" + test.token, kind: test.kind, body: test.body, nobody: true})
				if a.status != test.status || a.get("error") == "" {
					t.Errorf("%s: %d %s, want %d", what, a.status, a.body, test.status)
				}
			}
			if doc := r.document("a"); doc.Get("callback").Exists() {
				t.Errorf("it was called back: %s", doc.Raw)
			}
			q := asking{method: http.MethodPost, path: "/callback/" + token(signer, good), kind: inJSON, body: `{"status":"error","error":"no paper","result":{"a":1}}`, nobody: true}
			for range 2 {
				if a := r.ask(q); a.status != http.StatusAccepted || a.get("status") != "error" {
					t.Errorf("%d %s", a.status, a.body)
				}
			}
			back := r.document("a").Get("callback")
			if back.Get("key").Str != "k" || back.Get("attempt").Int() != 1 || back.Get("status").Str != "error" || back.Get("error").Str != "no paper" || back.Get("result.a").Int() != 1 {
				t.Errorf("written: %s", back.Raw)
			}
			q.body, q.kind = "", ""
			if a := r.ask(q); a.status != http.StatusConflict {
				t.Errorf("another outcome: %d %s", a.status, a.body)
			}
		})
	}
}

// TestCallbackBeforeTheWorkerWrote: an endpoint may be faster than the worker that called it, which writes only then that the run is on.
func TestCallbackBeforeTheWorkerWrote(t *testing.T) {
	t.Parallel()
	secret := webhook.NewSecret()
	verifier, err := webhook.NewVerifier(secret)
	must(t, err)
	signer, err := webhook.NewSigner(secret)
	must(t, err)
	o := options()
	o.Callbacks = verifier
	came := make(chan struct{}, 100)
	o.Now = func() time.Time { came <- struct{}{}; return time.Now() }
	r := before(t, o)
	_, err = r.db.Put(t.Context(), "early", []byte(`{"worker":"manobi","job":"http","status":"waiting"}`))
	must(t, err)
	token, err := signer.Callback(webhook.Callback{Task: "early", Key: "k", Attempt: 1, Expires: time.Now().Add(time.Hour)})
	must(t, err)
	answered := make(chan answer)
	go func() {
		defer close(answered)
		a, err := r.send(t.Context(), asking{method: http.MethodPost, path: "/callback/" + token, kind: inJSON, body: `{"result":7}`, nobody: true})
		if err != nil {
			t.Error(err)
		}
		answered <- a
	}()
	<-came
	r.work("early", map[string]any{"status": task.Running, "plan": map[string]any{
		"from": "2026-11-22T06:00:00Z", "nominal": "2026-11-22T06:00:00Z", "due": "2099-01-01T00:00:00Z", "key": "k", "awaits": true,
	}})
	if a := <-answered; a.status != http.StatusAccepted || r.document("early").Get("callback.result").Int() != 7 {
		t.Errorf("%d %s", a.status, a.body)
	}
}
