package killed_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// revision is one of a document's revisions as its writer knows it.
type revision struct {
	parent  string // empty for the first, and for one whose ancestors are not known
	content content
}

// content is what a revision has.
type content struct {
	n       int64 // in the body; 0 for a body without it
	deleted bool
	file    int64 // the number of the attachment's bytes, 0 for none
}

// document is what its only writer knows of it.
type document struct {
	id      string
	revs    map[string]revision
	asked   []revision // what was asked for and not answered; the id of the revision is not known
	touched bool       // since it was last verified
}

// leaves are the revisions that are nobody's parent, the winner first.
func (d *document) leaves() []string {
	parents := map[string]bool{}
	for _, r := range d.revs {
		parents[r.parent] = true
	}
	var out []string
	for rev := range d.revs {
		if !parents[rev] {
			out = append(out, rev)
		}
	}
	slices.SortFunc(out, func(a, b string) int {
		if x, y := d.revs[a].content.deleted, d.revs[b].content.deleted; x != y {
			if x {
				return 1
			}
			return -1
		}
		if x, y := generation(a), generation(b); x != y {
			return y - x
		}
		return strings.Compare(b, a)
	})
	return out
}

func generation(rev string) int {
	text, _, _ := strings.Cut(rev, "-")
	n, _ := strconv.Atoi(text)
	return n
}

// writer writes documents of its own, one request after the other. That nobody else writes them makes a 409 a lost write.
type writer struct {
	*world
	name   string
	r      *rand.Rand
	docs   []*document
	marker *document
}

func newWriter(w *world, n int, r *rand.Rand) *writer {
	return &writer{world: w, name: "w" + strconv.Itoa(n), r: r}
}

// write writes until the process is gone.
func (w *writer) write(ctx context.Context, answered func()) {
	steps := []func(context.Context) bool{
		w.create, w.update, w.update, w.remove, w.bulk, w.bulk, w.replicate, w.replicate, w.attach, w.attachInline, w.attachBehind, w.compact,
	}
	weights := []int{3, 3, 3, 2, 3, 3, 2, 2, 2, 2, 2, 1}
	var lot []int
	for i, n := range weights {
		lot = append(lot, slices.Repeat([]int{i}, n)...)
	}
	for ctx.Err() == nil && steps[lot[w.r.IntN(len(lot))]](ctx) {
		answered()
	}
}

// fresh is a new document that is not there yet.
func (w *writer) fresh() *document {
	d := &document{id: fmt.Sprintf("%s-%d", w.name, len(w.docs)), revs: map[string]revision{}}
	w.docs = append(w.docs, d)
	return d
}

// known is a document that is there, or a new one. Mostly it is one of the last few, so that histories grow.
func (w *writer) known() *document {
	if len(w.docs) == 0 || w.r.IntN(6) == 0 {
		return w.fresh()
	}
	return w.docs[max(0, len(w.docs)-1-w.r.IntN(6))]
}

// over is the revision that an edit of the document follows, and the _rev that it names: none where the document is deleted.
func (d *document) over() (parent, named string) {
	leaves := d.leaves()
	switch {
	case len(leaves) == 0:
		return "", ""
	case d.revs[leaves[0]].content.deleted:
		return leaves[0], ""
	}
	return leaves[0], leaves[0]
}

// edit is a document with a new number, as it is sent.
func (w *writer) edit(d *document, deleted bool) (map[string]any, revision) {
	parent, named := d.over()
	deleted = deleted && named != ""
	r := revision{parent: parent, content: content{n: w.numbers.Add(1), deleted: deleted}}
	body := map[string]any{"_id": d.id, "n": r.content.n, "pad": strings.Repeat("x", w.r.IntN(400))}
	if named != "" {
		body["_rev"] = named
	}
	if deleted {
		body["_deleted"] = true
	}
	// An attachment that is there stays or goes.
	if file := d.revs[parent].content.file; file != 0 && named != "" && !deleted && w.r.IntN(2) == 0 {
		body["_attachments"] = map[string]any{"f": map[string]any{"stub": true}}
		r.content.file = file
	}
	return body, r
}

func (w *writer) create(ctx context.Context) bool {
	d := w.fresh()
	body, r := w.edit(d, false)
	return w.single(ctx, d, r, http.MethodPut, "/db/"+d.id, "", encode(body))
}

func (w *writer) update(ctx context.Context) bool {
	d := w.known()
	body, r := w.edit(d, false)
	if w.r.IntN(2) == 0 {
		return w.single(ctx, d, r, http.MethodPost, "/db", "", encode(body))
	}
	return w.single(ctx, d, r, http.MethodPut, "/db/"+d.id, "", encode(body))
}

func (w *writer) remove(ctx context.Context) bool {
	d := w.known()
	_, named := d.over()
	if named == "" {
		return w.update(ctx)
	}
	return w.single(ctx, d, revision{named, content{deleted: true}}, http.MethodDelete, "/db/"+d.id+"?rev="+named, "", nil)
}

// attach writes an attachment alone: the body stays.
func (w *writer) attach(ctx context.Context) bool {
	d := w.known()
	parent, named := d.over()
	r := revision{parent, content{file: w.numbers.Add(1)}}
	path := "/db/" + d.id + "/f"
	if named != "" {
		path += "?rev=" + named
		r.content.n = d.revs[parent].content.n
	}
	return w.single(ctx, d, r, http.MethodPut, path, kind(r.content.file), file(r.content.file))
}

func (w *writer) attachInline(ctx context.Context) bool {
	d := w.known()
	body, r := w.edit(d, false)
	r.content.file = w.numbers.Add(1)
	data := base64.StdEncoding.EncodeToString(file(r.content.file))
	body["_attachments"] = map[string]any{"f": map[string]any{"content_type": kind(r.content.file), "data": data}}
	return w.single(ctx, d, r, http.MethodPut, "/db/"+d.id, "", encode(body))
}

// attachBehind sends the attachment behind the document.
func (w *writer) attachBehind(ctx context.Context) bool {
	d := w.known()
	body, r := w.edit(d, false)
	r.content.file = w.numbers.Add(1)
	data := file(r.content.file)
	body["_attachments"] = map[string]any{"f": map[string]any{"content_type": kind(r.content.file), "follows": true, "length": len(data)}}
	var buffer bytes.Buffer
	parts := multipart.NewWriter(&buffer)
	for _, part := range []struct {
		kind string
		data []byte
	}{{"application/json", encode(body)}, {kind(r.content.file), data}} {
		to, err := parts.CreatePart(textproto.MIMEHeader{"Content-Type": {part.kind}})
		if err == nil {
			_, err = to.Write(part.data)
		}
		if err != nil {
			w.t.Error(err)
		}
	}
	if err := parts.Close(); err != nil {
		w.t.Error(err)
	}
	return w.single(ctx, d, r, http.MethodPut, "/db/"+d.id, `multipart/related; boundary="`+parts.Boundary()+`"`, buffer.Bytes())
}

// compact has the old revisions removed while all go on.
func (w *writer) compact(ctx context.Context) bool {
	status, _, err := w.ask(ctx, http.MethodPost, "/db/_compact", "application/json", nil)
	return err == nil && status == http.StatusAccepted
}

// single sends one write of one document and keeps what is answered.
func (w *writer) single(ctx context.Context, d *document, r revision, method, path, kind string, body []byte) bool {
	if kind == "" {
		kind = "application/json"
	}
	d.touched = true
	d.asked = append(d.asked, r)
	status, answer, err := w.ask(ctx, method, path, kind, body)
	if err != nil {
		return false // killed
	}
	var row struct{ Rev string }
	if status >= http.StatusBadRequest || json.Unmarshal(answer, &row) != nil || row.Rev == "" {
		w.t.Errorf("%s %s over %q: %d %s", method, path, r.parent, status, answer)
		return false
	}
	d.revs[row.Rev] = r
	d.asked = nil
	return true
}

// bulk writes, edits and deletes several documents with one request.
func (w *writer) bulk(ctx context.Context) bool {
	var docs []*document
	var revs []revision
	var bodies []any
	for range 2 + w.r.IntN(6) {
		d := w.known()
		if slices.Contains(docs, d) {
			continue
		}
		body, r := w.edit(d, w.r.IntN(4) == 0)
		d.touched = true
		d.asked = append(d.asked, r)
		docs, revs, bodies = append(docs, d), append(revs, r), append(bodies, body)
	}
	status, answer, err := w.ask(ctx, http.MethodPost, "/db/_bulk_docs", "application/json", encode(map[string]any{"docs": bodies}))
	if err != nil {
		return false // killed
	}
	var rows []struct{ ID, Rev string }
	if status != http.StatusCreated || json.Unmarshal(answer, &rows) != nil || len(rows) != len(docs) {
		w.t.Errorf("_bulk_docs: %d %s", status, answer)
		return false
	}
	for i, row := range rows {
		if row.ID != docs[i].id || row.Rev == "" {
			w.t.Errorf("_bulk_docs of %s over %s: %s", docs[i].id, revs[i].parent, answer)
			return false
		}
		docs[i].revs[row.Rev] = revs[i]
		docs[i].asked = nil
	}
	return true
}

// replicate writes revisions as a replicator does: behind a leaf or beside it.
func (w *writer) replicate(ctx context.Context) bool {
	written := map[*document]map[string]revision{}
	var bodies []any
	for range 1 + w.r.IntN(4) {
		d := w.known()
		if written[d] != nil {
			continue
		}
		path := d.path(w.r)
		r := revision{content: content{n: w.numbers.Add(1), deleted: w.r.IntN(5) == 0}}
		if len(path) > 0 {
			r.parent = path[0]
		}
		rev := fmt.Sprintf("%d-%032x", len(path)+1, r.content.n)
		hashes := []string{}
		for _, each := range append([]string{rev}, path...) {
			_, hash, _ := strings.Cut(each, "-")
			hashes = append(hashes, hash)
		}
		body := map[string]any{"_id": d.id, "_rev": rev, "_revisions": map[string]any{"start": len(hashes), "ids": hashes}, "n": r.content.n}
		if r.content.deleted {
			body["_deleted"] = true
		}
		d.touched = true
		d.asked = append(d.asked, r)
		written[d] = map[string]revision{rev: r}
		bodies = append(bodies, body)
	}
	status, answer, err := w.ask(ctx, http.MethodPost, "/db/_bulk_docs", "application/json", encode(map[string]any{"new_edits": false, "docs": bodies}))
	if err != nil {
		return false // killed
	}
	if status != http.StatusCreated || string(bytes.TrimSpace(answer)) != "[]" {
		w.t.Errorf("_bulk_docs with new_edits=false: %d %s", status, answer)
		return false
	}
	for d, revs := range written {
		maps.Copy(d.revs, revs)
		d.asked = nil
	}
	return true
}

// path is one of the document's revisions with all its ancestors, the newest first: mostly the winner's.
func (d *document) path(r *rand.Rand) (path []string) {
	leaves := d.leaves()
	if len(leaves) == 0 {
		return nil
	}
	for at := leaves[r.IntN(len(leaves))]; at != ""; at = d.revs[at].parent {
		path = append(path, at)
	}
	if len(leaves) < 4 && r.IntN(3) == 0 {
		path = path[r.IntN(len(path)):]
	}
	return path
}

// mark writes a document that says how far everything is.
func (w *writer) mark(ctx context.Context) string {
	if w.marker == nil {
		w.marker = w.fresh()
	}
	body, r := w.edit(w.marker, false)
	if !w.single(ctx, w.marker, r, http.MethodPut, "/db/"+w.marker.id, "", encode(body)) {
		w.t.Fatal("the marker was not written")
	}
	return w.marker.leaves()[0]
}

// file is the attachment of a number: up to 128 KB, of which a third compresses.
func file(n int64) []byte {
	r := rand.New(rand.NewPCG(uint64(n), 1))
	out := make([]byte, r.IntN(1<<uint(4+r.IntN(14))))
	if n%3 == 0 {
		copy(out, bytes.Repeat([]byte(strconv.FormatInt(n, 2)), 1+len(out)/len(strconv.FormatInt(n, 2))))
		return out
	}
	var seed [32]byte
	binary.BigEndian.PutUint64(seed[:], uint64(n))
	if _, err := rand.NewChaCha8(seed).Read(out); err != nil {
		panic(err)
	}
	return out
}

func kind(n int64) string {
	if n%3 == 0 {
		return "text/plain"
	}
	return "application/octet-stream"
}

func encode(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return raw
}

// ask sends a request; an error means that there is no whole answer.
func (w *world) ask(ctx context.Context, method, path, kind string, body []byte) (int, []byte, error) {
	res, err := w.open(ctx, method, path, kind, body)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	return res.StatusCode, raw, err
}

func (w *world) open(ctx context.Context, method, path, kind string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, w.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.SetBasicAuth("admin", "secret")
	req.Header.Set("Content-Type", kind)
	req.Header.Set("Accept", "application/json")
	return w.web.Do(req)
}

// want sends a request that must be answered so.
func (w *world) want(ctx context.Context, method, path, body string, status int) []byte {
	w.t.Helper()
	got, answer, err := w.ask(ctx, method, path, "application/json", []byte(body))
	if err != nil || got != status {
		w.t.Fatalf("%s %s: %d %v %s", method, path, got, err, answer)
	}
	return answer
}

func query(since string) string { return "since=" + url.QueryEscape(since) }
