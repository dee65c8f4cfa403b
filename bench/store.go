package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/adlayer/after/scheduler"
)

// measureDisk times what a durable write costs on this disk.
func measureDisk(_ context.Context, r *rig) ([]figure, error) {
	file, err := os.Create(filepath.Join(r.folder, "sync"))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	block := make([]byte, 4096)
	const n = 200
	began := time.Now()
	for range n {
		if _, err := file.Write(block); err != nil {
			return nil, err
		}
		if err := file.Sync(); err != nil {
			return nil, err
		}
	}
	each := time.Since(began) / n
	return []figure{{Name: "write of 4 KiB and sync", Value: float64(each.Microseconds()), Unit: "µs"}}, nil
}

// settledBody is a document as a worker leaves it after a run: what the drain writes, written without a worker.
func settledBody(i int, rev string) []byte {
	const at = "2026-01-01T00:00:00.000Z"
	return fmt.Appendf(nil, `{"_id":"raw-%07d","_rev":"%s","worker":"nobody","job":"noop","status":"done","date":"%s",`+
		`"plan":{"from":"%s","index":0,"nominal":"%s","due":"%s","key":"raw-%07d@%s/1-0123abcd","rule":""},`+
		`"claim":{"worker":"nobody","member":"0123456789abcdef","incarnation":"0123456789abcdef","write":%d},`+
		`"executions":1,"repetitions":0,"retries":0,"started":"%s","finished":"%s","duration":0,"lag":0,`+
		`"history":[{"status":"done","at":"%s","member":"0123456789abcdef"}]}`, i, rev, at, at, at, at, i, at, i, at, at, at)
}

// rawBody is a task that no worker runs, or what would become of it.
func rawBody(i int, rev string) []byte {
	if rev != "" {
		return settledBody(i, rev)
	}
	return fmt.Appendf(nil, `{"_id":"raw-%07d","worker":"nobody","job":"noop","status":"waiting","date":"2026-01-01T00:00:00.000Z"}`, i)
}

// measureStore gives the raw rates of a fresh store.
func measureStore(ctx context.Context, r *rig) ([]figure, error) {
	b, err := r.open(ctx)
	if err != nil {
		return nil, err
	}
	defer b.close()
	inserts, updates, err := b.rawRates(ctx, r.tasks)
	return []figure{
		{Name: "new tasks, batches of 500, 4 clients", Value: inserts, Unit: "docs/s"},
		{Name: "updates to settled tasks, batches of 500, 4 clients", Value: updates, Unit: "docs/s"},
	}, err
}

func (b *bed) rawRates(ctx context.Context, n int) (inserts, updates float64, err error) {
	revs := make([]string, n)
	write := func(ctx context.Context, first, end int) error {
		docs := make([][]byte, 0, end-first)
		for i := first; i < end; i++ {
			docs = append(docs, rawBody(i, revs[i]))
		}
		return bulk(ctx, b.db, docs, revs[first:end])
	}
	began := time.Now()
	if err := spread(ctx, n, 500, 4, write); err != nil {
		return 0, 0, err
	}
	inserts = rate(n, time.Since(began))
	began = time.Now()
	if err := spread(ctx, n, 500, 4, write); err != nil {
		return 0, 0, err
	}
	return inserts, rate(n, time.Since(began)), nil
}

func rate(n int, d time.Duration) float64 { return float64(n) / d.Seconds() }

// measureWheel runs the wheel's own operations at a million entries.
func measureWheel(context.Context, *rig) ([]figure, error) {
	const entries = 1_000_000
	start := time.Now().Truncate(time.Second)
	due := func(i int) time.Time { return start.Add(time.Duration(i*7919%3_600_000) * time.Millisecond) }
	full := func() *scheduler.Wheel[uint32] {
		w := scheduler.New[uint32]()
		for i := range entries {
			w.Add(uint32(i), due(i))
		}
		return w
	}
	before := heap()
	w := full()
	bytes := float64(heap()-before) / entries
	add := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			full()
		}
	})
	cancel := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			w := full()
			b.StartTimer()
			for i := range entries {
				w.Remove(uint32(i))
			}
		}
	})
	fire := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			w := full()
			b.StartTimer()
			w.Expire(start.Add(2*time.Hour), func(uint32, time.Time) {})
		}
	})
	if w.Len() != entries {
		return nil, fmt.Errorf("the wheel holds %d entries", w.Len())
	}
	return []figure{
		{Name: "add", Value: float64(add.NsPerOp()) / entries, Unit: "ns", Aim: 200, Less: true},
		{Name: "cancel", Value: float64(cancel.NsPerOp()) / entries, Unit: "ns", Aim: 200, Less: true},
		{Name: "fire", Value: float64(fire.NsPerOp()) / entries, Unit: "ns", Aim: 200, Less: true},
		{Name: "memory per entry", Value: bytes, Unit: "bytes"},
	}, nil
}
