package store_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"github.com/adlayer/after/store"
)

// fileModel is what a document should have: its revisions that are still there, each with its attachments.
type fileModel struct {
	rev   store.Rev
	live  bool
	files map[string][]byte
}

// TestAttachmentsAgainstModel writes, shares, removes and compacts at random, cuts the power now and then in the middle of an upload, and holds the
// database to the law.
func TestAttachmentsAgainstModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		m := &fileMachine{t: t, docs: map[string]*fileModel{"a": {}, "b": {}, "c": {}}, fs: vfs.NewCrashableMem()}
		m.open(rt)
		defer func() {
			m.read(rt)
			if err := m.st.Close(); err != nil {
				rt.Error(err)
			}
		}()
		rt.Repeat(map[string]func(*rapid.T){
			"write":    m.write,
			"conflict": m.conflict,
			"delete":   m.delete,
			"abandon":  m.abandon,
			"compact":  m.compact,
			"reopen":   m.reopen,
			"read":     m.read,
		})
	})
}

type fileMachine struct {
	t    *testing.T
	fs   *vfs.MemFS
	st   *store.Store
	db   *store.Database
	docs map[string]*fileModel
}

func (m *fileMachine) open(rt *rapid.T) {
	var err error
	if m.st, err = store.Open("data", store.Options{FS: m.fs, CompactAfter: -1, MemTableSize: 256 << 10}); err != nil {
		rt.Fatal(err)
	}
	m.db, err = m.st.Database("db")
	if store.IsNotFound(err) {
		m.db, err = m.st.CreateDatabase(m.t.Context(), "db")
	}
	if err != nil {
		rt.Fatal(err)
	}
	if stats := checkFiles(rt, m.db); stats.Uploads != 0 {
		rt.Fatalf("an upload outlived the opening: %+v", stats)
	}
}

func (m *fileMachine) content(rt *rapid.T) []byte {
	kind := rapid.SampledFrom([]uint64{1, 2, 2, 3, 3, 4}).Draw(rt, "content")
	return noise(kind, []int{0, 1000, 70 << 10, 270 << 10}[kind-1]) // nothing, a part of a chunk, two chunks, more than a batch
}

// write makes a new revision with some of the attachments before, kept as stubs, and some new ones.
func (m *fileMachine) write(rt *rapid.T) {
	id := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "id")
	d := m.docs[id]
	doc := store.Doc{ID: id, Body: []byte("{}")}
	files := map[string][]byte{}
	var stubs []string
	if d.live {
		doc.Rev = d.rev
		for _, name := range slices.Sorted(maps.Keys(d.files)) {
			if rapid.Bool().Draw(rt, "keep "+name) {
				stubs = append(stubs, fmt.Sprintf(`%q:{"stub":true}`, name))
				files[name] = d.files[name]
			}
		}
	}
	p := store.Parser{}
	raw := fmt.Sprintf(`{"_id":%q,"n":%d,"_attachments":{%s}}`, id, rapid.Uint8().Draw(rt, "n"), strings.Join(stubs, ","))
	rev := doc.Rev
	if err := p.Document([]byte(raw), &doc); err != nil {
		rt.Fatal(err)
	}
	doc.Rev = rev
	for range rapid.IntRange(0, 2).Draw(rt, "new") {
		name := rapid.SampledFrom([]string{"x", "y", "z"}).Draw(rt, "name")
		kind := rapid.SampledFrom([]string{"a/b", "text/plain"}).Draw(rt, "type")
		content := m.content(rt)
		if len(content) > 100<<10 {
			kind = "a/b" // compressing it takes its time
		}
		u, err := m.db.Upload(m.t.Context(), bytes.NewReader(content), store.UploadOptions{Type: kind})
		if err != nil {
			rt.Fatal(err)
		}
		doc.Attach(name, kind, u)
		files[name] = content
	}
	results, err := m.db.Write(m.t.Context(), []store.Doc{doc}, store.WriteOptions{})
	if err != nil || results[0].Err != nil {
		rt.Fatal(err, results)
	}
	d.rev, d.live, d.files = results[0].Rev, true, files
}

// conflict writes over a revision that is not there: its upload must go.
func (m *fileMachine) conflict(rt *rapid.T) {
	if !m.docs["a"].live {
		return
	}
	doc := store.Doc{ID: "a", Body: []byte("{}")}
	u, err := m.db.Upload(m.t.Context(), bytes.NewReader(m.content(rt)), store.UploadOptions{})
	if err != nil {
		rt.Fatal(err)
	}
	doc.Attach("x", "a/b", u)
	results, err := m.db.Write(m.t.Context(), []store.Doc{doc}, store.WriteOptions{})
	if err != nil || !store.IsConflict(results[0].Err) {
		rt.Fatal(err, results)
	}
}

func (m *fileMachine) delete(rt *rapid.T) {
	id := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "id")
	d := m.docs[id]
	if !d.live {
		return
	}
	results, err := m.db.Write(m.t.Context(), []store.Doc{{ID: id, Rev: d.rev, Deleted: true, Body: []byte("{}")}}, store.WriteOptions{})
	if err != nil || results[0].Err != nil {
		rt.Fatal(err, results)
	}
	*d = fileModel{}
}

// abandon gives an upload up.
func (m *fileMachine) abandon(rt *rapid.T) {
	u, err := m.db.Upload(m.t.Context(), bytes.NewReader(m.content(rt)), store.UploadOptions{})
	if err == nil {
		err = u.Discard()
	}
	if err != nil {
		rt.Fatal(err)
	}
}

func (m *fileMachine) compact(rt *rapid.T) {
	compact(rt, m.db)
	checkFiles(rt, m.db)
}

// reopen opens the store again, now and then: it takes its time.
func (m *fileMachine) reopen(rt *rapid.T) {
	switch rapid.IntRange(0, 3).Draw(rt, "how") {
	case 0:
		m.crash(rt)
	case 1:
		if err := m.st.Close(); err != nil {
			rt.Fatal(err)
		}
		m.open(rt)
	}
}

// crash cuts the power while an upload is there that no document has.
func (m *fileMachine) crash(rt *rapid.T) {
	content := noise(uint64(rapid.Uint16().Draw(rt, "upload")), 300<<10)
	if _, err := m.db.Upload(m.t.Context(), bytes.NewReader(content), store.UploadOptions{}); err != nil {
		rt.Fatal(err)
	}
	defer m.read(rt)
	source := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1))
	clone := m.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rapid.IntRange(0, 100).Draw(rt, "unsynced"), RNG: source})
	if err := m.st.Close(); err != nil {
		rt.Fatal(err)
	}
	m.fs = clone
	m.open(rt)
}

// read holds the database to the law and compares everything with the model.
func (m *fileMachine) read(rt *rapid.T) {
	checkFiles(rt, m.db)
	snap, err := m.db.Snapshot()
	if err != nil {
		rt.Fatal(err)
	}
	defer snap.Close()
	for id, d := range m.docs {
		if !d.live {
			continue
		}
		row, err := snap.Get(id)
		if err != nil || row.Rev != d.rev || len(row.Attachments()) != len(d.files) {
			rt.Fatalf("%s: %+v %v, the model has %s with %d files", id, row, err, d.rev, len(d.files))
		}
		for _, a := range row.Attachments() {
			if got, err := contentOf(snap, a); err != nil || !bytes.Equal(got, d.files[a.Name]) || a.Length != int64(len(got)) {
				rt.Fatalf("%s of %s has %d bytes instead of %d: %v", a.Name, id, len(got), len(d.files[a.Name]), err)
			}
		}
	}
}

// TestAttachmentReplicated keeps the attachments of all branches, each with its own.
