package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCallArguments makes the arguments of the job http of what is typed.
func TestCallArguments(t *testing.T) {
	t.Parallel()
	const url = "http://x.example"
	for want, o := range map[string]callFlags{
		`{"body":{"a": 1},"url":"http://x.example"}`:                     {body: " {\"a\": 1}\n"},
		`{"body":"5","url":"http://x.example"}`:                          {body: "5"},
		`{"body":"\n","url":"http://x.example"}`:                         {body: "\n"},
		`{"base64":"Iv8i","url":"http://x.example"}`:                     {body: "@-"},
		`{"headers":{"A":"1","X-A":["1","2"]},"url":"http://x.example"}`: {headers: []string{"X-A: 1", "a:1", "x-a: 2"}},
		`{"method":"PUT","text":"x","url":"http://x.example"}`:           {method: "put", request: `{"text":"x"}`},
		`{"callback":"2h","url":"http://x.example"}`:                     {callback: "2h"},
		`{"callback":true,"url":"http://x.example"}`:                     {callback: "true"},
		`{"body":[12345678901234567890],"url":"http://x.example"}`:       {request: `{"body":[12345678901234567890]}`},
	} {
		a := &app{Streams: Streams{In: bytes.NewReader([]byte("\"\xff\""))}}
		o.worker = "w"
		add, err := a.callAsTask(url, o)
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(strings.ReplaceAll(want, ": ", ":"), add.arguments); diff != "" {
			t.Error(diff)
		}
	}
	for request, says := range map[string]string{
		`{"URL":"http://y"}`: "the address", `{"method":"GET"}`: "--method", `{"limit":"1/s"}`: "--rate", `{"headers":{}}`: "--header", `{"text":"x"}`: "--data",
		`{"callback":true}`: "--callback",
	} {
		o := callFlags{worker: "w", callback: "2h", method: "PUT", limit: "2/s", headers: []string{"A: b"}, body: "x", request: request}
		if _, err := (&app{}).callAsTask(url, o); err == nil || !strings.Contains(err.Error(), says+" says that too") {
			t.Errorf("%s: %v", request, err)
		}
	}
	if _, err := (&app{}).callAsTask(url, callFlags{worker: "w", request: "null"}); err == nil || !strings.Contains(err.Error(), "no JSON object") {
		t.Error(err)
	}
}
