package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/tidwall/gjson"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/jobs"
	"github.com/adlayer/after/worker"
)

const name = "bench"

// taskBody is a task for the measuring worker.
func taskBody(i int, date time.Time) []byte {
	return fmt.Appendf(nil, `{"_id":"task-%07d","worker":"%s","job":"noop","status":"waiting","date":%q}`,
		i, name, date.UTC().Format("2006-01-02T15:04:05.000Z07:00"))
}

// updates is how many writes the database has seen, which costs the store next to nothing to say.
func (b *bed) updates(ctx context.Context) (int, error) {
	info, err := b.db.Info(ctx)
	if err != nil {
		return 0, err
	}
	var count int
	if _, err := fmt.Sscanf(info.UpdateSeq, "%d", &count); err != nil {
		return 0, fmt.Errorf("the update sequence %q does not begin with a number: %w", info.UpdateSeq, err)
	}
	return count, nil
}

// awaitUpdates waits until the database has seen so many writes.
func (b *bed) awaitUpdates(ctx context.Context, count int) error {
	for {
		now, err := b.updates(ctx)
		if err != nil || now >= count {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// awaitNone waits until no task of a selector is left.
func (b *bed) awaitNone(ctx context.Context, selector string) error {
	query := couch.Query{Selector: json.RawMessage(selector), Fields: []string{"_id"}, Limit: 1, UseIndex: worker.Index().Use()}
	for {
		page, err := b.db.Find(ctx, query)
		if err != nil || len(page.Docs) == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// starts reads how late each task started, in milliseconds, and when, in order of start.
func (b *bed) starts(ctx context.Context) (lags []float64, started []time.Time, err error) {
	listing, err := b.db.AllDocs(ctx, couch.Range{Start: "task-", End: "task-~", IncludeDocs: true})
	if err != nil {
		return nil, nil, err
	}
	for _, row := range listing.Rows {
		doc := gjson.ParseBytes(row.Doc)
		if doc.Get("status").String() != "done" || doc.Get("executions").Int() != 1 {
			return nil, nil, fmt.Errorf("task %s did not run exactly once: %s", row.ID, row.Doc)
		}
		lags = append(lags, doc.Get("lag").Float())
		started = append(started, doc.Get("started").Time())
	}
	slices.Sort(lags)
	slices.SortFunc(started, time.Time.Compare)
	return lags, started, nil
}

func percentile(sorted []float64, p float64) float64 {
	return sorted[min(len(sorted)-1, int(p*float64(len(sorted))))]
}

// measureDrain lets a worker meet tasks that are all due.
func measureDrain(ctx context.Context, r *rig) ([]figure, error) {
	b, err := r.open(ctx)
	if err != nil {
		return nil, err
	}
	defer b.close()
	// The index has to be there before the tasks, as it is in a database that workers have used.
	if err := b.db.EnsureIndex(ctx, worker.Index()); err != nil {
		return nil, err
	}
	now := time.Now()
	if err := b.insert(ctx, r.tasks, 500, 4, func(i int) []byte { return taskBody(i, now) }); err != nil {
		return nil, err
	}
	before, err := b.updates(ctx)
	if err != nil {
		return nil, err
	}
	w := b.command(ctx, "start", name)
	began := time.Now()
	if err := w.Start(); err != nil {
		return nil, err
	}
	err = b.awaitUpdates(ctx, before+r.tasks)
	ended := time.Now()
	_ = w.Process.Signal(os.Interrupt)
	_ = w.Wait()
	if err != nil {
		return nil, err
	}
	_, started, err := b.starts(ctx)
	if err != nil {
		return nil, err
	}
	_, raw, err := b.rawRates(ctx, r.tasks)
	if err != nil {
		return nil, err
	}
	drained := rate(r.tasks, ended.Sub(started[0]))
	return []figure{
		{Name: "drain rate, from the first start to the last outcome in the database", Value: drained, Unit: "tasks/s", Aim: 20_000},
		{Name: "drain rate, from the start of the process", Value: rate(r.tasks, ended.Sub(began)), Unit: "tasks/s"},
		{Name: "raw update rate of the same store right after it", Value: raw, Unit: "docs/s"},
		{Name: "drain rate as a part of the raw update rate", Value: drained / raw, Unit: "", Aim: 0.4},
	}, nil
}

// measureFlow has a producer write tasks while the worker runs them.
func measureFlow(ctx context.Context, r *rig) ([]figure, error) {
	b, err := r.open(ctx)
	if err != nil {
		return nil, err
	}
	defer b.close()
	if err := b.after(ctx, "start", "-b", name); err != nil {
		return nil, err
	}
	before, err := b.updates(ctx)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	now := began
	if err := b.insert(ctx, r.tasks, 100, 4, func(i int) []byte { return taskBody(i, now) }); err != nil {
		return nil, err
	}
	produced := time.Since(began)
	if err := b.awaitUpdates(ctx, before+2*r.tasks); err != nil {
		return nil, err
	}
	took := time.Since(began)
	if err := b.after(ctx, "stop", name); err != nil {
		return nil, err
	}
	return []figure{
		{Name: "tasks end to end, batches of 100 from 4 clients", Value: rate(r.tasks, took), Unit: "tasks/s", Aim: 12_000},
		{Name: "of these, the producer alone", Value: rate(r.tasks, produced), Unit: "tasks/s"},
	}, nil
}

// measureLateness spreads 20,000 tasks over 20 seconds.
func measureLateness(ctx context.Context, r *rig) ([]figure, error) {
	lags, err := r.fire(ctx, 20_000, func(i int) time.Duration { return time.Duration(i) * time.Millisecond })
	if err != nil {
		return nil, err
	}
	return []figure{
		{Name: "p50 of 1,000 starts a second", Value: percentile(lags, 0.5), Unit: "ms", Aim: 1, Less: true},
		{Name: "p99", Value: percentile(lags, 0.99), Unit: "ms", Aim: 5, Less: true},
		{Name: "max", Value: lags[len(lags)-1], Unit: "ms"},
	}, nil
}

// measureIdle has ten tasks a second, each at a millisecond of its own: how exact a start is where nothing is in its way.
func measureIdle(ctx context.Context, r *rig) ([]figure, error) {
	random := rand.New(rand.NewPCG(1, 2))
	offsets := make([]time.Duration, 200)
	for i := range offsets {
		offsets[i] = time.Duration(random.IntN(20_000)) * time.Millisecond
	}
	slices.Sort(offsets)
	lags, err := r.fire(ctx, len(offsets), func(i int) time.Duration { return offsets[i] })
	if err != nil {
		return nil, err
	}
	return []figure{
		{Name: "p50 of 10 starts a second", Value: percentile(lags, 0.5), Unit: "ms", Aim: 1, Less: true},
		{Name: "p99", Value: percentile(lags, 0.99), Unit: "ms", Aim: 2, Less: true},
		{Name: "max", Value: lags[len(lags)-1], Unit: "ms"},
	}, nil
}

// measureBurst has 20,000 tasks due on one second.
func measureBurst(ctx context.Context, r *rig) ([]figure, error) {
	lags, err := r.fire(ctx, 20_000, func(int) time.Duration { return 0 })
	if err != nil {
		return nil, err
	}
	return []figure{
		{Name: "first start after the second", Value: lags[0], Unit: "ms"},
		{Name: "median start", Value: percentile(lags, 0.5), Unit: "ms"},
		{Name: "last start", Value: lags[len(lags)-1], Unit: "ms", Aim: 250, Less: true},
	}, nil
}

// fire writes n tasks that come due from ten seconds ahead on, and gives how late each started.
func (r *rig) fire(ctx context.Context, n int, offset func(i int) time.Duration) ([]float64, error) {
	b, err := r.open(ctx)
	if err != nil {
		return nil, err
	}
	defer b.close()
	if err := b.after(ctx, "start", "-b", name); err != nil {
		return nil, err
	}
	first := time.Now().Truncate(time.Second).Add(10 * time.Second)
	if err := b.insert(ctx, n, 500, 2, func(i int) []byte { return taskBody(i, first.Add(offset(i))) }); err != nil {
		return nil, err
	}
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-time.After(time.Until(first.Add(offset(n-1) + 500*time.Millisecond))):
	}
	if err := b.awaitNone(ctx, `{"worker":"bench","status":"scheduled"}`); err != nil {
		return nil, err
	}
	if err := b.after(ctx, "stop", name); err != nil {
		return nil, err
	}
	lags, _, err := b.starts(ctx)
	return lags, err
}

// measureMemory lets 200,000 tasks sleep: in a worker within this process, whose heap can be read, and in the binary.
func measureMemory(ctx context.Context, r *rig) ([]figure, error) {
	const n = 200_000
	b, err := r.open(ctx)
	if err != nil {
		return nil, err
	}
	defer b.close()
	if err := b.after(ctx, "start", "-b", name); err != nil {
		return nil, err
	}
	far := time.Now().Add(24 * time.Hour)
	insert := func(i int) []byte { return taskBody(i, far.Add(time.Duration(i%86_400)*time.Second)) }
	if err := b.insert(ctx, n, 500, 4, insert); err != nil {
		return nil, err
	}
	if err := b.awaitNone(ctx, `{"worker":"bench","status":"waiting"}`); err != nil {
		return nil, err
	}
	if err := b.after(ctx, "stop", name); err != nil {
		return nil, err
	}
	began := time.Now()
	if err := b.after(ctx, "start", "-b", name); err != nil {
		return nil, err
	}
	ready := time.Since(began)
	if err := b.after(ctx, "stop", name); err != nil {
		return nil, err
	}
	each, err := b.heapPerTask(ctx, n)
	return []figure{
		{Name: "live heap per sleeping task, 200,000 of them", Value: each, Unit: "bytes", Aim: 250, Less: true},
		{Name: "from start to ready with them", Value: ready.Seconds(), Unit: "s"},
	}, err
}

// heapPerTask runs the worker in this process and reads what its sleeping tasks keep alive.
func (b *bed) heapPerTask(ctx context.Context, n int) (float64, error) {
	before := heap()
	running, stop := context.WithCancel(ctx)
	defer stop()
	ready, ended := make(chan struct{}), make(chan error, 1)
	log := logrus.New()
	log.SetLevel(logrus.WarnLevel)
	go func() {
		ended <- worker.Run(running, worker.Config{
			Names: []string{name}, Client: b.client, Database: "tasks", Jobs: jobs.NewRegistry(),
			StateFolder: b.folder + "/state-of-bench", Log: log, Ready: func() { close(ready) },
		})
	}()
	select {
	case <-ready:
	case err := <-ended:
		return 0, err
	}
	each := float64(heap()-before) / float64(n)
	stop()
	return each, <-ended
}

// heap gives the bytes that are alive after a collection.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
