package httpd_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// fuzzedFiles is a server on a store of its own with a database, for requests without a socket.
func fuzzedFiles(f *testing.F) func(method, path, body string, header ...string) *httptest.ResponseRecorder {
	f.Helper()
	_, h := served(f)
	ask := func(method, path, body string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.SetBasicAuth("admin", "secret")
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/json")
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	if w := ask("PUT", "/db", ""); w.Code != http.StatusCreated {
		f.Fatal(w.Code, w.Body)
	}
	return ask
}

// FuzzRelated sends documents with attachments behind them: what is taken can be read with its attachments, and what is not leaves nothing.
func FuzzRelated(f *testing.F) {
	ask := fuzzedFiles(f)
	document := `{"n":1,"_attachments":{"a":{"follows":true,"content_type":"a/b","length":5},"b":{"follows":true,"content_type":"text/plain","length":2}}}`
	whole := "--x\r\nContent-Type: application/json\r\n\r\n" + document + "\r\n--x\r\n\r\nhello\r\n--x\r\n\r\nhi\r\n--x--"
	for _, body := range []string{
		whole, whole[:len(whole)-9], whole[:60], "--x--", "", strings.Replace(whole, "hello", "hell", 1), strings.Replace(whole, `"length":5`, `"length":-5`, 1),
		strings.Replace(whole, "\r\n\r\nhello", "\r\nContent-Disposition: attachment; filename=\"b\"\r\n\r\nhello", 1),
		strings.Replace(whole, `"length":5`, `"digest":"md5-AAAAAAAAAAAAAAAAAAAAAA==","length":5`, 1),
	} {
		f.Add("multipart/related; boundary=x", []byte(body))
	}
	f.Add("multipart/related", []byte(whole))
	f.Add(`multipart/related; boundary=""`, []byte("--\r\n"))
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		w := ask("PUT", "/db/d", string(body), "Content-Type", "multipart/related"+strings.TrimPrefix(kind, "multipart/related"))
		got := ask("GET", "/db/d?attachments=true", "")
		if w.Code != http.StatusCreated {
			if w.Code >= http.StatusInternalServerError || got.Code != http.StatusNotFound {
				t.Fatalf("%d %s, and then %d %s", w.Code, w.Body, got.Code, got.Body)
			}
			return
		}
		var doc struct {
			Rev         string                           `json:"_rev"`
			Attachments map[string]struct{ Data []byte } `json:"_attachments"`
		}
		if err := json.Unmarshal(got.Body.Bytes(), &doc); err != nil || got.Code != http.StatusOK {
			t.Fatalf("%v: %d %s", err, got.Code, got.Body)
		}
		for name, a := range doc.Attachments {
			if !bytes.Contains(body, a.Data) && !bytes.Contains(body, []byte(`"data"`)) {
				t.Errorf("%q has %q, which was not sent", name, a.Data)
			}
		}
		if w := ask("DELETE", "/db/d?rev="+doc.Rev, ""); w.Code != http.StatusOK {
			t.Fatal(w.Code, w.Body)
		}
	})
}

// FuzzRange asks for parts of an attachment: each part is what its Content-Range says.
func FuzzRange(f *testing.F) {
	ask := fuzzedFiles(f)
	const content = "0123456789abcdefghijklmnopqrstuvwxyz"
	if w := ask("PUT", "/db/d/f", content, "Content-Type", "a/b"); w.Code != http.StatusCreated {
		f.Fatal(w.Code, w.Body)
	}
	for _, header := range []string{
		"bytes=0-", "bytes=0-3", "bytes=-5", "bytes=35-", "bytes=36-", "bytes=5-2", "bytes=-0", "bytes=1-2,4-5", "bytes=0-0,-1", "bytes=", "bytes=,",
		"bytes=9223372036854775807-9223372036854775807", "bytes=-9223372036854775807", "chars=1-2", "bytes=1-2,3", "bytes=1--2",
		"bytes=" + strings.Repeat("1-2,", 20) + "1-2",
	} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		w := ask("GET", "/db/d/f", "", "Range", header)
		body := w.Body.String()
		switch w.Code {
		case http.StatusOK:
			if body != content {
				t.Fatalf("%q is not the whole", body)
			}
		case http.StatusRequestedRangeNotSatisfiable:
		case http.StatusPartialContent:
			if where := w.Header().Get("Content-Range"); where != "" {
				inPlace(t, where, body, content)
				return
			}
			parts := 0
			for _, one := range strings.Split(body, "\r\nContent-Range: ")[1:] {
				where, rest, _ := strings.Cut(one, "\r\n\r\n")
				text, _, _ := strings.Cut(rest, "\r\n--")
				inPlace(t, where, text, content)
				parts++
			}
			if parts < 2 {
				t.Fatalf("%d parts: %s", parts, body)
			}
		default:
			t.Fatal(w.Code, body)
		}
	})
}

func inPlace(t *testing.T, where, body, content string) {
	t.Helper()
	var from, to, size int
	if _, err := fmt.Sscanf(where, "bytes %d-%d/%d", &from, &to, &size); err != nil || size != len(content) || from > to || to >= size {
		t.Fatalf("%q: %v", where, err)
	}
	if body != content[from:to+1] {
		t.Fatalf("%s: %q", where, body)
	}
}
