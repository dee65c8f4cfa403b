package replicate_test

import (
	"encoding/base64"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/adlayer/after/store"
)

// TestConverge writes random histories to three stores, replicating between any two of them in between, and then in any order until nothing
// moves any more: all three must have the same winners, conflicts, tombstones, histories and attachments.
func TestConverge(t *testing.T) {
	t.Parallel()
	servers := []*server{start(t, store.Options{}), start(t, store.Options{}), start(t, store.Options{})}
	round := 0
	rapid.Check(t, func(r *rapid.T) {
		round++
		w := world{t: r, servers: servers, db: "db" + strconv.Itoa(round)}
		for _, s := range servers {
			s.want(201, "PUT", "/"+w.db, "")
		}
		defer func() {
			for _, s := range servers {
				s.want(200, "DELETE", "/"+w.db, "")
			}
		}()
		steps := []func(*rapid.T){w.edit, w.edit, w.remove, w.conflict, w.copy, w.copy}
		for range rapid.IntRange(1, 14).Draw(r, "steps") {
			rapid.SampledFrom(steps).Draw(r, "step")(r)
		}
		w.settle(r)
		first := servers[0].state(w.db)
		for i, s := range servers[1:] {
			if other := s.state(w.db); !maps.Equal(first, other) {
				r.Fatalf("store %d differs from store 0:\n%v\n%v", i+1, first, other)
			}
		}
	})
}

// world is three stores with a database of the same name.
type world struct {
	t       *rapid.T
	servers []*server
	db      string
	writes  int
}

func (w *world) pick(r *rapid.T) (s *server, path string) {
	s = rapid.SampledFrom(w.servers).Draw(r, "store")
	return s, "/" + w.db + "/" + rapid.SampledFrom([]string{"a", "b", "ü/+ 1"}).Draw(r, "doc")
}

// leaf is one of a document's leaves, empty where there is no document.
func (w *world) leaf(r *rapid.T, s *server, path string) string {
	status, raw := s.do("GET", escapePath(path)+"?open_revs=all", "")
	if status != 200 {
		return ""
	}
	leaves := decode[[]struct {
		OK struct {
			Rev     string `json:"_rev"`
			Deleted bool   `json:"_deleted"`
		}
	}](s.t, raw)
	live := []string{}
	for _, leaf := range leaves {
		if !leaf.OK.Deleted {
			live = append(live, leaf.OK.Rev)
		}
	}
	if len(live) == 0 {
		return ""
	}
	return rapid.SampledFrom(live).Draw(r, "leaf")
}

func (w *world) write(r *rapid.T, deleted bool) {
	s, path := w.pick(r)
	doc := j{}
	if rev := w.leaf(r, s, path); rev != "" {
		doc["_rev"] = rev
	} else if deleted {
		return // there is nothing to delete
	}
	if deleted {
		doc["_deleted"] = true
	} else {
		w.writes++
		doc["n"] = w.writes
		w.attach(r, doc)
	}
	if status, answer := s.do("PUT", escapePath(path), doc); status != 201 && status != 200 {
		r.Fatal(status, answer)
	}
}

func (w *world) edit(r *rapid.T)   { w.write(r, false) }
func (w *world) remove(r *rapid.T) { w.write(r, true) }

// conflict puts a revision beside whatever there is.
func (w *world) conflict(r *rapid.T) {
	s, path := w.pick(r)
	w.writes++
	pos := rapid.IntRange(1, 4).Draw(r, "generation")
	ids := []string{}
	for i := range pos {
		ids = append(ids, fmt.Sprintf("%032x", w.writes*10+i))
	}
	doc := j{
		"n": w.writes, "_rev": fmt.Sprintf("%d-%s", pos, ids[0]), "_revisions": j{"start": pos, "ids": ids},
		"_deleted": rapid.Bool().Draw(r, "deleted"),
	}
	w.attach(r, doc)
	if status, answer := s.do("PUT", escapePath(path)+"?new_edits=false", doc); status != 201 && status != 200 {
		r.Fatal(status, answer)
	}
}

// attach gives some documents attachments: of a content that others have too or not, small or in several pieces, compressed or not.
func (w *world) attach(r *rapid.T, doc j) {
	if rapid.IntRange(0, 3).Draw(r, "attach") > 0 {
		return
	}
	content := strings.Repeat(strconv.Itoa(w.writes%3)+" and ", rapid.SampledFrom([]int{0, 1, 1, 1, 1, 12_000}).Draw(r, "length"))
	kind := rapid.SampledFrom([]string{"text/plain", "a/b"}).Draw(r, "type")
	doc["_attachments"] = j{"a/ü": j{"content_type": kind, "data": base64.StdEncoding.EncodeToString([]byte(content))}}
}

// copy replicates from one store to another, on one of the two or on the third.
func (w *world) copy(r *rapid.T) {
	pair := rapid.Permutation([]int{0, 1, 2}).Draw(r, "ends")
	w.replicate(r, pair[0], pair[1])
}

func (w *world) replicate(r *rapid.T, from, to int) {
	by := rapid.IntRange(0, 2).Draw(r, "by")
	end := func(i int) string {
		if i == by {
			return w.db
		}
		return w.servers[i].with(w.db)
	}
	body := j{"source": end(from), "target": end(to), "worker_batch_size": rapid.IntRange(1, 3).Draw(r, "batch")}
	if rapid.Bool().Draw(r, "one by one") {
		body["use_bulk_get"] = false
	}
	w.servers[by].replicate(body)
}

// settle replicates in every direction until nothing is written any more.
func (w *world) settle(r *rapid.T) {
	pairs := [][2]int{{0, 1}, {1, 0}, {0, 2}, {2, 0}, {1, 2}, {2, 1}}
	before := ""
	for range 10 {
		for _, p := range rapid.Permutation(pairs).Draw(r, "order") {
			w.replicate(r, p[0], p[1])
		}
		var seqs []string
		for _, s := range w.servers {
			seqs = append(seqs, decode[struct {
				Seq string `json:"update_seq"`
			}](s.t, s.want(200, "GET", "/"+w.db, "")).Seq)
		}
		now := strings.Join(seqs, " ")
		if now == before {
			return
		}
		before = now
	}
	r.Fatal("the stores never came to rest")
}
