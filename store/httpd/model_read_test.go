package httpd_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"pgregory.net/rapid"
)

// shownDoc is a document as it is read.
type shownDoc struct {
	ID        string `json:"_id"`
	Rev       string `json:"_rev"`
	Deleted   bool   `json:"_deleted"`
	N         int    `json:"n"`
	Revisions struct {
		Start int
		IDs   []string
	} `json:"_revisions"`
	RevsInfo         []struct{ Rev, Status string } `json:"_revs_info"`
	Conflicts        []string                       `json:"_conflicts"`
	DeletedConflicts []string                       `json:"_deleted_conflicts"`
	Attachments      map[string]struct {
		Type    string `json:"content_type"`
		RevPos  int
		Digest  string
		Length  int
		Stub    bool
		Follows bool
		Data    []byte
	} `json:"_attachments"`
	behind []string // the attachments that came behind it
}

func parse[T any](r *rapid.T, raw []byte) (v T) {
	if err := json.Unmarshal(raw, &v); err != nil {
		r.Fatalf("%v: %s", err, raw)
	}
	return v
}

// is compares one revision with the model's: its content, its history if it is shown, and its attachments.
func (w *modelRun) is(r *rapid.T, doc *shownDoc, rev string) {
	m := w.tree[rev]
	if doc.ID != w.id || doc.Rev != rev || doc.Deleted != m.deleted || doc.N != m.n || len(doc.Attachments) != len(m.files) {
		r.Fatalf("%s is %+v, the model has %+v", rev, doc, m)
	}
	if doc.Revisions.Start > 0 {
		var path []string
		for i, hash := range doc.Revisions.IDs {
			path = append(path, fmt.Sprintf("%d-%s", doc.Revisions.Start-i, hash))
		}
		if want := w.tree.path(rev); !slices.Equal(path, want) {
			r.Fatalf("the history of %s is %v, the model has %v", rev, path, want)
		}
	}
	follows := 0
	for name, f := range m.files {
		a := doc.Attachments[name]
		if a.Type != "a/b" || a.RevPos != f.revpos || a.Digest != f.digest() {
			r.Fatalf("%s of %s is %+v, the model has revpos %d, %s", name, rev, a, f.revpos, f.digest())
		}
		switch {
		case a.Stub && a.Length == len(f.data):
		case a.Follows && slices.Contains(doc.behind, f.data):
			follows++
		case !a.Stub && !a.Follows && string(a.Data) == f.data:
		default:
			r.Fatalf("the content of %s of %s is another one: %+v", name, rev, a)
		}
	}
	if follows != len(doc.behind) {
		r.Fatalf("%d attachments of %s follow it, %d are named", len(doc.behind), rev, follows)
	}
}

// compareWinner reads the document with what there is beside it.
func (w *modelRun) compareWinner(r *rapid.T) {
	leaves := w.tree.leaves()
	path := w.path + "?revs=true&revs_info=true&conflicts=true&deleted_conflicts=true"
	if len(leaves) == 0 || w.tree[leaves[0]].deleted {
		reason := `"missing"`
		if len(leaves) > 0 {
			reason = `"deleted"`
		}
		if answer := w.want(r, http.StatusNotFound, http.MethodGet, path, ""); !bytes.Contains(answer, []byte(reason)) {
			r.Fatalf("%s, the model says %s", answer, reason)
		}
		return
	}
	doc := parse[shownDoc](r, w.want(r, http.StatusOK, http.MethodGet, path, ""))
	w.is(r, &doc, leaves[0])
	var live, dead []string
	for _, leaf := range leaves[1:] {
		if w.tree[leaf].deleted {
			dead = append(dead, leaf)
		} else {
			live = append(live, leaf)
		}
	}
	if !slices.Equal(doc.Conflicts, live) || !slices.Equal(doc.DeletedConflicts, dead) {
		r.Fatalf("conflicts %v and %v, the model has %v and %v", doc.Conflicts, doc.DeletedConflicts, live, dead)
	}
	ancestors := w.tree.path(leaves[0])
	if len(doc.RevsInfo) != len(ancestors) {
		r.Fatalf("_revs_info %v, the model has %v", doc.RevsInfo, ancestors)
	}
	for i, info := range doc.RevsInfo {
		m := w.tree[ancestors[i]]
		want := map[bool]string{false: "missing", true: "available"}[m.stored]
		if m.stored && m.deleted {
			want = "deleted"
		}
		if info.Rev != ancestors[i] || info.Status != want {
			r.Fatalf("_revs_info says %+v, the model %s %s", info, ancestors[i], want)
		}
	}
}

// compare reads the document in all other ways.
func (w *modelRun) compare(r *rapid.T) {
	w.compareRevisions(r)
	w.compareOpenRevs(r)
	w.compareBulkGet(r)
	w.compareDiff(r)
	rows := parse[struct {
		Results []struct {
			ID      string
			Changes []struct{ Rev string }
			Deleted bool
		}
	}](r, w.want(r, http.StatusOK, http.MethodGet, w.db+"/_changes?style=all_docs", "")).Results
	leaves := w.tree.leaves()
	if len(rows) != min(1, len(leaves)) {
		r.Fatalf("the feed has %d rows of a document with the leaves %v", len(rows), leaves)
	}
	for _, row := range rows {
		var got []string
		for _, c := range row.Changes {
			got = append(got, c.Rev)
		}
		if row.ID != w.id || !slices.Equal(got, leaves) || row.Deleted != w.tree[leaves[0]].deleted {
			r.Fatalf("the feed says %+v, the leaves are %v", row, leaves)
		}
	}
}

// unknown is a revision that was never there.
const unknown = "7-ffffffffffffffffffffffffffffffff"

// compareRevisions reads each revision alone, with its attachments.
func (w *modelRun) compareRevisions(r *rapid.T) {
	w.want(r, http.StatusNotFound, http.MethodGet, w.path+"?rev="+unknown, "")
	for _, rev := range w.tree.known() {
		m, path := w.tree[rev], w.path+"?rev="+rev
		if !m.stored {
			w.want(r, http.StatusNotFound, http.MethodGet, path, "")
			continue
		}
		for _, more := range []string{"&revs=true", "&attachments=true"} {
			doc := parse[shownDoc](r, w.want(r, http.StatusOK, http.MethodGet, path+more, ""))
			w.is(r, &doc, rev)
		}
		for name, f := range m.files {
			if got := w.want(r, http.StatusOK, http.MethodGet, w.path+"/"+url.PathEscape(name)+"?rev="+rev, ""); string(got) != f.data {
				r.Fatalf("%s of %s has %d bytes, the model has %d", name, rev, len(got), len(f.data))
			}
		}
	}
}

// compareOpenRevs reads leaves and lists of revisions, as JSON and as multipart.
func (w *modelRun) compareOpenRevs(r *rapid.T) {
	leaves := w.tree.leaves()
	if len(leaves) == 0 {
		return
	}
	w.openRevs(r, "all", leaves, nil)
	known := rapid.SliceOfNDistinct(rapid.SampledFrom(append(w.tree.known(), unknown)), 1, 4, rapid.ID[string]).Draw(r, "open_revs")
	var there, missing, latest []string
	for _, rev := range known {
		switch m := w.tree[rev]; {
		case m == nil:
			missing = append(missing, rev)
			continue
		case m.stored:
			there = append(there, rev)
		default:
			missing = append(missing, rev)
		}
		for _, leaf := range w.tree.below(rev) {
			if !slices.Contains(latest, leaf) {
				latest = append(latest, leaf)
			}
		}
	}
	list := url.QueryEscape(encoded(r, known))
	w.openRevs(r, list, there, missing)
	missing = slices.DeleteFunc(missing, func(rev string) bool { return w.tree[rev] != nil })
	w.openRevs(r, list+"&latest=true", latest, missing)
}

func (w *modelRun) openRevs(r *rapid.T, query string, there, missing []string) {
	path := w.path + "?revs=true&attachments=true&open_revs=" + query
	var docs []*shownDoc
	var lost []string
	for _, row := range parse[[]struct {
		OK      *shownDoc
		Missing string
	}](r, w.want(r, http.StatusOK, http.MethodGet, path, "")) {
		if row.OK != nil {
			docs = append(docs, row.OK)
		} else {
			lost = append(lost, row.Missing)
		}
	}
	w.sameRevisions(r, path, docs, lost, there, missing)
	res := w.ask(r, http.MethodGet, path, "multipart/mixed", "")
	docs, lost = nil, nil
	eachPart(r, res.Header().Get("Content-Type"), res.Body.Bytes(), func(kind string, body []byte) {
		if strings.Contains(kind, "error") {
			lost = append(lost, parse[struct{ Missing string }](r, body).Missing)
		} else {
			docs = append(docs, related(r, kind, body))
		}
	})
	w.sameRevisions(r, path+" as multipart", docs, lost, there, missing)
}

// related is a document that may have its attachments behind it.
func related(r *rapid.T, kind string, body []byte) *shownDoc {
	if !strings.HasPrefix(kind, "multipart/related") {
		doc := parse[shownDoc](r, body)
		return &doc
	}
	var doc *shownDoc
	eachPart(r, kind, body, func(_ string, part []byte) {
		if doc == nil {
			first := parse[shownDoc](r, part)
			doc = &first
		} else {
			doc.behind = append(doc.behind, string(part))
		}
	})
	return doc
}

func eachPart(r *rapid.T, kind string, body []byte, each func(kind string, body []byte)) {
	_, params, err := mime.ParseMediaType(kind)
	if err != nil {
		r.Fatalf("%q: %v", kind, err)
	}
	parts := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	for {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return
		}
		var raw []byte
		if err == nil {
			raw, err = io.ReadAll(part)
		}
		if err != nil {
			r.Fatalf("%v: %.500s", err, body)
		}
		each(part.Header.Get("Content-Type"), raw)
	}
}

// sameRevisions compares what was read with what is expected, in any order.
func (w *modelRun) sameRevisions(r *rapid.T, what string, docs []*shownDoc, lost, there, missing []string) {
	var got []string
	for _, doc := range docs {
		w.is(r, doc, doc.Rev)
		got = append(got, doc.Rev)
	}
	for _, list := range [][2][]string{{got, there}, {lost, missing}} {
		a, b := slices.Sorted(slices.Values(list[0])), slices.Sorted(slices.Values(list[1]))
		if !slices.Equal(a, b) {
			r.Fatalf("%s: %v, the model has %v", what, a, b)
		}
	}
}

// compareBulkGet reads the leaves and each revision with one request.
func (w *modelRun) compareBulkGet(r *rapid.T) {
	docs := []any{jsonObject{"id": w.id}}
	for _, rev := range append(w.tree.known(), unknown) {
		docs = append(docs, jsonObject{"id": w.id, "rev": rev})
	}
	answer := parse[struct {
		Results []struct {
			Docs []struct {
				OK    *shownDoc
				Error *struct{ Rev string }
			}
		}
	}](r, w.want(r, http.StatusOK, http.MethodPost, w.db+"/_bulk_get?revs=true&attachments=true", encoded(r, jsonObject{"docs": docs})))
	var allThere, allMissing []string
	for i, result := range answer.Results {
		var got []*shownDoc
		var lost, there, missing []string
		for _, doc := range result.Docs {
			if doc.OK != nil {
				got = append(got, doc.OK)
			} else {
				lost = append(lost, doc.Error.Rev)
			}
		}
		switch known := w.tree.known(); {
		case i == 0 && len(known) == 0:
			missing = lost // it says "undefined" or "all"
		case i == 0:
			there = w.tree.leaves()
		case i > len(known):
			missing = []string{unknown}
		case w.tree[known[i-1]].stored:
			there = []string{known[i-1]}
		default:
			missing = []string{known[i-1]}
		}
		w.sameRevisions(r, "_bulk_get "+strconv.Itoa(i), got, lost, there, missing)
		allThere, allMissing = append(allThere, there...), append(allMissing, missing...)
	}
	if len(answer.Results) != len(docs) {
		r.Fatalf("_bulk_get gives %d results for %d", len(answer.Results), len(docs))
	}
	w.bulkGetParts(r, encoded(r, jsonObject{"docs": docs}), allThere, allMissing)
}

// bulkGetParts asks for the same as multipart, where nothing tells which part answers what.
func (w *modelRun) bulkGetParts(r *rapid.T, body string, there, missing []string) {
	path := w.db + "/_bulk_get?revs=true&attachments=true"
	res := w.ask(r, http.MethodPost, path, "multipart/mixed", body)
	var docs []*shownDoc
	var lost []string
	eachPart(r, res.Header().Get("Content-Type"), res.Body.Bytes(), func(kind string, part []byte) {
		if strings.Contains(kind, "error") {
			lost = append(lost, parse[struct{ Rev string }](r, part).Rev)
		} else {
			docs = append(docs, related(r, kind, part))
		}
	})
	w.sameRevisions(r, path+" as multipart", docs, lost, there, missing)
}

// compareDiff asks which of some revisions are not there, and from which others they might follow.
func (w *modelRun) compareDiff(r *rapid.T) {
	asked := append(w.tree.known(), unknown, "2-ffffffffffffffffffffffffffffffff")
	answer := parse[map[string]struct {
		Missing   []string
		Ancestors []string `json:"possible_ancestors"`
	}](r, w.want(r, http.StatusOK, http.MethodPost, w.db+"/_revs_diff", encoded(r, map[string][]string{w.id: asked})))[w.id]
	var ancestors []string
	for _, leaf := range w.tree.leaves() {
		if generationOf(leaf) < generationOf(unknown) {
			ancestors = append(ancestors, leaf)
		}
	}
	slices.Sort(ancestors)
	slices.Sort(answer.Ancestors)
	slices.Sort(answer.Missing)
	if want := []string{"2-ffffffffffffffffffffffffffffffff", unknown}; !slices.Equal(answer.Missing, want) || !slices.Equal(answer.Ancestors, ancestors) {
		r.Fatalf("_revs_diff says %+v, the model has %v and %v", answer, want, ancestors)
	}
}
