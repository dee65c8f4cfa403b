package webhook_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/adlayer/after/webhook"
)

const (
	first  = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8G"
	second = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
)

func signer(t *testing.T, secrets ...string) *webhook.Signer {
	t.Helper()
	s, err := webhook.NewSigner(secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func verifier(t *testing.T, now time.Time, secrets ...string) *webhook.Verifier {
	t.Helper()
	v, err := webhook.NewVerifier(secrets...)
	if err != nil {
		t.Fatal(err)
	}
	v.Now = func() time.Time { return now }
	return v
}

func signed(t *testing.T, s *webhook.Signer, at time.Time, body string) http.Header {
	t.Helper()
	h := http.Header{}
	if err := s.Sign(h, "msg_1", at, []byte(body)); err != nil {
		t.Fatal(err)
	}
	return h
}

// TestKnownSignature holds the form to a signature that was computed with openssl.
func TestKnownSignature(t *testing.T) {
	t.Parallel()
	h := signed(t, signer(t, second), time.Unix(1614265330, 0), `{"test": 2432232314}`)
	want := map[string]string{
		"webhook-id": "msg_1", "webhook-timestamp": "1614265330", "webhook-signature": "v1,GWvjEzx3AphU7wha3hNZPXJnymF9Fg+ZdvPQqWPOjZ0=",
	}
	for name, value := range want {
		if h.Get(name) != value {
			t.Errorf("%s is %s, want %s", name, h.Get(name), value)
		}
	}
}

// TestReference has the library of Standard Webhooks verify what is signed here, and the other way round.
func TestReference(t *testing.T) {
	t.Parallel()
	reference, err := standardwebhooks.NewWebhook(first)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for _, body := range []string{"", "{}", "a.b.c", strings.Repeat("é", 1000)} {
		if err := reference.Verify([]byte(body), signed(t, signer(t, second, first), now, body)); err != nil {
			t.Errorf("%.10q signed here: %v", body, err)
		}
		signature, err := reference.Sign("msg_1", now, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		h := signed(t, signer(t, second), now, body)
		h.Set(webhook.HeaderSignature, "v1a,xx v1,% "+signature)
		if _, err := verifier(t, now, first).Verify(h, []byte(body)); err != nil {
			t.Errorf("%.10q signed there: %v", body, err)
		}
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_700_000_000, 0)
	tests := map[string]struct {
		signers, verifiers []string
		later              time.Duration
		change             func(h http.Header)
		body               string
		want               error
	}{
		"right":            {verifiers: []string{first}},
		"rotated sender":   {signers: []string{second, first}, verifiers: []string{first}},
		"rotated receiver": {verifiers: []string{second, first}},
		"another secret":   {verifiers: []string{second}, want: webhook.ErrSignature},
		"another body":     {body: "other", want: webhook.ErrSignature},
		"another id":       {change: func(h http.Header) { h.Set("Webhook-Id", "msg_2") }, want: webhook.ErrSignature},
		"another time":     {change: func(h http.Header) { h.Set("Webhook-Timestamp", "1700000001") }, want: webhook.ErrSignature},
		"old":              {later: 5*time.Minute + time.Second, want: webhook.ErrTime},
		"nearly old":       {later: 5 * time.Minute},
		"of the future":    {later: -5*time.Minute - time.Second, want: webhook.ErrTime},
		"far beyond":       {change: func(h http.Header) { h.Set("Webhook-Timestamp", "-9223372036854775808") }, want: webhook.ErrTime},
		"no number":        {change: func(h http.Header) { h.Set("Webhook-Timestamp", "now") }, want: webhook.ErrMissing},
		"no id":            {change: func(h http.Header) { h.Del("Webhook-Id") }, want: webhook.ErrMissing},
		"no time":          {change: func(h http.Header) { h.Del("Webhook-Timestamp") }, want: webhook.ErrMissing},
		"no signature":     {change: func(h http.Header) { h.Del("Webhook-Signature") }, want: webhook.ErrMissing},
		// The id, time and body of the same signed bytes, cut elsewhere.
		"cut elsewhere": {
			change: func(h http.Header) { h.Set("Webhook-Id", "msg_1.1700000000"); h.Set("Webhook-Timestamp", "1700000000") },
			want:   webhook.ErrMissing,
		},
		"another version": {
			change: func(h http.Header) {
				h.Set("Webhook-Signature", "v2"+strings.TrimPrefix(h.Get("Webhook-Signature"), "v1"))
			},
			want: webhook.ErrSignature,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if test.signers == nil {
				test.signers = []string{first}
			}
			if test.verifiers == nil {
				test.verifiers = []string{first}
			}
			h := signed(t, signer(t, test.signers...), at, "body")
			if test.change != nil {
				test.change(h)
			}
			if test.body == "" {
				test.body = "body"
			}
			m, err := verifier(t, at.Add(test.later), test.verifiers...).Verify(h, []byte(test.body))
			if !errors.Is(err, test.want) || (err == nil) != (test.want == nil) {
				t.Errorf("error %v, want %v", err, test.want)
			}
			if err == nil && (m.ID != "msg_1" || !m.Time.Equal(at)) {
				t.Errorf("message %v", m)
			}
		})
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	for secret, says := range map[string]string{
		"":                     "does not begin with whsec_",
		"MfKQ9r8GKYqrTwjUPD8I": "does not begin with whsec_",
		"whsec_%%":             "is no base64",
		"whsec_c2hvcnQ=":       "has 5 bytes: it must have 24 to 64",
	} {
		if _, err := webhook.NewSigner(first, secret); err == nil || !strings.Contains(err.Error(), "secret 2 ") && !strings.Contains(err.Error(), "of secret 2") ||
			!strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %s", secret, err, says)
		}
	}
	if _, err := webhook.NewVerifier(); err == nil {
		t.Error("a verifier without a secret")
	}
	if a, b := webhook.NewSecret(), webhook.NewSecret(); a == b {
		t.Error("the same secret twice")
	} else if _, err := webhook.NewVerifier(a, b); err != nil {
		t.Error(err)
	}
}

func TestIDs(t *testing.T) {
	t.Parallel()
	s := signer(t, first)
	for text, want := range map[string]string{"a@2026-03-01T10:00:00Z/1-a": "a@2026-03-01T10:00:00Z/1-a", "a.b é%\n": "a%2Eb%20%C3%A9%25%0A"} {
		if got := webhook.ID(text); got != want {
			t.Errorf("id of %q is %s, want %s", text, got, want)
		}
		if err := s.Sign(http.Header{}, webhook.ID(text), time.Unix(0, 0), nil); err != nil {
			t.Error(err)
		}
	}
	for _, id := range []string{"", "a.b", "a b", "a\r\nb", "é"} {
		if err := s.Sign(http.Header{}, id, time.Unix(0, 0), nil); err == nil {
			t.Errorf("%q was taken for an id", id)
		}
	}
}

func TestMiddleware(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	v := verifier(t, now, first)
	v.MaxBody = 10
	handler := v.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m, ok := webhook.FromContext(r.Context())
		body, err := io.ReadAll(r.Body)
		if !ok || m.ID != "msg_1" || err != nil {
			t.Errorf("message %v, %v", m, err)
		}
		_, _ = w.Write(body)
	}))
	ask := func(h http.Header, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header = h
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w
	}
	s := signer(t, first)
	if w := ask(signed(t, s, now, "1234567890"), "1234567890"); w.Code != http.StatusOK || w.Body.String() != "1234567890" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for status, w := range map[int]*httptest.ResponseRecorder{
		400: ask(http.Header{}, ""),
		401: ask(signed(t, s, now, "a"), "b"),
		413: ask(signed(t, s, now, "12345678901"), "12345678901"),
	} {
		if w.Code != status {
			t.Errorf("%d, want %d: %s", w.Code, status, w.Body)
		}
	}
}

func TestCallback(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0).UTC()
	c := webhook.Callback{Task: "a.b/é", Key: "a@1/1-a", Attempt: 2, Expires: now.Add(time.Hour)}
	token, err := signer(t, first, second).Callback(c)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Trim(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
		t.Errorf("%s is not fit for a path", token)
	}
	if got, err := verifier(t, now, second, first).Callback(token); err != nil || got != c {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := verifier(t, now.Add(time.Hour), first).Callback(token); !errors.Is(err, webhook.ErrTime) || got != c {
		t.Errorf("expired: %v, %v", got, err)
	}
	if _, err := verifier(t, now, second).Callback(token); !errors.Is(err, webhook.ErrSignature) {
		t.Errorf("another secret: %v", err)
	}
	body, signature, _ := strings.Cut(token, ".")
	for _, wrong := range []string{"", ".", "x", body, body + ".", body + ".x!", "e30." + signature, body + "x." + signature, token + "x", token + "."} {
		if got, err := verifier(t, now, first).Callback(wrong); err == nil || got != (webhook.Callback{}) {
			t.Errorf("%s was taken: %v", wrong, got)
		}
	}
}

// TestBodyIsNoToken: whoever can have a body signed cannot make a token of it.
func TestBodyIsNoToken(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	h := signed(t, signer(t, first), now, "")
	signature := strings.TrimPrefix(h.Get(webhook.HeaderSignature), "v1,")
	token := "msg_1.1700000000." + signature
	if _, err := verifier(t, now, first).Callback(token); err == nil {
		t.Error("a signature was taken for a token")
	}
}
