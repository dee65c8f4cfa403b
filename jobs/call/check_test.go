package call_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/adlayer/after/jobs/call"
)

// TestMethodOf: the method that a document's arguments lead to, which is the one that the job sends.
func TestMethodOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"url":"http://x.example"}`:                                         "GET",
		`{"url":"http://x.example","method":"","body":null,"attachment":""}`: "GET",
		`{"url":"http://x.example","method":"put"}`:                          "PUT",
		`{"url":"http://x.example","Method":"put"}`:                          "PUT",
		`{"url":"http://x.example","body":{}}`:                               "POST",
		`{"url":"http://x.example","body":""}`:                               "GET",
		`{"url":"http://x.example","form":{}}`:                               "GET",
		`{"url":"http://x.example","form":{"a":1}}`:                          "POST",
		`{"url":"http://x.example","text":""}`:                               "GET",
		`{"url":"http://x.example","text":"a"}`:                              "POST",
		`{"url":"http://x.example","base64":"AA=="}`:                         "POST",
		`{"url":"http://x.example","base64":""}`:                             "GET",
	} {
		var sent string
		c := fresh(t, call.Options{Transport: transport(func(r *http.Request) (int, error) { sent = r.Method; return http.StatusOK, nil })})
		if result, err := c.Run(t.Context(), of(t, "a", 0), arguments(t, "%s", text)); err != nil || sent != want || call.MethodOf([]byte(text)) != want {
			t.Errorf("%s: %s is sent, %s is told, want %s: %v %v", text, sent, call.MethodOf([]byte(text)), want, result, err)
		}
	}
	if method := call.MethodOf([]byte(`{"url":"http://x.example","attachment":"a"}`)); method != "POST" {
		t.Errorf("with an attachment: %s", method)
	}
	if method := call.MethodOf([]byte(`[1]`)); method != "" {
		t.Errorf("what cannot be read: %s", method)
	}
}

// TestCheck names the argument that is wrong, and takes what the job takes.
func TestCheck(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct{ argument, says string }{
		``:                                    {"url", "url is missing"},
		`{}`:                                  {"url", "url is missing"},
		`["no object"]`:                       {"", "array found, an object wanted"},
		`{"url":7}`:                           {"url", "url: number found"},
		`{"url":"ftp://x"}`:                   {"url", "no http or https"},
		`{"url":"http://x","colour":1}`:       {"colour", "knows no such argument"},
		`{"url":"http://x","method":"A B"}`:   {"method", "method: "},
		`{"url":"http://x","timeout":"soon"}`: {"timeout", "timeout: cannot read the duration"},
		`{"url":"http://x","limit":"fast"}`:   {"limit", "limit: "},
		`{"url":"http://x","codes":{"done":["2xx",99]}}`:          {"codes.done.1", "is no status code"},
		`{"url":"http://x","codes":{"done":[1]},"limit":"x"}`:     {"codes.done.0", "is no status code"},
		`{"url":"http://x","codes":{"done":[200],"retry":[200]}}`: {"codes", "in two lists"},
		`{"url":"http://x","codes":[]}`:                           {"codes", "codes: "},
		`{"url":"http://x","headers":{"A":"b\r\nC: d"}}`:          {"headers.A", "line break"},
		`{"url":"http://x","headers":{"A B":"c"}}`:                {"headers", "no name of a header"},
		`{"url":"http://x","headers":{"A":{}}}`:                   {"headers.A", "wanted"},
		`{"url":"http://x","callback":"often"}`:                   {"callback", "callback: "},
		`{"url":"http://x","redirects":-1}`:                       {"redirects", "from 0 to 20"},
		`{"url":"http://x","body":1,"text":"x"}`:                  {"", "only one of body"},
		`["http://x"]`:                                            {"", ""},
		`{"url":`:                                                 {"", ""},
	} {
		err := call.Check([]byte(text))
		e, ok := errors.AsType[*call.ArgumentError](err)
		if !ok || e.Argument != want.argument || !strings.Contains(err.Error(), want.says) {
			t.Errorf("%s: %#v %v, want %v", text, e, err, want)
		}
	}
	for _, text := range []string{
		`{"url":"http://x"}`, `{"URL":"http://x","url":"http://y"}`, `{"url":"http://x","query":{"a":[1,"b"]},"timeout":"1s","codes":{"remove":[410]},"callback":false}`,
		`{"url":"http://x","base64":"AAE=","redirects":false,"credential":"a","tls":"b","tag":"c","gzip":true,"method":"purge"}`, "{\"url\":\"http://x\",\"text\":\"\xff\"}",
	} {
		if err := call.Check([]byte(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}
