package httpd

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/adlayer/after/store"
)

// activeTasks shows the replications, the indexes being built and the compactions that run.
func (c *call) activeTasks() error {
	if err := c.allow(http.MethodGet, http.MethodHead); err != nil {
		return err
	}
	if err := c.needAdmin(); err != nil {
		return err
	}
	tasks, err := c.s.replicator.ActiveTasks()
	if err != nil {
		return err
	}
	indexes, err := c.indexTasks()
	if err != nil {
		return err
	}
	tasks = append(tasks, indexes...)
	for _, running := range c.s.store.Compactions() {
		if running.Started.IsZero() {
			continue // it waits for its turn
		}
		raw, err := json.Marshal(compactionTask(&running))
		if err != nil {
			return err
		}
		tasks = append(tasks, raw)
	}
	return c.answer(http.StatusOK, appendRaw(nil, tasks))
}

// compacting is a compaction as an element of _active_tasks.
type compacting struct {
	Node     string `json:"node"`
	PID      string `json:"pid"`
	Done     int64  `json:"changes_done"`
	Database string `json:"database"`
	Phase    string `json:"phase"`
	Progress int64  `json:"progress"` // percent
	Started  int64  `json:"started_on"`
	Total    int64  `json:"total_changes"`
	Type     string `json:"type"`
	Updated  int64  `json:"updated_on"`
}

func compactionTask(c *store.Compaction) compacting {
	t := compacting{
		Node: nodeName, PID: fmt.Sprintf("<0.%d.0>", c.Started.UnixMilli()%1_000_000), Type: "database_compaction", Database: c.Database,
		Phase: c.Phase, Done: c.Done, Total: c.Total, Started: c.Started.Unix(), Updated: c.Updated.Unix(),
	}
	if c.Total > 0 {
		t.Progress = 100 * c.Done / c.Total
	}
	return t
}
