package replicate

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

// ends are two servers behind one transport: a is the source, b the target.
type ends struct {
	rows    string // of the source's feed
	missing string // the answer of _revs_diff
	bulk    string // the answer of _bulk_get
	get     func(*http.Request) *http.Response
	put     func(*http.Request) *http.Response
	docs    []string // the bodies of _bulk_docs
}

func (e *ends) RoundTrip(r *http.Request) (*http.Response, error) {
	var raw string
	switch r.URL.Path {
	case "/a/_changes":
		raw = e.rows
	case "/b/_revs_diff":
		raw = e.missing
	case "/a/_bulk_get":
		raw = e.bulk
	case "/b/_bulk_docs":
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		e.docs = append(e.docs, string(body))
		raw = "[]"
	case "/a/doc":
		return e.get(r), nil
	case "/b/doc":
		return e.put(r), nil
	default:
		return fake(empty).RoundTrip(r)
	}
	return give(r, http.StatusOK, "application/json", strings.NewReader(raw)), nil
}

func give(r *http.Request, status int, kind string, body io.Reader) *http.Response {
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {kind}}, Body: io.NopCloser(body), Request: r,
	}
}

// oneLarge is a source with a document that has a large attachment.
func oneLarge() *ends {
	return &ends{
		rows:    `{"results":[{"seq":1,"id":"doc","changes":[{"rev":"1-a"}]}],"last_seq":1}`,
		missing: `{"doc":{"missing":["1-a"],"possible_ancestors":["0-z"]}}`,
		bulk: `{"results":[{"id":"doc","docs":[{"ok":{"_id":"doc","_rev":"1-a","_revisions":{"start":1,"ids":["a"]},` +
			`"_attachments":{"f":{"stub":true,"length":1000000}}}}]}]}`,
	}
}

type failing struct{ io.Reader }

var errBroken = errors.New("broken")

func (f failing) Read(b []byte) (int, error) {
	n, err := f.Reader.Read(b)
	if errors.Is(err, io.EOF) {
		err = errBroken
	}
	return n, err
}

// TestHalfDocument has the source break off in the middle of a document with attachments, and the target answer that half a document is none:
// the document is read again, not left out.
func TestHalfDocument(t *testing.T) {
	t.Parallel()
	e := oneLarge()
	const kind, whole = `multipart/related; boundary="x"`, "--x\r\n…\r\n--x--"
	reads := 0
	e.get = func(r *http.Request) *http.Response {
		if reads++; reads == 1 {
			return give(r, http.StatusOK, kind, failing{strings.NewReader(whole[:5])})
		}
		return give(r, http.StatusOK, kind, strings.NewReader(whole))
	}
	e.put = func(r *http.Request) *http.Response {
		body, _ := io.ReadAll(r.Body)
		switch {
		case r.Header.Get("Content-Type") != kind || r.URL.Query().Get("new_edits") != "false":
			t.Errorf("%s %v", r.URL, r.Header)
		case string(body) == whole:
			return give(r, http.StatusCreated, "application/json", strings.NewReader(`{"ok":true}`))
		}
		return give(r, http.StatusBadRequest, "application/json", strings.NewReader(`{"error":"bad_request","reason":"half"}`))
	}
	m := NewManager(Options{UUID: "u"})
	defer m.Close()
	_, result, err := m.Replicate(t.Context(), request(e, false))
	if err != nil {
		t.Fatal(err)
	}
	if h := result.log.entries()[0]; h.Failed != 0 || h.Written != 1 || h.Read != 1 || reads != 2 {
		t.Errorf("%d reads, %+v", reads, h)
	}
}

// TestMissingStub has the target lack an attachment that an ancestor should have brought: it is sent after all.
func TestMissingStub(t *testing.T) {
	t.Parallel()
	e := oneLarge()
	const kind = `multipart/related; boundary="x"`
	since := []string{}
	e.get = func(r *http.Request) *http.Response {
		since = append(since, r.URL.Query().Get("atts_since"))
		return give(r, http.StatusOK, kind, strings.NewReader("--x--"))
	}
	e.put = func(r *http.Request) *http.Response {
		_, _ = io.Copy(io.Discard, r.Body)
		if len(since) == 1 {
			return give(r, http.StatusPreconditionFailed, "application/json", strings.NewReader(`{"error":"missing_stub","reason":"f"}`))
		}
		return give(r, http.StatusCreated, "application/json", strings.NewReader(`{"ok":true}`))
	}
	m := NewManager(Options{UUID: "u"})
	defer m.Close()
	_, result, err := m.Replicate(t.Context(), request(e, false))
	if err != nil {
		t.Fatal(err)
	}
	if h := result.log.entries()[0]; h.Failed != 0 || h.Written != 1 || len(since) != 2 || since[0] != `["0-z"]` || since[1] != "" {
		t.Errorf("%q, %+v", since, h)
	}
}

// TestSourceWithoutParts has a source that gives attachments only inside of JSON.
func TestSourceWithoutParts(t *testing.T) {
	t.Parallel()
	e := oneLarge()
	const doc = `{"_id":"doc","_rev":"1-a","_attachments":{"f":{"data":"AA=="}}}`
	e.get = func(r *http.Request) *http.Response {
		return give(r, http.StatusOK, "application/json", strings.NewReader(doc))
	}
	m := NewManager(Options{UUID: "u"})
	defer m.Close()
	if _, _, err := m.Replicate(t.Context(), request(e, false)); err != nil {
		t.Fatal(err)
	}
	if len(e.docs) != 1 || !strings.Contains(e.docs[0], doc) || !strings.Contains(e.docs[0], `"new_edits":false`) {
		t.Errorf("%q", e.docs)
	}
}
