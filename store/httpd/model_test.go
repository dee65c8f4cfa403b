package httpd_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/adlayer/after/store"
)

// TestDocumentAgainstModel writes random histories of one document in all the ways there are, and compares all that can be read of it with a
// plain model of its tree.
func TestDocumentAgainstModel(t *testing.T) {
	t.Parallel()
	st := memory(t)
	h := handler(t, st)
	round := 0
	rapid.Check(t, func(r *rapid.T) {
		round++
		w := &modelRun{h: h, st: st, db: "/db" + strconv.Itoa(round), kind: "application/json", tree: treeModel{}, limit: rapid.SampledFrom([]int{1000, 1000, 1000, 3, 1}).Draw(r, "limit")}
		w.id = rapid.SampledFrom([]string{"plain", "a/b ü+%"}).Draw(r, "id")
		w.path = w.db + "/" + strings.ReplaceAll(url.QueryEscape(w.id), "+", "%20")
		w.want(r, http.StatusCreated, http.MethodPut, w.db, "")
		defer w.want(r, http.StatusOK, http.MethodDelete, w.db, "")
		w.want(r, http.StatusOK, http.MethodPut, w.db+"/_revs_limit", strconv.Itoa(w.limit))
		steps := []func(*rapid.T){w.edit, w.edit, w.remove, w.replicate, w.replicate, w.attach, w.detach, w.missingStub, w.compact}
		for range rapid.IntRange(1, 10).Draw(r, "steps") {
			rapid.SampledFrom(steps).Draw(r, "step")(r)
			w.tree.stem(w.limit)
			w.compareWinner(r)
		}
		w.compare(r)
	})
	if err := st.Check(t.Context(), func(p store.Problem) { t.Errorf("the check says: %s", p) }); err != nil {
		t.Error(err)
	}
}

// modelRun is a document on a server, and its model.
type modelRun struct {
	h            http.Handler
	st           *store.Store
	db, id, path string
	tree         treeModel
	kind         string // of what is sent
	limit        int
	writes       int
}

type jsonObject = map[string]any

func (w *modelRun) ask(r *rapid.T, method, path, accept, body string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	req.SetBasicAuth("admin", "secret")
	req.Header.Set("Content-Type", w.kind)
	req.Header.Set("Accept", accept)
	res := httptest.NewRecorder()
	w.h.ServeHTTP(res, req)
	if res.Code >= http.StatusInternalServerError {
		r.Fatalf("%s %s: %d %s", method, path, res.Code, res.Body)
	}
	return res
}

func (w *modelRun) want(r *rapid.T, status int, method, path, body string) []byte {
	res := w.ask(r, method, path, "application/json", body)
	if res.Code != status {
		r.Fatalf("%s %s: %d instead of %d: %s", method, path, res.Code, status, res.Body)
	}
	return res.Body.Bytes()
}

// write sends a write that follows a revision, and puts its outcome into the model.
func (w *modelRun) write(r *rapid.T, method, path, body, named string, deletion bool, rev modelRev) {
	parent, ok := w.tree.over(named, deletion)
	res := w.ask(r, method, path, "application/json", body)
	if ok != (res.Code < http.StatusBadRequest) {
		r.Fatalf("%s %s over %q: %d %s, the model says %v", method, path, named, res.Code, res.Body, ok)
	}
	if !ok {
		if res.Code != http.StatusConflict && (res.Code != http.StatusNotFound || method != http.MethodDelete) {
			r.Fatalf("%s %s over %q: %d %s", method, path, named, res.Code, res.Body)
		}
		return
	}
	var made struct{ Rev string }
	if err := json.Unmarshal(res.Body.Bytes(), &made); err != nil || generationOf(made.Rev) != generationOf(parent)+1 {
		r.Fatalf("over %q: %v %s", parent, err, res.Body)
	}
	ancestors := []string{}
	if parent != "" {
		ancestors = append(ancestors, parent)
	}
	for name, f := range rev.files {
		if f.revpos == 0 {
			f.revpos = generationOf(made.Rev)
			rev.files[name] = f
		}
	}
	w.tree.add(made.Rev, ancestors, rev)
}

// named is a revision that a write may name: any that is known, or none.
func (w *modelRun) named(r *rapid.T) string {
	if leaves := w.tree.leaves(); len(leaves) > 0 && rapid.IntRange(0, 3).Draw(r, "a leaf") > 0 {
		return rapid.SampledFrom(leaves).Draw(r, "over")
	}
	return rapid.SampledFrom(append([]string{""}, w.tree.known()...)).Draw(r, "over any")
}

func (w *modelRun) edit(r *rapid.T) {
	named := w.named(r)
	w.writes++
	rev := modelRev{n: w.writes, deleted: rapid.IntRange(0, 5).Draw(r, "deleted") == 0, files: map[string]modelFile{}}
	files := jsonObject{}
	if parent := w.tree[named]; parent != nil {
		for _, name := range slices.Sorted(maps.Keys(parent.files)) {
			if rapid.Bool().Draw(r, "keep") {
				files[name] = jsonObject{"stub": true}
				rev.files[name] = parent.files[name]
			}
		}
	}
	if rapid.IntRange(0, 2).Draw(r, "attach") == 0 {
		name, data := w.file(r)
		files[name] = jsonObject{"content_type": "a/b", "data": base64.StdEncoding.EncodeToString([]byte(data))}
		rev.files[name] = modelFile{data: data}
	}
	body := jsonObject{"_id": w.id, "n": rev.n}
	if named != "" {
		body["_rev"] = named
	}
	if rev.deleted {
		body["_deleted"] = true
	}
	if len(files) > 0 {
		body["_attachments"] = files
	}
	w.write(r, http.MethodPut, w.path, encoded(r, body), named, rev.deleted, rev)
}

func (w *modelRun) file(r *rapid.T) (name, data string) {
	name = rapid.SampledFrom([]string{"f", "g/h ü"}).Draw(r, "file")
	return name, strings.Repeat(strconv.Itoa(w.writes)+" ", rapid.SampledFrom([]int{0, 1, 1, 1, 1, 40_000}).Draw(r, "size"))
}

func (w *modelRun) remove(r *rapid.T) {
	if named := w.named(r); named != "" {
		w.write(r, http.MethodDelete, w.path+"?rev="+named, "", named, true, modelRev{deleted: true})
	}
}

// replicate writes a revision with its history, as a replicator does. Hashes name their ancestors, as real ones do: a path is a word, each
// revision one of its prefixes.
func (w *modelRun) replicate(r *rapid.T) {
	word := rapid.StringMatching(`[ab]{1,6}`).Draw(r, "path")
	kept := rapid.IntRange(1, len(word)).Draw(r, "kept")
	w.writes++
	rev := modelRev{n: w.writes, deleted: rapid.IntRange(0, 3).Draw(r, "deleted") == 0, files: map[string]modelFile{}}
	var path, hashes []string
	for n := len(word); n > len(word)-kept; n-- {
		hash := word[:n] + strings.Repeat("0", 32-n)
		path = append(path, fmt.Sprintf("%d-%s", n, hash))
		hashes = append(hashes, hash)
	}
	body := jsonObject{"_id": w.id, "_rev": path[0], "_revisions": jsonObject{"start": len(word), "ids": hashes}, "n": rev.n}
	if rev.deleted {
		body["_deleted"] = true
	}
	if rapid.Bool().Draw(r, "attach") {
		name, data := w.file(r)
		f := modelFile{data, rapid.IntRange(1, len(word)).Draw(r, "revpos")}
		rev.files[name] = f
		body["_attachments"] = jsonObject{name: jsonObject{"content_type": "a/b", "revpos": f.revpos, "data": base64.StdEncoding.EncodeToString([]byte(data))}}
	}
	if rapid.Bool().Draw(r, "bulk") {
		w.want(r, http.StatusCreated, http.MethodPost, w.db+"/_bulk_docs", encoded(r, jsonObject{"new_edits": false, "docs": []any{body}}))
	} else {
		status := http.StatusCreated
		if rev.deleted {
			status = http.StatusOK
		}
		w.want(r, status, http.MethodPut, w.path+"?new_edits=false", encoded(r, body))
	}
	w.tree.add(path[0], path[1:], rev)
}

func (w *modelRun) attach(r *rapid.T) {
	named := w.named(r)
	w.writes++
	name, data := w.file(r)
	rev := modelRev{files: map[string]modelFile{}}
	query := ""
	if named != "" {
		query = "?rev=" + named
		if parent := w.tree[named]; parent.stored {
			rev.n, rev.files = parent.n, maps.Clone(parent.files)
		}
	}
	if rev.files == nil {
		rev.files = map[string]modelFile{}
	}
	rev.files[name] = modelFile{data: data}
	w.kind = "a/b"
	defer func() { w.kind = "application/json" }()
	w.write(r, http.MethodPut, w.path+"/"+url.PathEscape(name)+query, data, named, false, rev)
}

func (w *modelRun) detach(r *rapid.T) {
	named := w.named(r)
	parent := w.tree[named]
	if parent == nil || len(parent.files) == 0 {
		return
	}
	name := rapid.SampledFrom(slices.Sorted(maps.Keys(parent.files))).Draw(r, "file")
	rev := modelRev{n: parent.n, files: maps.Clone(parent.files)}
	delete(rev.files, name)
	w.write(r, http.MethodDelete, w.path+"/"+url.PathEscape(name)+"?rev="+named, "", named, false, rev)
}

// missingStub refers to an attachment that is not there: nothing is written.
func (w *modelRun) missingStub(r *rapid.T) {
	named := w.named(r)
	if _, ok := w.tree.over(named, false); !ok {
		return
	}
	body := jsonObject{"_attachments": jsonObject{"none": jsonObject{"stub": true}}}
	if named != "" {
		body["_rev"] = named
	}
	w.want(r, http.StatusPreconditionFailed, http.MethodPut, w.path, encoded(r, body))
}

// compact removes what no leaf needs: of all else the names stay.
func (w *modelRun) compact(r *rapid.T) {
	w.want(r, http.StatusAccepted, http.MethodPost, w.db+"/_compact", "")
	db, err := w.st.Database(w.db[1:])
	if err != nil {
		r.Fatal(err)
	}
	for db.Compacting() {
		runtime.Gosched() // nobody tells of its end but this
	}
	w.tree.compact()
}

func encoded(r *rapid.T, v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		r.Fatal(err)
	}
	return string(raw)
}
