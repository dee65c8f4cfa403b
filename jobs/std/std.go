// Package std holds the jobs that every worker has: noop, log, http, exec and start_replication.
package std

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/adlayer/after/jobs"
	"github.com/adlayer/after/jobs/call"
)

// Options say what the built-in jobs may do. The zero value works: exec then runs nothing, and start_replication says that
// it knows no server.
type Options struct {
	// ExecAllow names the commands that exec may run: absolute paths, or names that are looked up in PATH.
	ExecAllow []string

	// Replicator is the server whose replicator start_replication talks to.
	Replicator Replicator

	// Caller is the http job. Nil means one of its own, made of the three fields below.
	Caller *call.Caller

	// HTTP is the client whose transport sends the requests of the http job. Nil means a transport of its own.
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

// caller is the http job.
func (o Options) caller() (*call.Caller, error) {
	if o.Caller != nil {
		return o.Caller, nil
	}
	options := call.Options{UserAgent: o.UserAgent, MaxBody: o.MaxBody}
	if o.HTTP != nil {
		options.Transport = o.HTTP.Transport
	}
	return call.New(options)
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
	caller, err := o.caller()
	if err != nil {
		panic("jobs/std: " + err.Error()) // a mistake in this package
	}
	add(caller.Job())
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
