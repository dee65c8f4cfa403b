package main

import (
	"context"
	"fmt"
	"time"
)

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

// measureRaw gives the raw rates of a fresh store.
func measureRaw(ctx context.Context, r *rig) ([]figure, error) {
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
