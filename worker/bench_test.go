package worker_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/jobs"
	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/httpd"
	"github.com/adlayer/after/worker"
)

// BenchmarkDrain runs tasks that are all due, store and worker in one process, for profiles; the program in bench/ measures
// the real thing.
func BenchmarkDrain(b *testing.B) {
	const n = 50_000
	var took time.Duration
	for b.Loop() {
		took += drain(b, n)
	}
	b.ReportMetric(n*float64(b.N)/took.Seconds(), "tasks/s")
}

func drain(b *testing.B, n int) time.Duration {
	b.Helper()
	st, err := store.Open(b.TempDir(), store.Options{})
	check(b, err)
	defer func() { check(b, st.Close()) }()
	handler := httpd.New(st, httpd.Options{Admins: map[string]string{"after": "secret"}, HashRounds: 1000})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(b, err)
	server := handler.HTTPServer()
	go func() { _ = server.Serve(listener) }()
	defer func() { _ = server.Close(); _ = handler.Close() }()
	client, err := couch.Dial("http://after:secret@"+listener.Addr().String(), couch.Options{})
	check(b, err)
	defer client.Close()
	check(b, client.CreateDatabase(b.Context(), "tasks"))
	db := client.Database("tasks")
	check(b, db.EnsureIndex(b.Context(), worker.Index()))
	for first := 0; first < n; first += 1000 {
		var docs [][]byte
		for i := first; i < first+1000; i++ {
			docs = append(docs, fmt.Appendf(nil, `{"_id":"task-%07d","worker":"manobi","job":"noop","status":"waiting"}`, i))
		}
		_, err := db.Bulk(b.Context(), docs)
		check(b, err)
	}
	registry := jobs.NewRegistry()
	noop, err := jobs.New("noop", func(context.Context, *jobs.Task) (any, error) { return nil, nil })
	check(b, err)
	check(b, registry.Add(noop))
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	info, err := db.Info(b.Context())
	check(b, err)
	began := time.Now()
	go func() {
		ended <- worker.Run(ctx, worker.Config{Names: []string{"manobi"}, Client: client, Database: "tasks", Jobs: registry, StateFolder: b.TempDir()})
	}()
	awaitSettled(b, db, info.UpdateSeq, n)
	took := time.Since(began)
	stop()
	check(b, <-ended)
	return took
}

// awaitSettled looks at the count of updates, which costs the store next to nothing.
func awaitSettled(b *testing.B, db *couch.Database, since string, n int) {
	b.Helper()
	var first int
	_, err := fmt.Sscanf(since, "%d", &first)
	check(b, err)
	for {
		info, err := db.Info(b.Context())
		check(b, err)
		var now int
		_, err = fmt.Sscanf(info.UpdateSeq, "%d", &now)
		check(b, err)
		if now >= first+n {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func check(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}
