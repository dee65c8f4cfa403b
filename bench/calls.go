package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/adlayer/after/worker"
)

// receiver answers calls at once, and notes how late each came after the date that it is for.
type receiver struct {
	server *http.Server
	url    string

	mu   sync.Mutex
	late []float64 // milliseconds
	from time.Time // calls for earlier dates are not noted
}

func newReceiver() (*receiver, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &receiver{url: "http://" + listener.Addr().String() + "/"}
	r.server = &http.Server{Handler: r}
	go func() { _ = r.server.Serve(listener) }()
	return r, nil
}

// ServeHTTP takes one call.
func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	now := time.Now()
	_, _ = io.Copy(io.Discard, request.Body)
	w.WriteHeader(http.StatusOK)
	nominal, err := time.Parse(time.RFC3339Nano, request.Header.Get("X-After-Nominal-Date"))
	if err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !nominal.Before(r.from) {
		r.late = append(r.late, float64(now.Sub(nominal))/float64(time.Millisecond))
	}
}

// noted gives what came for dates from then on, sorted.
func (r *receiver) noted() []float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	late := slices.Clone(r.late)
	slices.Sort(late)
	return late
}

// measureCalls has a worker make one call for each of many tasks that are all due.
func measureCalls(ctx context.Context, r *rig) ([]figure, error) {
	const n = 40_000
	b, err := r.open(ctx)
	if err != nil {
		return nil, err
	}
	defer b.close()
	to, err := newReceiver()
	if err != nil {
		return nil, err
	}
	defer to.server.Close()
	if err := b.db.EnsureIndex(ctx, worker.Index()); err != nil {
		return nil, err
	}
	date := time.Now().UTC().Format(time.RFC3339)
	document := func(i int) []byte {
		return fmt.Appendf(nil, `{"_id":"task-%07d","worker":"%s","job":{"name":"http","arguments":{"url":%q}},"status":"waiting","date":%q}`, i, name, to.url, date)
	}
	if err := b.insert(ctx, n, 500, 4, document); err != nil {
		return nil, err
	}
	before, err := b.updates(ctx)
	if err != nil {
		return nil, err
	}
	w := b.command(ctx, "start", name)
	if err := w.Start(); err != nil {
		return nil, err
	}
	err = b.awaitUpdates(ctx, before+n)
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
	return []figure{
		{Name: "one-off calls, outcomes in the database, receiver on the same machine", Value: rate(n, ended.Sub(started[0])), Unit: "calls/s", Aim: 8000},
	}, nil
}

// measureEndpoints has 10,000 endpoints called every ten seconds, evenly spread, for a minute.
func measureEndpoints(ctx context.Context, r *rig) ([]figure, error) {
	const (
		n      = 10_000
		period = 10 * time.Second
		rounds = 6
	)
	b, err := r.open(ctx)
	if err != nil {
		return nil, err
	}
	defer b.close()
	to, err := newReceiver()
	if err != nil {
		return nil, err
	}
	defer to.server.Close()
	w := b.command(ctx, "start", name)
	if err := w.Start(); err != nil {
		return nil, err
	}
	defer func() { _ = w.Process.Kill() }()
	first := time.Now().Truncate(time.Second).Add(2 * period)
	to.from = first
	document := func(i int) []byte {
		return fmt.Appendf(nil, `{"_id":"task-%07d","worker":"%s","job":{"name":"http","arguments":{"url":%q}},"status":"waiting","date":%q,"repeat":{"seconds":10}}`,
			i, name, to.url, first.Add(time.Duration(i)*time.Millisecond).UTC().Format("2006-01-02T15:04:05.000Z07:00"))
	}
	if err := b.insert(ctx, n, 500, 2, document); err != nil {
		return nil, err
	}
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-time.After(time.Until(first.Add(rounds * period))):
	}
	late := to.noted()
	memory, err := residentOf(w)
	if err != nil {
		return nil, err
	}
	_ = w.Process.Signal(os.Interrupt)
	_ = w.Wait()
	if len(late) < n*(rounds-1) {
		return nil, fmt.Errorf("only %d of about %d calls came", len(late), n*rounds)
	}
	used := w.ProcessState.UserTime() + w.ProcessState.SystemTime()
	return []figure{
		{Name: "10,000 endpoints every 10 s for a minute: calls that came", Value: float64(len(late)), Unit: "calls"},
		{Name: "lateness at the receiver, p50", Value: percentile(late, 0.5), Unit: "ms"},
		{Name: "p99", Value: percentile(late, 0.99), Unit: "ms", Aim: 20, Less: true},
		{Name: "max", Value: late[len(late)-1], Unit: "ms"},
		{Name: "memory of the worker's process", Value: memory, Unit: "MB"},
		{Name: "its processor time, of one core", Value: 100 * used.Seconds() / time.Since(first.Add(-2*period)).Seconds(), Unit: "%"},
	}, nil
}

// residentOf is the memory of a process, in millions of bytes.
func residentOf(command *exec.Cmd) (float64, error) {
	out, err := exec.Command("ps", "-o", "rss=", "-p", strconv.Itoa(command.Process.Pid)).Output()
	if err != nil {
		return 0, fmt.Errorf("ps, which tells the memory of a process: %w", err)
	}
	kib, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	return kib * 1024 / 1e6, err
}
