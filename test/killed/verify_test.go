package killed_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// found is a leaf as the process gives it.
type found struct {
	ID        string `json:"_id"`
	Rev       string `json:"_rev"`
	Deleted   bool   `json:"_deleted"`
	N         int64  `json:"n"`
	Revisions struct {
		Start int
		IDs   []string
	} `json:"_revisions"`
	Attachments map[string]struct{ Data []byte } `json:"_attachments"`
}

// verify reads all that the writer has written since it was last verified, and takes over what was not answered and is there.
func (w *writer) verify(ctx context.Context) {
	w.t.Helper()
	byID := map[string]*document{}
	wanted := []map[string]string{}
	for _, d := range w.docs {
		if d.touched {
			byID[d.id] = d
			wanted = append(wanted, map[string]string{"id": d.id})
		}
	}
	raw := w.want(ctx, http.MethodPost, "/db/_bulk_get?revs=true&attachments=true", string(encode(map[string]any{"docs": wanted})), http.StatusOK)
	var answer struct {
		Results []struct {
			ID   string
			Docs []struct {
				OK    *found
				Error *struct{ Error string }
			}
		}
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		w.t.Fatal(err)
	}
	for _, row := range answer.Results {
		d := byID[row.ID]
		var leaves []string
		for _, one := range row.Docs {
			if one.OK == nil {
				if len(d.revs) > 0 {
					w.t.Errorf("%s was answered and cannot be read: %+v", d.id, one.Error)
				}
				continue
			}
			w.leaf(d, one.OK)
			leaves = append(leaves, one.OK.Rev)
		}
		want := d.leaves()
		slices.Sort(leaves)
		slices.Sort(want)
		if !slices.Equal(leaves, want) {
			w.t.Errorf("%s has the leaves %s, answered were %s", d.id, leaves, want)
		}
		d.asked, d.touched = nil, false
		delete(byID, row.ID)
	}
	for id := range byID {
		w.t.Errorf("_bulk_get says nothing of %s", id)
	}
}

// leaf compares one leaf with what was answered, or else with what was asked for.
func (w *writer) leaf(d *document, leaf *found) {
	w.t.Helper()
	if len(leaf.Revisions.IDs) == 0 {
		w.t.Fatalf("%s %s has no history", d.id, leaf.Rev)
	}
	parent := ""
	if len(leaf.Revisions.IDs) > 1 {
		parent = fmt.Sprintf("%d-%s", leaf.Revisions.Start-1, leaf.Revisions.IDs[1])
	}
	for i, hash := range leaf.Revisions.IDs[1:] {
		ancestor := fmt.Sprintf("%d-%s", leaf.Revisions.Start-1-i, hash)
		if _, known := d.revs[ancestor]; !known {
			w.t.Errorf("%s %s follows %s, of which nobody knows", d.id, leaf.Rev, ancestor)
		}
	}
	known, answered := d.revs[leaf.Rev]
	if !answered {
		i := slices.IndexFunc(d.asked, func(r revision) bool {
			return r.parent == parent && r.content.n == leaf.N && r.content.deleted == leaf.Deleted
		})
		if i < 0 {
			w.t.Errorf("%s is %+v, which nobody has written", d.id, leaf)
			return
		}
		known = d.asked[i]
		d.revs[leaf.Rev] = known
	}
	if known.parent != parent || known.content.n != leaf.N || known.content.deleted != leaf.Deleted {
		w.t.Errorf("%s %s has the number %d (deleted %v) over %s, written was %+v", d.id, leaf.Rev, leaf.N, leaf.Deleted, parent, known)
	}
	switch is := leaf.Attachments["f"]; {
	case known.content.file == 0:
		if len(leaf.Attachments) > 0 {
			w.t.Errorf("%s %s has attachments that nobody wrote", d.id, leaf.Rev)
		}
	case !bytes.Equal(is.Data, file(known.content.file)):
		w.t.Errorf("%s %s has an attachment of %d bytes, written were %d", d.id, leaf.Rev, len(is.Data), len(file(known.content.file)))
	}
}

// winner is what a row of a feed says.
type winner struct {
	rev     string
	deleted bool
}

type row struct {
	Seq     string
	ID      string
	Deleted bool
	Changes []struct{ Rev string }
}

// number is the part of a sequence by which clients tell which of two is later.
func (w *world) number(seq string) int64 {
	w.t.Helper()
	text, _, _ := strings.Cut(seq, "-")
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		w.t.Errorf("the sequence %q has no number", seq)
	}
	return n
}

// told keeps the highest sequence that anybody was told.
func (w *world) told(seq string) {
	n := w.number(seq)
	for {
		if before := w.highest.Load(); n <= before || w.highest.CompareAndSwap(before, n) {
			return
		}
	}
}

// all is the whole feed with all leaves.
func (w *world) all(ctx context.Context) map[string][]string {
	w.t.Helper()
	var info struct {
		Seq string `json:"update_seq"`
	}
	if err := json.Unmarshal(w.want(ctx, http.MethodGet, "/db", "", http.StatusOK), &info); err != nil {
		w.t.Fatal(err)
	}
	if n := w.number(info.Seq); n < w.highest.Load() {
		w.t.Errorf("the database is at %d, and was at %d before", n, w.highest.Load())
	}
	rows, last := w.page(ctx, "/db/_changes?style=all_docs")
	w.told(last)
	out := map[string][]string{}
	before := int64(0)
	for _, row := range rows {
		if n := w.number(row.Seq); n <= before {
			w.t.Errorf("the sequence %s comes behind %d", row.Seq, before)
		} else {
			before = n
		}
		if out[row.ID] != nil {
			w.t.Errorf("%s is in the feed twice", row.ID)
		}
		for _, c := range row.Changes {
			out[row.ID] = append(out[row.ID], c.Rev)
		}
	}
	return out
}

// compare looks for every document in the whole feed.
func (w *world) compare(whole map[string][]string) {
	w.t.Helper()
	docs := 0
	for _, writer := range w.writers {
		for _, d := range writer.docs {
			want := d.leaves()
			if len(want) == 0 {
				continue // nothing of it was answered, and nothing is there
			}
			docs++
			if got := whole[d.id]; !slices.Equal(got, want) {
				w.t.Errorf("the feed has the leaves %s of %s, answered were %s", got, d.id, want)
			}
		}
	}
	if docs != len(whole) {
		w.t.Errorf("the feed has %d documents, written were %d", len(whole), docs)
	}
}

// page reads a feed that ends.
func (w *world) page(ctx context.Context, path string) (rows []row, last string) {
	w.t.Helper()
	rows, last, err := decode(w.want(ctx, http.MethodGet, path, "", http.StatusOK))
	if err != nil {
		w.t.Fatal(err)
	}
	return rows, last
}

func decode(raw []byte) (rows []row, last string, err error) {
	var answer struct {
		Results []row
		Last    string `json:"last_seq"`
	}
	if err := json.Unmarshal(raw, &answer); err != nil || answer.Last == "" {
		return nil, "", fmt.Errorf("a feed: %w: %.200s", err, raw)
	}
	return answer.Results, answer.Last, nil
}

// follower follows the database in one way, and keeps what it was told.
type follower struct {
	*world
	kind  string
	since string
	seen  map[string]winner
	// shown are the revisions that rows have named since they were last compared.
	shown map[string][]string
}

// take keeps one row.
func (f *follower) take(r row) {
	if f.number(r.Seq) <= f.number(f.since) {
		f.t.Errorf("%s: %s comes behind %s", f.kind, r.Seq, f.since)
	}
	f.since = r.Seq
	f.told(r.Seq)
	f.seen[r.ID] = winner{r.Changes[0].Rev, r.Deleted}
	if f.shown == nil {
		f.shown = map[string][]string{}
	}
	f.shown[r.ID] = append(f.shown[r.ID], r.Changes[0].Rev)
}

// follow reads until the process is gone.
func (f *follower) follow(ctx context.Context) {
	for ctx.Err() == nil {
		if f.kind == "continuous" {
			f.stream(ctx, "")
			return
		}
		status, raw, err := f.ask(ctx, http.MethodGet, "/db/_changes?limit=100&feed="+f.kind+"&"+query(f.since), "application/json", nil)
		if err != nil || status != http.StatusOK {
			return
		}
		rows, last, err := decode(raw)
		if err != nil {
			f.t.Error(err)
			return
		}
		for _, r := range rows {
			f.take(r)
		}
		if f.number(last) < f.number(f.since) {
			f.t.Errorf("%s ends with %s, behind a row of %s", f.kind, last, f.since)
		}
		f.since = last
		f.told(last)
	}
}

// stream reads whole lines of a continuous feed until its end, or the row with a revision.
func (f *follower) stream(ctx context.Context, until string) (reached bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	res, err := f.open(ctx, http.MethodGet, "/db/_changes?feed=continuous&heartbeat=5000&"+query(f.since), "application/json", nil)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	lines := bufio.NewReader(res.Body)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return false // what comes behind the last line's end may be half a row
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var r row
		if err := json.Unmarshal(line, &r); err != nil || len(r.Changes) == 0 {
			f.t.Errorf("a row of a continuous feed: %v: %s", err, line)
			return false
		}
		f.take(r)
		if r.Changes[0].Rev == until {
			return true
		}
	}
}

// goOn reads from the last sequence up to the marker.
func (f *follower) goOn(ctx context.Context, marker string) {
	f.t.Helper()
	if f.kind == "continuous" {
		if !f.stream(ctx, marker) {
			f.t.Errorf("a continuous feed that goes on from %s ends before the marker", f.since)
		}
		return
	}
	rows, last := f.page(ctx, "/db/_changes?"+query(f.since))
	for _, r := range rows {
		f.take(r)
	}
	f.since = last
}

// compare holds what the follower was told against the whole feed, and looks for all that it was ever shown.
func (f *follower) compare(whole map[string][]string) {
	f.t.Helper()
	for id, revs := range whole {
		if f.seen[id].rev != revs[0] {
			f.t.Errorf("%s: %s is %s, the follower was told %q", f.kind, id, revs[0], f.seen[id].rev)
		}
	}
	if len(f.seen) != len(whole) {
		f.t.Errorf("%s: the follower was told of %d documents, there are %d", f.kind, len(f.seen), len(whole))
	}
	for _, w := range f.writers {
		for _, d := range w.docs {
			for _, rev := range f.shown[d.id] {
				if _, there := d.revs[rev]; !there {
					f.t.Errorf("%s: %s of %s was shown, and is lost", f.kind, rev, d.id)
				}
			}
		}
	}
	f.shown = nil
}
