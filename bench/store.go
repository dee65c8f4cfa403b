package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
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

// updateBody is a task document of the usual size as a worker settles it.
func updateBody(i int, rev string) []byte {
	if rev != "" {
		rev = `"_rev":"` + rev + `",`
	}
	return fmt.Appendf(nil, `{"_id":"raw-%07d",%s"worker":"nobody","job":"noop","status":"done","date":"2026-01-01T00:00:00Z","data":"%s"}`,
		i, rev, strings.Repeat("x", 250))
}

// measureStore gives the raw rates, which the drain rate is compared with.
func measureStore(ctx context.Context, r *rig) ([]figure, error) {
	b, err := r.open(ctx)
	if err != nil {
		return nil, err
	}
	defer b.close()
	inserts, updates, err := b.rawRates(ctx, r.tasks)
	r.raw = updates
	return []figure{
		{Name: "new documents, batches of 500, 4 clients", Value: inserts, Unit: "docs/s"},
		{Name: "updates, batches of 500, 4 clients", Value: updates, Unit: "docs/s"},
	}, err
}

func (b *bed) rawRates(ctx context.Context, n int) (inserts, updates float64, err error) {
	revs := make([]string, n)
	write := func(ctx context.Context, first, end int) error {
		docs := make([][]byte, 0, end-first)
		for i := first; i < end; i++ {
			docs = append(docs, updateBody(i, revs[i]))
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
		w := full()
		for i := 0; b.Loop(); i++ {
			w.Add(uint32(i%entries), due(i+1))
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
		{Name: "add (replacing)", Value: float64(add.NsPerOp()), Unit: "ns", Aim: 200, Less: true},
		{Name: "cancel", Value: float64(cancel.NsPerOp()) / entries, Unit: "ns", Aim: 200, Less: true},
		{Name: "fire", Value: float64(fire.NsPerOp()) / entries, Unit: "ns", Aim: 200, Less: true},
		{Name: "memory per entry", Value: bytes, Unit: "bytes"},
	}, nil
}
