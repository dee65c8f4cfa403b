package store_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/adlayer/after/store"
)

// logSize is how long the logs of writes are together.
func logSize(t *testing.T, fs vfs.FS) (size int64) {
	t.Helper()
	names, err := fs.List("data")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !strings.HasSuffix(name, ".log") {
			continue
		}
		info, err := fs.Stat(fs.PathJoin("data", name))
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	return size
}

// TestLogAhead: the log is made longer ahead of writes that come one by one, not of batches, and after a power cut all that was answered is found in
// front of what it was made longer by.
func TestLogAhead(t *testing.T) {
	t.Parallel()
	fs := vfs.NewCrashableMem()
	db := create(t, open(t, store.Options{FS: fs}), "db")
	const single = 50
	for i := range single {
		if _, err := db.Put(t.Context(), fmt.Appendf(nil, `{"_id":"%d"}`, i)); err != nil {
			t.Fatal(err)
		}
	}
	before := logSize(t, fs)
	if before < 200<<10 {
		t.Errorf("after single writes the log has %d bytes", before)
	}
	written := before
	for i := range 4 {
		docs := make([]store.Doc, 100)
		for k := range docs {
			docs[k] = store.Doc{ID: fmt.Sprint("batch", i, "-", k), Body: fmt.Appendf(nil, `{"x":%q}`, strings.Repeat("x", 1000))}
			written += int64(len(docs[k].Body))
		}
		if _, err := db.Write(t.Context(), docs, store.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if after := logSize(t, fs); after > written+200<<10 {
		t.Errorf("after batches the log has %d bytes, with what was written %d", after, written)
	}
	clone := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(1, 1))})
	st := open(t, store.Options{FS: clone})
	found, err := st.Database("db")
	if err != nil {
		t.Fatal(err)
	}
	if n := found.Seq(); n != single+400 {
		t.Errorf("after a power cut the newest sequence is %d", n)
	}
}
