package gateway_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/adlayer/after/gateway"
	"github.com/adlayer/after/task"
	"github.com/adlayer/after/webhook"
)

// signing gives the options of a queue that knows the callbacks which its signer signs.
func signing(t *testing.T) (gateway.Options, *webhook.Signer) {
	t.Helper()
	secret := webhook.NewSecret()
	o := options()
	var err error
	o.Callbacks, err = webhook.NewVerifier(secret)
	must(t, err)
	signer, err := webhook.NewSigner(secret)
	must(t, err)
	return o, signer
}

// called is a callback of the first attempt of a firing, which comes in time.
func called(t *testing.T, signer *webhook.Signer, id, key, body string) asking {
	t.Helper()
	return asking{
		method: http.MethodPost, path: "/callback/" + tokenOf(t, signer, webhook.Callback{Task: id, Key: key, Attempt: 1, Expires: time.Now().Add(time.Hour)}),
		kind: inJSON, body: body, nobody: true,
	}
}

func tokenOf(t *testing.T, signer *webhook.Signer, c webhook.Callback) string {
	t.Helper()
	token, err := signer.Callback(c)
	must(t, err)
	return token
}

// TestCallback: whoever was left with a call tells its outcome by the token alone, once.
func TestCallback(t *testing.T) {
	t.Parallel()
	o, signer := signing(t)
	_, other := signing(t)
	const plan = `{"_id":"a","worker":"manobi","job":"http","status":"running","plan":{"from":"2026-11-22T06:00:00Z","nominal":"2026-11-22T06:00:00Z",` +
		`"due":"2099-01-01T00:00:00Z","key":"k","awaits":true}}`
	for name, r := range map[string]*rig{"within": within(t, o), "before": before(t, o)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r.t = t
			must(t, func() error { _, err := r.db.Put(t.Context(), "a", []byte(plan)); return err }())
			token := func(s *webhook.Signer, c webhook.Callback) string { t.Helper(); return tokenOf(t, s, c) }
			now := time.Now().Add(time.Hour)
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
			if a := r.ask(called(t, signer, "a", "k", `{"code":"x"}`)); a.status != http.StatusBadRequest || !strings.Contains(a.get("reason"), "a whole number is wanted") {
				t.Errorf("a code: %d %s", a.status, a.body)
			}
			if doc := r.document("a"); doc.Get("callback").Exists() {
				t.Errorf("it was called back: %s", doc.Raw)
			}
			q := called(t, signer, "a", "k", `{"status":"error","error":"no paper","result":{"a":1}}`)
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
	o, signer := signing(t)
	waiting := listeners{&http.Transport{}, make(chan struct{}, 1)}
	o.Transport = waiting
	r := before(t, o)
	const date = "2026-11-22T06:00:00Z"
	begin := func(id string) map[string]any {
		return map[string]any{"status": task.Running, "plan": map[string]any{"from": date, "nominal": date, "due": "2099-01-01T00:00:00Z", "key": id, "awaits": true}}
	}
	for id, test := range map[string]struct {
		meanwhile func(id string)
		status    int
	}{
		"begun":   {func(id string) { r.work(id, begin(id)) }, http.StatusAccepted},
		"another": {func(id string) { r.work(id, begin("other")) }, http.StatusConflict},
		"deleted": {func(id string) { must(t, r.tasks.Delete(t.Context(), id)) }, http.StatusNotFound},
	} {
		_, err := r.db.Put(t.Context(), id, []byte(`{"worker":"manobi","job":"http","status":"waiting"}`))
		must(t, err)
		for len(waiting.opened) > 0 {
			<-waiting.opened
		}
		q := called(t, signer, id, id, `{"result":7}`)
		answered := make(chan answer, 1)
		go func() {
			a, err := r.send(t.Context(), q)
			if err != nil {
				t.Error(err)
			}
			answered <- a
		}()
		select {
		case <-waiting.opened:
		case a := <-answered:
			t.Fatalf("%s: it did not wait: %d %s", id, a.status, a.body)
		}
		test.meanwhile(id)
		if a := <-answered; a.status != test.status {
			t.Errorf("%s: %d %s", id, a.status, a.body)
		}
	}
	if result := r.document("begun").Get("callback.result").Int(); result != 7 {
		t.Errorf("it says %d", result)
	}
}

// listeners tells when somebody begins to follow a feed of the server.
type listeners struct {
	*http.Transport

	opened chan struct{}
}

func (l listeners) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, "/_changes") {
		select {
		case l.opened <- struct{}{}:
		default:
		}
	}
	return l.Transport.RoundTrip(r)
}

// TestCallbackOfAnOtherFiring: where the document tells that the firing is over, nothing is waited for; where it ended as the callback says, that is
// no news.
func TestCallbackOfAnOtherFiring(t *testing.T) {
	t.Parallel()
	o, signer := signing(t)
	waiting := listeners{&http.Transport{}, make(chan struct{}, 1)}
	o.Transport = waiting
	r := before(t, o)
	const plan = `,"plan":{"from":"2026-11-22T06:00:00Z","nominal":"2026-11-22T06:00:00Z","due":"2026-11-22T06:00:00Z","key":"t@2026-11-22T06:00:00Z/1-aaaaaaaa"}`
	for name, test := range map[string]struct {
		document, body string
		status         int
	}{
		"rescheduled":       {`"status":"reschedule","date":"2099-01-01T00:00:00Z"` + plan, `{}`, http.StatusConflict},
		"written anew":      {`"status":"waiting","date":"2099-01-01T00:00:00Z"`, `{}`, http.StatusConflict},
		"being canceled":    {`"status":"cancel"` + plan, `{}`, http.StatusConflict},
		"it ended so":       {`"status":"done","executions":1` + plan, `{}`, http.StatusAccepted},
		"it ended else":     {`"status":"done","executions":1` + plan, `{"status":"error"}`, http.StatusConflict},
		"it failed so":      {`"status":"error","error":{"message":"no","kind":"job","attempt":1}` + plan, `{"status":"error"}`, http.StatusAccepted},
		"it came too late":  {`"status":"error","error":{"message":"no","kind":"timeout","attempt":1}` + plan, `{"status":"error"}`, http.StatusConflict},
		"another attempt's": {`"status":"done","retries":1` + plan, `{}`, http.StatusConflict},
	} {
		document, err := r.db.Put(t.Context(), name, []byte(`{"worker":"manobi","job":"http",`+test.document+`}`))
		must(t, err)
		a := r.ask(called(t, signer, name, "t@2026-11-22T06:00:00Z/1-aaaaaaaa", test.body))
		if a.status != test.status {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
		if now, err := r.db.Get(t.Context(), name); err != nil || now.Rev != document {
			t.Errorf("%s: it was written: %v", name, err)
		}
	}
	if len(waiting.opened) > 0 {
		t.Error("it waited")
	}
}
