package changes_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/adlayer/after/changes"
	"github.com/adlayer/after/couch"
)

func serve(b *testing.B, handler *feedServer) (*couch.Client, func()) {
	b.Helper()
	server := httptest.NewServer(handler)
	client, err := couch.Dial(server.URL, couch.Options{})
	if err != nil {
		b.Fatal(err)
	}
	return client, func() {
		client.Close()
		server.CloseClientConnections()
		server.Close()
	}
}

// BenchmarkFollow reads 10,000 rows of 400 bytes over a socket; the server, in the same process, is part of the figure.
func BenchmarkFollow(b *testing.B) {
	server := &feedServer{grown: make(chan struct{})}
	doc := `{"_id":"x","worker":"w","job":"noop","date":"2026-12-01T00:00:00Z","status":"scheduled","filler":"` + strings.Repeat("y", 250) + `"}`
	for b.Loop() {
		b.StopTimer()
		server.mutex.Lock()
		server.rows = nil
		for seq := range 10_000 {
			server.rows = append(server.rows, row(seq+1, doc))
		}
		server.mutex.Unlock()
		client, stop := serve(b, server)
		b.StartTimer()
		rows := 0
		enough := errors.New("enough")
		err := changes.Follow(context.Background(), client.Database("db"), changes.Options{IncludeDocs: true},
			func(_ context.Context, batch []changes.Row, _ string) error {
				if rows += len(batch); rows == 10_000 {
					return enough
				}
				return nil
			})
		b.StopTimer()
		if !errors.Is(err, enough) {
			b.Fatal(err)
		}
		stop()
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/10_000, "ns/row")
}
