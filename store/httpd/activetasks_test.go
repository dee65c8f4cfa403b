package httpd_test

import (
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/adlayer/after/store"
)

// TestCompactionIsShown: a compaction that runs is in _active_tasks and in the database's information, and no longer than it runs.
func TestCompactionIsShown(t *testing.T) {
	t.Parallel()
	var hold atomic.Bool
	held, release := make(chan struct{}), make(chan struct{})
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if strings.HasSuffix(op.Path, ".log") && op.Kind.ReadOrWrite() == errorfs.OpIsWrite && hold.CompareAndSwap(true, false) {
			close(held)
			<-release
		}
		return nil
	}))
	s := start(t, store.Options{FS: fs, CompactAfter: -1})
	s.do("PUT", "/db", "")
	_, answer := s.do("PUT", "/db/a", `{"n":1}`)
	var first struct{ Rev string }
	if err := json.Unmarshal([]byte(answer), &first); err != nil {
		t.Fatal(err)
	}
	s.do("PUT", "/db/a", `{"n":2,"_rev":"`+first.Rev+`"}`)
	hold.Store(true) // the next write to the log is the compaction's
	if status, answer := s.do("POST", "/db/_compact", ""); status != 202 {
		t.Fatal(status, answer)
	}
	<-held
	_, answer = s.do("GET", "/_active_tasks", "")
	var tasks []struct {
		Type     string
		Database string
		Phase    string
		PID      string
		Node     string
		Progress int
		Done     int   `json:"changes_done"`
		Total    int   `json:"total_changes"`
		Started  int64 `json:"started_on"`
		Updated  int64 `json:"updated_on"`
	}
	if err := json.Unmarshal([]byte(answer), &tasks); err != nil || len(tasks) != 1 {
		t.Fatalf("%s: %v", answer, err)
	}
	if x := tasks[0]; x.Type != "database_compaction" || x.Database != "db" || x.Phase != "document_copy" || x.Done != 2 || x.Total != 2 ||
		x.Progress != 100 || x.Started == 0 || x.Updated < x.Started || x.PID == "" || x.Node == "" {
		t.Error(answer)
	}
	if _, answer := s.do("GET", "/db", ""); !strings.Contains(answer, `"compact_running":true`) {
		t.Error(answer)
	}
	close(release)
	// What is written after the compaction's batch comes after its end, or nearly so.
	for n := 0; ; n++ {
		s.do("PUT", "/db/_local/x", "{}")
		if _, answer := s.do("GET", "/db", ""); strings.Contains(answer, `"compact_running":false`) {
			break
		}
		if n > 1000 {
			t.Fatal("the compaction does not end")
		}
	}
	if _, answer := s.do("GET", "/_active_tasks", ""); answer != "[]" {
		t.Error(answer)
	}
	if status, _ := s.do("GET", "/db/a?rev="+first.Rev, ""); status != 404 {
		t.Error("the body of the first revision is there:", status)
	}
}
