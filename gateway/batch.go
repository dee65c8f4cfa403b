package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/adlayer/after/client"
	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/task"
)

// mostBatch is how many orders one request may have.
const mostBatch = 1000

// batched is the answer to one order of many: that of a post, or why it was refused, with the status that the answer to a post would have had.
type batched struct {
	Status task.Status `json:"status,omitempty"`
	ID     string      `json:"id,omitempty"`
	*refusal

	Code int `json:"code"`
}

// batch takes many orders at once, each by itself: one that is refused does not hold up the others. They go to the database in one request.
func (x *exchange) batch() error {
	if err := x.may(rightPost); err != nil {
		return err
	}
	if err := x.wantsJSON(); err != nil {
		return err
	}
	q, err := x.parameters("worker")
	if err != nil {
		return err
	}
	body, release, err := x.body()
	defer release()
	if err != nil {
		return err
	}
	var all struct {
		Tasks []json.RawMessage `json:"tasks"`
	}
	if err := jsonv2.Unmarshal(body, &all, jsonv2.RejectUnknownMembers(true)); err != nil {
		return unreadable(err, "tasks")
	}
	if len(all.Tasks) == 0 || len(all.Tasks) > mostBatch {
		return bad("tasks", "a batch has 1 to %d tasks, not %d", mostBatch, len(all.Tasks))
	}
	results, err := x.acceptAll(all.Tasks, q.Get("worker"))
	if err != nil {
		return err
	}
	x.answer(http.StatusOK, map[string]any{"results": results})
	return nil
}

// acceptAll takes orders, which the worker makes where they name none.
func (x *exchange) acceptAll(orders []json.RawMessage, worker string) ([]batched, error) {
	ctx := x.r.Context()
	results := make([]batched, len(orders))
	var docs [][]byte
	var tasks []*task.Task
	var written []*order
	var places []int
	first := map[string]int{} // within the batch, an id counts once
	decoded, errs := decodeOrders(orders, worker)
	x.lookUp(decoded)
	for i, o := range decoded {
		err := errs[i]
		var t *task.Task
		if err == nil {
			t, err = x.prepare(ctx, o)
		}
		if j, twice := first[idOf(t)]; err == nil && twice {
			if err = client.SamePost(t, tasks[j]); err == nil {
				results[i] = batched{Status: task.Scheduled, ID: t.ID, Code: http.StatusCreated}
				continue
			}
		}
		if err != nil {
			results[i] = x.refused(err)
			continue
		}
		first[t.ID] = len(tasks)
		docs, tasks, written, places = append(docs, t.Encode()), append(tasks, t), append(written, o), append(places, i)
	}
	rows, err := x.db.Bulk(ctx, docs)
	if couch.IsNotFound(err) {
		return nil, noDatabase(x.opts.Database)
	}
	if err != nil && slices.ContainsFunc(written, func(o *order) bool { return o.ID == "" }) {
		err = &unnamedError{err, "the tasks"}
	}
	if err != nil {
		return nil, err
	}
	for n, row := range rows {
		err := written[n].unwritten(row.Err(), tasks[n].ID)
		if couch.IsConflict(err) {
			_, err = x.tasks.Already(ctx, tasks[n])
		}
		if results[places[n]] = (batched{Status: task.Scheduled, ID: tasks[n].ID, Code: http.StatusCreated}); err != nil {
			results[places[n]] = x.refused(fmt.Errorf("posting many: %w", err))
		}
	}
	return results, nil
}

// decodeOrders reads orders, and gives for each why it cannot be read, or nil.
func decodeOrders(orders []json.RawMessage, worker string) (decoded []*order, errs []error) {
	decoded, errs = make([]*order, len(orders)), make([]error, len(orders))
	for i, raw := range orders {
		if decoded[i], errs[i] = decodeOrder(raw); errs[i] == nil {
			errs[i] = decoded[i].madeBy(worker)
		}
	}
	return decoded, errs
}

// lookUp looks up the names of the hosts of many orders: one after another, a slow server of names would hold up the answer for too long.
func (x *exchange) lookUp(orders []*order) {
	var names []string
	for _, o := range orders {
		if o == nil {
			continue
		}
		if name, err := o.host(); err == nil {
			names = append(names, name)
		}
	}
	x.lookedUp = x.hosts.checkAll(x.r.Context(), names)
}

func idOf(t *task.Task) string {
	if t == nil {
		return ""
	}
	return t.ID
}

func (x *exchange) refused(err error) batched {
	e := x.asRefusal(err)
	return batched{refusal: e, Code: e.status}
}
