package httpd_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/tidwall/gjson"

	"github.com/adlayer/after/internal/torture"
	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/script"
)

// head is the head of an answer.
type head struct {
	Status        string
	StatusCode    int
	Header        http.Header
	ContentLength int64
}

// send sends a request with headers, pairs of name and value, and gives the whole answer.
func (s *server) send(method, path string, body io.Reader, header ...string) (head, []byte) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	req.SetBasicAuth("admin", "secret")
	req.Header.Set("Accept", "application/json")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	tr := &http.Transport{DisableCompression: true}
	defer tr.CloseIdleConnections()
	res, err := tr.RoundTrip(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return head{res.Status, res.StatusCode, res.Header, res.ContentLength}, raw
}

// law looks for contents that no revision has, and revisions whose content is not there.
func (s *server) law(blobs int) {
	s.t.Helper()
	db, err := s.st.Database("db")
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := db.Put(s.t.Context(), []byte(`{}`)); err != nil { // what was given up shows with the next write
		s.t.Fatal(err)
	}
	snap, err := db.Snapshot()
	if err != nil {
		s.t.Fatal(err)
	}
	defer snap.Close()
	stats, err := snap.CheckAttachments(s.t.Context())
	if err != nil || stats.Blobs != blobs || stats.Uploads != 0 {
		s.t.Errorf("%+v instead of %d contents: %v", stats, blobs, err)
	}
}

func revOf(raw []byte) string { return gjson.GetBytes(raw, "rev").String() }

// TestAttachmentLies sends attachments that are not what is said of them: nothing is written, and nothing is left behind.
func TestAttachmentLies(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{MaxAttachment: 1 << 20})
	s.want("PUT", "/db", "", http.StatusCreated)
	large := strings.Repeat("x", 900<<10)
	related := func(attachment string, parts ...string) string {
		head := "--b\r\nContent-Type: application/json\r\n\r\n" + `{"_attachments":{"f":{"follows":true,` + attachment + `}}}`
		return strings.Join(append([]string{head}, parts...), "\r\n--b\r\n\r\n") + "\r\n--b--"
	}
	const multipart = `multipart/related; boundary="b"`
	for what, c := range map[string]struct {
		path, kind, body string
		status           int
		name             string
	}{
		"longer":        {"/db/a", multipart, related(`"length":3`, large), 400, "bad_request"},
		"shorter":       {"/db/a", multipart, related(`"length":1000000`, large), 400, "bad_request"},
		"other digest":  {"/db/a", multipart, related(`"length":921600,"digest":"md5-AAAAAAAAAAAAAAAAAAAAAA=="`, large), 400, "content_md5_mismatch"},
		"no part":       {"/db/a", multipart, related(`"length":3`), 400, "bad_request"},
		"second wrong":  {"/db/a", multipart, related(`"length":921600},"g":{"follows":true,"length":4`, large, "xyz"), 400, "bad_request"},
		"cut off":       {"/db/a", multipart, related(`"length":921600`, large)[:500<<10], 400, "bad_request"},
		"no boundary":   {"/db/a", "multipart/related", "", 400, "bad_request"},
		"no JSON":       {"/db/a", multipart, "--b\r\n\r\n{\r\n--b--", 400, "bad_request"},
		"too large":     {"/db/a/f", "a/b", large + large, 413, "attachment_too_large"},
		"too large too": {"/db/a", multipart, related(`"length":1843200`, large+large), 413, "attachment_too_large"},
		"inline large":  {"/db/a", "application/json", `{"_attachments":{"f":{"data":"` + base64.StdEncoding.EncodeToString([]byte(large+large)) + `"}}}`, 413, "attachment_too_large"},
		"second inline": {"/db/a", "application/json", `{"_attachments":{"f":{"data":"` + base64.StdEncoding.EncodeToString([]byte(large)) + `"},"g":{"data":"*"}}}`, 400, "bad_request"},
	} {
		res, raw := s.send("PUT", c.path, strings.NewReader(c.body), "Content-Type", c.kind)
		if res.StatusCode != c.status || gjson.GetBytes(raw, "error").String() != c.name {
			t.Errorf("%s: %d %s instead of %d %s", what, res.StatusCode, raw, c.status, c.name)
		}
	}
	s.want("GET", "/db/a", "", http.StatusNotFound)
	s.law(0)
}

// TestAttachmentHalfSent breaks the connection in the middle of an upload.
func TestAttachmentHalfSent(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	s.want("PUT", "/db", "", http.StatusCreated)
	address, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", address.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	auth := base64.StdEncoding.EncodeToString([]byte("admin:secret"))
	fmt.Fprintf(conn, "PUT /db/a/f HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %s\r\nContent-Length: 3000000\r\n\r\n", auth)
	if _, err := conn.Write(make([]byte, 2_000_000)); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	// The answer tells that the server has given it up.
	raw, err := io.ReadAll(conn)
	if err != nil || !bytes.HasPrefix(raw, []byte("HTTP/1.1 400 ")) {
		t.Errorf("%s %v", raw, err)
	}
	s.want("GET", "/db/a", "", http.StatusNotFound)
	s.law(0)
}

// TestAttachmentLists reads attachments in all the lists that can have them.
func TestAttachmentLists(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	s.want("PUT", "/db", "", http.StatusCreated)
	content := bytes.Repeat([]byte("0123456789"), 20_000) // more than gathers before it is sent
	_, raw := s.send("PUT", "/db/a/f", bytes.NewReader(content), "Content-Type", "text/plain")
	s.want("PUT", "/db/b", `{"x":1}`, http.StatusCreated)
	rev := revOf(raw)
	want := base64.StdEncoding.EncodeToString(content)
	for path, at := range map[string]string{
		"/db/_all_docs?include_docs=true&attachments=true":                "rows.0.doc._attachments.f.data",
		"/db/_all_docs?include_docs=true&attachments=true&keys=[%22a%22]": "rows.0.doc._attachments.f.data",
		"/db/_changes?include_docs=true&attachments=true":                 "results.0.doc._attachments.f.data",
		"/db/_changes?include_docs=true&attachments=true&descending=true": "results.1.doc._attachments.f.data",
		"/db/_changes?include_docs=true&attachments=true&conflicts=true":  "results.0.doc._attachments.f.data",
		"/db/a?attachments=true&conflicts=true&revs_info=true":            "_attachments.f.data",
		"/db/a?atts_since=[%229-zzz%22]":                                  "_attachments.f.data",
		"/db/a?open_revs=[%22" + rev + "%22,%229-zz%22]&attachments=true": "0.ok._attachments.f.data",
	} {
		_, raw := s.send("GET", path, http.NoBody)
		if !json.Valid(raw) || gjson.GetBytes(raw, at).String() != want {
			t.Errorf("%s: %.300s", path, raw)
		}
		info := strings.TrimSuffix(at, "data")
		if _, raw = s.send("GET", path+"&att_encoding_info=true", http.NoBody); gjson.GetBytes(raw, info+"encoding").String() != "gzip" {
			t.Errorf("%s: no encoding in %.300s", path, raw)
		}
	}
	_, raw = s.send("POST", "/db/_bulk_get?attachments=true", strings.NewReader(`{"docs":[{"id":"a"},{"id":"a","atts_since":["`+rev+`"]}]}`),
		"Content-Type", "application/json")
	if gjson.GetBytes(raw, "results.0.docs.0.ok._attachments.f.data").String() != want ||
		!gjson.GetBytes(raw, "results.1.docs.0.ok._attachments.f.stub").Bool() {
		t.Errorf("%.300s", raw)
	}
	_, raw = s.send("GET", "/db/a?open_revs=[%22"+rev+"%22]&atts_since=[%22"+rev+"%22]", http.NoBody)
	if !gjson.GetBytes(raw, "0.ok._attachments.f.stub").Bool() {
		t.Errorf("what is known already is sent: %.300s", raw)
	}
	_, raw = s.send("POST", "/db/_find", strings.NewReader(`{"selector":{"_attachments.f.length":200000}}`), "Content-Type", "application/json")
	if !gjson.GetBytes(raw, "docs.0._attachments.f.stub").Bool() {
		t.Errorf("_find: %s", raw)
	}
}

// TestAttachmentReplicator moves a document with its attachments as a replicator does, from a multipart answer into a multipart request.
func TestAttachmentReplicator(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	s.want("PUT", "/db", "", http.StatusCreated)
	s.want("PUT", "/copy", "", http.StatusCreated)
	text := bytes.Repeat([]byte("text "), 50_000)
	_, raw := s.send("PUT", "/db/a/one.txt", bytes.NewReader(text), "Content-Type", "text/plain")
	_, raw = s.send("PUT", "/db/a/two.bin?rev="+revOf(raw), strings.NewReader("\x00\r\n--\r\n\xff"), "Content-Type", "application/x-b")
	rev := revOf(raw)
	res, doc := s.send("GET", "/db/a?attachments=true&revs=true", http.NoBody, "Accept", "multipart/related")
	if res.ContentLength != int64(len(doc)) {
		t.Errorf("%d bytes instead of %d", len(doc), res.ContentLength)
	}
	res, raw = s.send("PUT", "/copy/a?new_edits=false", bytes.NewReader(doc), "Content-Type", res.Header.Get("Content-Type"))
	if res.StatusCode != http.StatusCreated || revOf(raw) != rev {
		t.Fatal(res.Status, string(raw))
	}
	for _, path := range []string{"/a?revs=true", "/a?attachments=true&att_encoding_info=true"} {
		_, a := s.send("GET", "/db"+path, http.NoBody)
		if _, b := s.send("GET", "/copy"+path, http.NoBody); !bytes.Equal(a, b) {
			t.Errorf("%.500s\n%.500s", a, b)
		}
	}
	res, raw = s.send("GET", "/copy/a/one.txt", http.NoBody, "Accept-Encoding", "gzip")
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil || res.Header.Get("Content-Encoding") != "gzip" {
		t.Fatal(err, res.Header)
	}
	if got, err := io.ReadAll(z); err != nil || !bytes.Equal(got, text) {
		t.Error(len(got), err)
	}
	res, raw = s.send("COPY", "/db/a", http.NoBody, "Destination", "b")
	if res.StatusCode != http.StatusCreated {
		t.Error(string(raw))
	}
	s.law(2)
}

// TestAttachmentForm uploads as a form of a web page does.
func TestAttachmentForm(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	s.want("PUT", "/db", "", http.StatusCreated)
	_, raw := s.send("PUT", "/db/a/old", strings.NewReader("old"))
	rev := revOf(raw)
	form := func(rev string) io.Reader {
		return strings.NewReader("--b\r\nContent-Disposition: form-data; name=\"_attachments\"; filename=\"new.txt\"\r\nContent-Type: text/plain\r\n\r\nnew\r\n" +
			"--b\r\nContent-Disposition: form-data; name=\"_rev\"\r\n\r\n" + rev + "\r\n--b--\r\n")
	}
	kind := []string{"Content-Type", "multipart/form-data; boundary=b", "Referer", s.url + "/page"}
	for _, c := range []struct {
		rev    string
		header []string
		status int
	}{
		{rev, kind[:2], 400},
		{rev, []string{"Content-Type", "application/json", "Referer", s.url}, 415},
		{rev, []string{"Content-Type", kind[1], "Referer", "http://other.example/"}, 400},
		{"9-zz", kind, 409},
		{"", kind, 400},
		{rev, kind, 201},
		{rev, kind, 409},
	} {
		if res, raw := s.send("POST", "/db/a", form(c.rev), c.header...); res.StatusCode != c.status {
			t.Errorf("%+v: %d %s", c, res.StatusCode, raw)
		}
	}
	if _, raw = s.send("GET", "/db/a/new.txt", http.NoBody); string(raw) != "new" {
		t.Error(string(raw))
	}
	_, raw = s.send("GET", "/db/a", http.NoBody)
	part := "--b\r\nContent-Disposition: form-data; name=\"_attachments\"; filename=\"new.txt\"\r\n\r\n"
	twice := part + strings.Repeat("x", 600<<10) + "\r\n" + part + "newer\r\n--b\r\nContent-Disposition: form-data; name=\"_rev\"\r\n\r\n" +
		gjson.GetBytes(raw, "_rev").String() + "\r\n--b--\r\n"
	if res, raw := s.send("POST", "/db/a", strings.NewReader(twice), kind...); res.StatusCode != http.StatusCreated {
		t.Errorf("two files of one name: %d %s", res.StatusCode, raw)
	}
	if _, raw = s.send("GET", "/db/a/new.txt", http.NoBody); string(raw) != "newer" {
		t.Error(string(raw))
	}
	if _, raw = s.send("GET", "/db/a/old", http.NoBody); string(raw) != "old" {
		t.Error(string(raw))
	}
	s.law(3)
}

// TestAttachmentValidated shows attachments to a validation function, which refuses some: what was uploaded for them goes.
func TestAttachmentValidated(t *testing.T) {
	t.Parallel()
	s := startScripts(t, script.Options{})
	s.want("PUT", "/db/_design/v", `{"validate_doc_update":"function (doc, old) { `+
		`if (doc._attachments && doc._attachments.bad) throw({forbidden: 'bad: ' + doc._attachments.bad.length}); `+
		`if (old && old._attachments && !doc._attachments) throw({forbidden: 'it must keep some'}); }"}`, http.StatusCreated)
	large := bytes.Repeat([]byte{0, 1}, 200<<10)
	res, raw := s.send("PUT", "/db/a/good", bytes.NewReader(large))
	if res.StatusCode != http.StatusCreated {
		t.Fatal(string(raw))
	}
	rev := revOf(raw)
	for _, r := range []struct{ method, path, body, reason string }{
		{"PUT", "/db/a/bad?rev=" + rev, string(large) + "x", "bad: 409601"},
		{"PUT", "/db/b/bad", "x", "bad: 1"},
		{"PUT", "/db/b", `{"_attachments":{"bad":{"data":"aGk="}}}`, "bad: 2"},
		{"DELETE", "/db/a/good?rev=" + rev, "", "it must keep some"},
	} {
		res, raw := s.send(r.method, r.path, strings.NewReader(r.body))
		if res.StatusCode != http.StatusForbidden || gjson.GetBytes(raw, "reason").String() != r.reason {
			t.Errorf("%s %s: %d %s", r.method, r.path, res.StatusCode, raw)
		}
	}
	s.law(1)
}

// endless is n bytes of noise, and their digest once they are read.
type endless struct {
	noise *rand.ChaCha8
	left  int64
}

func newEndless(n int64) *endless { return &endless{rand.NewChaCha8([32]byte{1}), n} }

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n, err := e.noise.Read(p[:min(int64(len(p)), e.left)])
	e.left -= int64(n)
	return n, err
}

// TestAttachmentMemory sends attachments up and down that are larger than what the heap may grow to, alone and behind a document. With AFTER_TORTURE
// they are 200 MB and more.
func TestAttachmentMemory(t *testing.T) {
	const bound = 48 << 20
	size, behind := int64(64<<20), int64(56<<20)
	if torture.Asked() {
		size, behind = 200<<20, 100<<20
	}
	s := startIn(t, t.TempDir(), store.Options{FS: vfs.Default, MemTableSize: 2 << 20, CacheSize: 2 << 20})
	s.want("PUT", "/db", "", http.StatusCreated)
	peak := make(chan uint64)
	stop := make(chan struct{})
	go func() {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		top := uint64(0)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			metrics.Read(sample)
			top = max(top, sample[0].Value.Uint64())
			select {
			case <-stop:
				peak <- top
				return
			case <-tick.C:
			}
		}
	}()
	put := func(path, kind string, body io.Reader) {
		t.Helper()
		if res, raw := s.send("PUT", path, body, "Content-Type", kind); res.StatusCode != http.StatusCreated {
			t.Fatal(res.Status, string(raw))
		}
	}
	put("/db/a/f", "application/x-noise", newEndless(size))
	head := "--b\r\n\r\n" + fmt.Sprintf(`{"_attachments":{"f":{"follows":true,"length":%d,"content_type":"application/x-noise"}}}`, behind) + "\r\n--b\r\n\r\n"
	put("/db/b", "multipart/related; boundary=b", io.MultiReader(strings.NewReader(head), newEndless(behind), strings.NewReader("\r\n--b--")))
	read := func(path, accept string, n int64, content func(io.Reader) io.Reader) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth("admin", "secret")
		req.Header.Set("Accept", accept)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if err := same(content(res.Body), newEndless(n)); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	read("/db/a/f", "*/*", size, func(r io.Reader) io.Reader { return r })
	read("/db/b?attachments=true", "application/json", behind, func(r io.Reader) io.Reader { return base64.NewDecoder(base64.StdEncoding, &between{r: r}) })
	close(stop)
	if top := <-peak; top > bound {
		t.Errorf("the heap rose to %d MiB, beyond %d", top>>20, bound>>20)
	} else {
		t.Logf("the heap rose to %d MiB", top>>20)
	}
	s.law(2)
}

// same compares two streams.
func same(got, want io.Reader) error {
	a, b := make([]byte, 256<<10), make([]byte, 256<<10)
	for at := 0; ; {
		n, err := io.ReadFull(got, a)
		m, _ := io.ReadFull(want, b)
		if n != m || !bytes.Equal(a[:n], b[:m]) {
			return fmt.Errorf("other bytes came back in %d behind %d: %w", n, at, err)
		}
		if at += n; n < len(a) {
			return nil
		}
	}
}

// between reads what is between the quotes of "data":"...", of a document with one attachment.
type between struct {
	r    io.Reader
	in   bool
	done bool
	rest []byte
}

func (b *between) Read(p []byte) (int, error) {
	for len(b.rest) == 0 {
		if b.done {
			return 0, io.EOF
		}
		buf := make([]byte, 32<<10)
		n, err := io.ReadAtLeast(b.r, buf, len(buf))
		if n == 0 {
			return 0, err
		}
		buf = buf[:n]
		if !b.in {
			_, after, ok := bytes.Cut(buf, []byte(`"data":"`))
			if !ok {
				return 0, io.ErrUnexpectedEOF
			}
			buf, b.in = after, true
		}
		b.rest, _, b.done = bytes.Cut(buf, []byte{'"'})
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}
