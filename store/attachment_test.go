package store_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/adlayer/after/store"
)

// contentOf reads an attachment as a client would get it.
func contentOf(v *store.Snapshot, a store.Attachment) ([]byte, error) {
	r := v.Attachment(a)
	if !a.Gzip {
		return io.ReadAll(r)
	}
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// checkFiles holds a database to the law: a content is there if and only if a revision refers to it.
func checkFiles(t interface{ Fatal(args ...any) }, db *store.Database) store.AttachmentStats {
	snap, err := db.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	stats, err := snap.CheckAttachments(context.Background())
	if err := errors.Join(err, snap.Close()); err != nil {
		t.Fatal(err)
	}
	return stats
}

// noise is n bytes that do not compress.
func noise(seed uint64, n int) []byte {
	out := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)})
	_, _ = r.Read(out)
	return out
}

func upload(t *testing.T, db *store.Database, content []byte, o store.UploadOptions) *store.Upload {
	t.Helper()
	u, err := db.Upload(t.Context(), bytes.NewReader(content), o)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// writeDoc writes one document.
func writeDoc(t *testing.T, db *store.Database, doc store.Doc) store.Result {
	t.Helper()
	if doc.Body == nil {
		doc.Body = []byte("{}")
	}
	results, err := db.Write(t.Context(), []store.Doc{doc}, store.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return results[0]
}

func get(t *testing.T, db *store.Database, id string) (row *store.Row) {
	t.Helper()
	view(t, db, func(v *store.Snapshot) (err error) {
		row, err = v.Get(id)
		return err
	})
	return row
}

func TestAttachmentInline(t *testing.T) {
	t.Parallel()
	db := create(t, open(t, store.Options{}), "db")
	rev := put(t, db, `{"_id":"a","x":1,"_attachments":{"b":{"data":"aGk=","content_type":"a\/b"},"t":{"data":"aGVs\u0062G8 \n=","content_type":"text/plain"}}}`)
	row := get(t, db, "a")
	want := `{"_id":"a","_rev":"` + rev + `","x":1,"_attachments":{"b":{"content_type":"a/b","revpos":1,` +
		`"digest":"md5-SfaKXIST7CwL9ImCHCH8Ow==","length":2,"stub":true},"t":{"content_type":"text/plain","revpos":1,"digest":"md5-`
	if got := string(row.AppendJSON(nil)); !strings.HasPrefix(got, want) || !strings.HasSuffix(got, `"length":5,"stub":true}}}`) {
		t.Fatal(got)
	}
	view(t, db, func(v *store.Snapshot) error {
		for i, want := range []string{"hi", "hello"} {
			got, err := contentOf(v, row.Attachments()[i])
			if err != nil || string(got) != want {
				t.Errorf("%q instead of %q: %v", got, want, err)
			}
		}
		return nil
	})
	for body, status := range map[string]int{
		`{"_id":"n","_attachments":{"t":{"data":"***"}}}`:                                400,
		`{"_id":"n","_attachments":{"t":{"data":"aGk"}}}`:                                400,
		`{"_id":"n","_attachments":{"t":{"data":5}}}`:                                    400,
		`{"_id":"n","_attachments":{"t":{}}}`:                                            400,
		`{"_id":"n","_attachments":{"t":{"follows":true}}}`:                              400,
		`{"_id":"n","_attachments":{"_t":{"data":"aGk="}}}`:                              400,
		`{"_id":"n","_attachments":[]}`:                                                  400,
		`{"_id":"n","_attachments":{"t":{"stub":true}}}`:                                 412,
		`{"_id":"a","_rev":"` + rev + `","_attachments":{"c":{"stub":true}}}`:            412,
		`{"_id":"a","_rev":"` + rev + `","_attachments":{"b":{"stub":true,"revpos":9}}}`: 412,
		`{"_id":"a","_attachments":{"b":{"stub":true}}}`:                                 409,
	} {
		_, err := db.Put(t.Context(), []byte(body))
		var e *store.Error
		if !errors.As(err, &e) || e.Status != status {
			t.Errorf("%s: %v instead of %d", body, err, status)
		}
	}
	if stats := checkFiles(t, db); stats.Blobs != 2 || stats.Refs != 2 {
		t.Errorf("%+v", stats)
	}
}

// TestAttachmentSharing keeps a content once, however often it is there, and for as long as a revision has it.
func TestAttachmentSharing(t *testing.T) {
	t.Parallel()
	db := create(t, open(t, store.Options{CompactAfter: -1}), "db")
	content := noise(1, 300<<10)
	files := func(names ...string) (d store.Doc) {
		for _, name := range names {
			d.Attach(name, "a/b", upload(t, db, content, store.UploadOptions{Name: name, Type: "a/b"}))
		}
		return d
	}
	a := files("one", "two")
	a.ID = "a"
	first := writeDoc(t, db, a)
	b := files("three")
	b.ID = "b"
	writeDoc(t, db, b)
	if stats := checkFiles(t, db); stats.Blobs != 1 || stats.Refs != 2 || stats.Bytes != 300<<10 || stats.Uploads != 0 {
		t.Fatalf("%+v", stats)
	}
	// The next revision has one of them: nothing is copied.
	next := get(t, db, "a").Edit()
	if !next.Detach("one") || next.Detach("one") {
		t.Fatal("one is not there, or twice")
	}
	second := writeDoc(t, db, next)
	if got := get(t, db, "a").Attachments(); len(got) != 1 || got[0].Name != "two" || got[0].RevPos != 1 {
		t.Fatalf("%+v", got)
	}
	writeDoc(t, db, store.Doc{ID: "b", Rev: get(t, db, "b").Rev, Deleted: true})
	compact(t, db)
	if stats := checkFiles(t, db); stats.Blobs != 1 || stats.Refs != 1 {
		t.Fatalf("%+v", stats)
	}
	// A copy of what has gone is refused.
	writeDoc(t, db, store.Doc{ID: "a", Rev: second.Rev})
	stale := store.Doc{ID: "c", Body: []byte("{}"), Attachments: next.Attachments}
	compact(t, db)
	results, err := db.Write(t.Context(), []store.Doc{stale}, store.WriteOptions{})
	if err != nil || results[0].Err == nil || results[0].Err.Status != 412 {
		t.Fatalf("%+v %v (first %s)", results, err, first.Rev)
	}
	if stats := checkFiles(t, db); stats != (store.AttachmentStats{}) {
		t.Fatalf("%+v", stats)
	}
}

// compact compacts, and returns when that is done.
func compact(t interface{ Fatal(args ...any) }, db *store.Database) {
	if err := store.CompactNow(db); err != nil {
		t.Fatal(err)
	}
}

// TestAttachmentUploadFails lets uploads end in all the ways that are none.
func TestAttachmentUploadFails(t *testing.T) {
	t.Parallel()
	st := open(t, store.Options{MaxAttachment: 3 << 20})
	db := create(t, st, "db")
	broken := errors.New("the line is cut")
	r := io.MultiReader(bytes.NewReader(noise(1, 2<<20)), iotest.ErrReader(broken))
	if _, err := db.Upload(t.Context(), r, store.UploadOptions{}); !errors.Is(err, broken) {
		t.Error(err)
	}
	var e *store.Error
	if _, err := db.Upload(t.Context(), bytes.NewReader(noise(2, 4<<20)), store.UploadOptions{Name: "n"}); !errors.As(err, &e) || e.Status != 413 {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := db.Upload(ctx, bytes.NewReader(noise(2, 2<<20)), store.UploadOptions{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	// A document that is refused gives its uploads up.
	put(t, db, `{"_id":"a"}`)
	doc := store.Doc{ID: "a"}
	doc.Attach("f", "a/b", upload(t, db, noise(3, 2<<20), store.UploadOptions{}))
	if res := writeDoc(t, db, doc); !store.IsConflict(res.Err) {
		t.Error(res.Err)
	}
	put(t, db, `{"_id":"b"}`) // what was given up is out of sight with the next write
	if stats := checkFiles(t, db); stats != (store.AttachmentStats{}) {
		t.Errorf("%+v", stats)
	}
	u := upload(t, db, noise(4, 2<<20), store.UploadOptions{})
	if err := st.DropDatabase(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	if err := u.Discard(); err != nil {
		t.Error(err)
	}
	if _, err := db.Upload(t.Context(), bytes.NewReader(noise(2, 2<<20)), store.UploadOptions{}); !store.IsNotFound(err) {
		t.Error(err)
	}
	if n := store.Keys(st); n != 0 {
		t.Errorf("%d keys of a database that was dropped are left", n)
	}
}

func TestAttachmentReplicated(t *testing.T) {
	t.Parallel()
	db := create(t, open(t, store.Options{CompactAfter: -1}), "db")
	replicate := func(raw string) error {
		p := store.Parser{}
		docs := make([]store.Doc, 1)
		if err := p.Document([]byte(raw), &docs[0]); err != nil {
			return err
		}
		_, err := db.Write(t.Context(), docs, store.WriteOptions{Replicated: true})
		return err
	}
	b64 := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	for _, raw := range []string{
		`{"_id":"a","_rev":"1-aa","_attachments":{"f":{"data":"` + b64("root") + `","revpos":1}}}`,
		`{"_id":"a","_revisions":{"start":2,"ids":["bb","aa"]},"_attachments":{"f":{"stub":true},"g":{"data":"` + b64("left") + `","revpos":2}}}`,
		`{"_id":"a","_revisions":{"start":2,"ids":["cc","aa"]},"_attachments":{"f":{"data":"` + b64("right") + `","revpos":2}}}`,
		`{"_id":"a","_revisions":{"start":2,"ids":["cc","aa"]},"_attachments":{"f":{"data":"` + b64("again") + `","revpos":2}}}`,
	} {
		if err := replicate(raw); err != nil {
			t.Fatal(err)
		}
	}
	compact(t, db)
	view(t, db, func(v *store.Snapshot) error {
		tree, err := v.Tree("a")
		if err != nil {
			return err
		}
		var got []string
		for _, leaf := range tree.Leaves() {
			row, err := v.Revision(tree, leaf)
			if err != nil {
				return err
			}
			for _, a := range row.Attachments() {
				content, err := contentOf(v, a)
				if err != nil {
					return err
				}
				got = append(got, fmt.Sprintf("%s %s %d %s", leaf.Rev, a.Name, a.RevPos, content))
			}
		}
		if want := "[2-cc f 2 right 2-bb f 1 root 2-bb g 2 left]"; fmt.Sprint(got) != want {
			t.Errorf("%v instead of %s", got, want)
		}
		return nil
	})
	if stats := checkFiles(t, db); stats.Blobs != 3 || stats.Refs != 3 {
		t.Errorf("%+v", stats)
	}
	err := replicate(`{"_id":"b","_revisions":{"start":2,"ids":["bb","aa"]},"_attachments":{"f":{"stub":true}}}`)
	var e *store.Error
	if !errors.As(err, &e) || e.Status != 412 {
		t.Error(err)
	}
}

// TestCheckFindsDamagedAttachments puts in every kind of damage by hand.
func TestCheckFindsDamagedAttachments(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		damage func(d *store.Database, db *pebble.DB) error
		want   string
	}{
		"a piece is gone":   {func(d *store.Database, db *pebble.DB) error { return db.Delete(store.ChunkKey(d, 1, 1), nil) }, "content 1 has 65536 bytes of 100000"},
		"the first is gone": {func(d *store.Database, db *pebble.DB) error { return db.Delete(store.ChunkKey(d, 1, 0), nil) }, "content 1 lacks bytes from 0 on"},
		"other bytes": {func(d *store.Database, db *pebble.DB) error {
			return db.Set(store.ChunkKey(d, 1, 0), make([]byte, 64<<10), nil)
		}, "another digest"},
		"a stray piece":        {func(d *store.Database, db *pebble.DB) error { return db.Set(store.ChunkKey(d, 9, 0), nil, nil) }, "content 9, which no revision has"},
		"a reference is gone":  {func(d *store.Database, db *pebble.DB) error { return db.Delete(store.RefKey(d, 1, 1), nil) }, "content 1 has 0 references"},
		"a reference too many": {func(d *store.Database, db *pebble.DB) error { return db.Set(store.RefKey(d, 1, 7), nil, nil) }, "content 1 has 2 references"},
		"to nothing":           {func(d *store.Database, db *pebble.DB) error { return db.Set(store.RefKey(d, 9, 7), nil, nil) }, "a reference to content 9"},
		"a list is gone":       {func(d *store.Database, db *pebble.DB) error { return db.Delete(store.RefsKey(d, 1), nil) }, `the list of the revision of "a"`},
		"a list too many":      {func(d *store.Database, db *pebble.DB) error { return db.Set(store.RefsKey(d, 9), []byte{1}, nil) }, "2 revisions have lists"},
		"no name":              {func(d *store.Database, db *pebble.DB) error { return db.Delete(store.BlobKey(d, 'n', 1), nil) }, "content 1 has no name"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fs := vfs.NewMem()
			st, err := store.Open("data", store.Options{FS: fs})
			if err != nil {
				t.Fatal(err)
			}
			db := create(t, st, "db")
			doc := store.Doc{ID: "a"}
			doc.Attach("f", "a/b", upload(t, db, noise(1, 100_000), store.UploadOptions{}))
			writeDoc(t, db, doc)
			sound(t, st)
			if err := st.Close(); err != nil {
				t.Fatal(err)
			}
			inEngine(t, fs, func(e *pebble.DB) error { return test.damage(db, e) })
			if st, err = store.Open("data", store.Options{FS: fs}); err != nil {
				t.Fatal(err)
			}
			found := problems(t, st)
			if err := st.Close(); err != nil {
				t.Error(err)
			}
			if len(found) != 1 || !strings.Contains(found[0], test.want) {
				t.Errorf("no word of %q in %v", test.want, found)
			}
		})
	}
}
