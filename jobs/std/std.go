// Package std holds the jobs that every worker has: noop, log, http, exec and start_replication.
package std

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/adlayer/after/jobs"
)

// Options say what the built-in jobs may do. The zero value works: exec then runs nothing, and start_replication says that
// it knows no server.
type Options struct {
	// ExecAllow names the commands that exec may run: absolute paths, or names that are looked up in PATH.
	ExecAllow []string

	// Replicator is the server whose replicator start_replication talks to.
	Replicator Replicator

	// HTTP sends the requests of the http job. Nil means a client of its own.
	HTTP *http.Client

	// UserAgent is what the http job calls itself. Empty means "after".
	UserAgent string

	// MaxBody is how many bytes of an answer's body the http job keeps. Zero means 64 KiB.
	MaxBody int

	// Output is how many bytes of a command's standard output exec keeps. Zero means 64 KiB.
	Output int
}

// Replicator starts a replication; *couch.Client is one.
type Replicator interface {
	Replicate(ctx context.Context, body json.RawMessage) (json.RawMessage, error)
}

// New gives the built-in jobs. It does no I/O.
func New(o Options) *jobs.Registry {
	r := jobs.NewRegistry()
	add := func(job *jobs.Job, err error) {
		if err == nil {
			err = r.Add(job)
		}
		if err != nil {
			panic("jobs/std: " + err.Error()) // a mistake in this package
		}
	}
	add(jobs.New("noop", noop, jobs.Describe("does nothing")))
	add(jobs.New("log", writeLog, jobs.Describe("writes its arguments to the worker's log")))
	add(jobs.NewTyped("http", newHTTP(o).run, jobs.Strict(), jobs.Timeout(5*time.Minute),
		jobs.Describe("sends a request: url, method, headers, body")))
	add(jobs.NewTyped("exec", newExec(o).run,
		jobs.Describe("runs a command that the configuration allows: [command, arguments...]")))
	add(jobs.NewTyped("start_replication", replication{o.Replicator}.run,
		jobs.Describe("starts a replication of CouchDB: source, target, options")))
	return r
}

func noop(context.Context, *jobs.Task) (any, error) { return nil, nil }

func writeLog(_ context.Context, t *jobs.Task) (any, error) {
	t.Log().Info(readable(t.Arguments()))
	return nil, nil
}

// readable is what a person reads of arguments: of an array its items with spaces between them, texts as they are, all else as
// JSON.
func readable(arguments json.RawMessage) string {
	var items []json.RawMessage
	if json.Unmarshal(arguments, &items) != nil {
		return string(arguments)
	}
	words := make([]string, 0, len(items))
	for _, item := range items {
		var text *string
		if json.Unmarshal(item, &text) == nil && text != nil {
			words = append(words, *text)
			continue
		}
		words = append(words, string(item))
	}
	return strings.Join(words, " ")
}
