package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/adlayer/after/cli/process"
	"github.com/adlayer/after/config"
	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/expect"
	"github.com/adlayer/after/fleet"
	"github.com/adlayer/after/jobs"
	"github.com/adlayer/after/jobs/call"
	"github.com/adlayer/after/jobs/folder"
	"github.com/adlayer/after/jobs/std"
	"github.com/adlayer/after/notify/mailer"
	"github.com/adlayer/after/runs"
	"github.com/adlayer/after/worker"
)

// runner runs the workers of this process from the first to the last: through signals and new configurations.
type runner struct {
	app     *app
	command *cobra.Command
	config  *config.Config
	client  *couch.Client
	names   []string
	standby bool
	log     *logger
	entry   *process.Registration
	caller  *call.Caller   // makes the calls of all workers, through new configurations
	mailer  *mailer.Mailer // likewise their mails
	queue   *queue
	couch   config.Couch // where the workers that run now have their tasks
	halt    func()       // has the work drain
	ready   func()       // called once
}

// lastResort is how long the work may take to end after it was told to end at once.
const lastResort = 10 * time.Second

// errServer says that the listener of our own store has failed.
var errServer = errors.New("the embedded store cannot be served any more")

// run returns when the workers have ended: nil if they were asked to.
func (r *runner) run(ctx context.Context, serverFailed <-chan error) error {
	caller, err := call.New(callOptions(r.config, r.log))
	if err != nil {
		return &codeError{err: inHTTP(err), code: exitUsage}
	}
	defer caller.Close()
	r.caller = caller
	if r.mailer, err = mailer.New(mailOptions(r.config)); err != nil {
		return &codeError{err: inMail(err), code: exitUsage}
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	r.halt = func() { stop(nil) }
	kill, reload, done := make(chan struct{}), make(chan os.Signal, 1), make(chan struct{})
	process.NotifyReload(reload)
	defer signal.Stop(reload)
	var watching sync.WaitGroup
	watching.Go(func() { r.watchSignals(ctx, stop, kill, done) })
	watching.Go(func() {
		select {
		case err := <-serverFailed:
			stop(errors.Join(errServer, err))
		case <-done:
		}
	})
	defer watching.Wait()
	defer close(done)
	ready := sync.OnceFunc(r.ready)
	for {
		again, err := r.once(ctx, kill, reload, ready)
		if err != nil || !again {
			if cause := context.Cause(ctx); errors.Is(cause, errServer) {
				err = errors.Join(cause, err)
			}
			return err
		}
	}
}

// watchSignals drains at the first signal and ends at once at the second.
func (r *runner) watchSignals(ctx context.Context, stop context.CancelCauseFunc, kill chan<- struct{}, done <-chan struct{}) {
	signals := make(chan os.Signal, 2)
	process.NotifyStop(signals)
	defer signal.Stop(signals)
	select {
	case sig := <-signals:
		r.log.WithField("signal", sig.String()).Info("stopping: a second signal ends at once")
	case <-done:
		return
	}
	stop(nil)
	if err := errors.Join(r.entry.Ending(), process.Notify(context.WithoutCancel(ctx), "STOPPING=1")); err != nil {
		r.log.WithError(err).Warn("nobody could be told that the workers stop")
	}
	select {
	case sig := <-signals:
		r.log.WithField("signal", sig.String()).Warn("ending at once")
		close(kill)
	case <-done:
		return
	}
	select {
	case <-time.After(lastResort):
		r.log.Error("the work has not ended although it was told to: giving up")
		os.Exit(exitFailure)
	case <-done:
	}
}

// once runs the workers until they end, or until a new configuration needs them to start anew.
func (r *runner) once(ctx context.Context, kill <-chan struct{}, reload <-chan os.Signal, ready func()) (again bool, err error) {
	inner, stop := context.WithCancel(ctx)
	defer stop()
	defer r.client.Close() // its connections, not the client: it dials again
	ended := make(chan error, 1)
	c, client := r.config, r.client // reload replaces them while the work goes on
	r.follow(c)
	go func() { ended <- r.work(inner, c, client, kill, ready) }()
	for {
		select {
		case err := <-ended:
			return again && ctx.Err() == nil, err
		case <-reload:
			if r.app.abandoned() {
				r.log.Info("the terminal is gone: stopping")
				r.halt()
				continue
			}
			if r.reload() { // also while they end for a change before it
				again = true
				if ctx.Err() == nil {
					r.log.Info("the configuration was read again: the workers start anew with it")
				}
				stop()
			}
		}
	}
}

// follow has the queue go to the server and the database with which the workers start.
func (r *runner) follow(c *config.Config) {
	former := r.couch
	if r.couch = c.Couch; former == c.Couch || former == (config.Couch{}) {
		return // the queue has it, at the first start too
	}
	if err := r.queue.configure(c); err != nil {
		r.log.WithError(err).Error("the queue did not take the workers' configuration: its former one stays in force")
	}
}

// work runs the workers with one configuration.
func (r *runner) work(ctx context.Context, c *config.Config, client *couch.Client, kill <-chan struct{}, ready func()) error {
	state, err := c.StateFolder()
	if err != nil {
		return err
	}
	var housekeeping sync.WaitGroup
	defer housekeeping.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	history := client.Database(runs.Database(c.Couch.Database))
	housekeeping.Go(func() { r.pruneRuns(ctx, c, history) })
	if c.Worker.Retention > 0 {
		housekeeping.Go(func() { r.prune(ctx, c, client) })
	}
	keeper := &expect.Keeper{DB: client.Database(c.Couch.Database), Names: r.names, Log: r.log, Now: time.Now}
	housekeeping.Go(func() { keeper.Run(ctx) })
	if tidies() {
		housekeeping.Go(func() { tendHeap(ctx) })
	}
	return worker.Run(ctx, worker.Config{
		Names: r.names, Client: client, Database: c.Couch.Database, Jobs: jobsOf(c, client, r.log, r.caller),
		Concurrency: c.Worker.Concurrency, Drain: c.Worker.Drain, StateFolder: state, Filter: c.Changes.Filter, Site: c.Worker.Site,
		Runs: runs.NewWriter(history, r.log), Beside: r.notices(c, client), Avoided: r.avoided, Standby: r.standby, Version: Version(), Log: r.log, Ready: ready, Kill: kill,
	})
}

// mostAvoided is how many hosts a heartbeat names that are left alone, and mostWhy how many bytes of the reason.
const (
	mostAvoided = 50
	mostWhy     = 200
)

// avoided are the hosts that calls leave alone.
func (r *runner) avoided() []fleet.Avoided {
	var list []fleet.Avoided
	for _, h := range r.caller.Avoided(mostAvoided) {
		list = append(list, fleet.Avoided{Host: h.Host, Until: h.Until.UTC().Truncate(time.Millisecond), Error: strings.ToValidUTF8(h.Error[:min(len(h.Error), mostWhy)], "")})
	}
	return list
}

// inHTTP says where in the configuration an error lies.
func inHTTP(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("http in the configuration: %w", err)
}

// callOptions are those of the http job.
func callOptions(c *config.Config, log *logger) call.Options {
	h := &c.HTTP
	failures := h.Breaker.Failures
	if failures == 0 {
		failures = -1 // never
	}
	return call.Options{
		UserAgent: "after/" + Version(), MaxBody: h.MaxBody, Timeout: h.Timeout, Concurrency: h.Concurrency, PerHost: h.PerHost,
		Allow: h.Allow, Deny: h.Deny, Credentials: h.Credentials, TLS: h.TLS, CAFile: h.CAFile, Proxy: h.Proxy,
		SigningKeys: h.SigningKeys(), CallbackURL: h.CallbackURL,
		Codes: call.Codes{Done: codesOf(h.Codes.Done), Retry: codesOf(h.Codes.Retry), Error: codesOf(h.Codes.Error), Remove: codesOf(h.Codes.Remove)},
		Limit: h.Limit, Limits: h.Limits, Breaker: call.Breaker{Failures: failures, Pause: h.Breaker.Pause}, Log: log,
	}
}

// codesOf reads codes that the configuration has checked.
func codesOf(texts []string) []call.Code {
	codes := make([]call.Code, 0, len(texts))
	for _, text := range texts {
		if code, err := call.ParseCode(text); err == nil {
			codes = append(codes, code)
		}
	}
	return codes
}

// jobsOf joins the jobs that the program registered, those of the jobs folder, and the built-in ones. Where jobs are only listed, there is
// neither a client nor a caller.
func jobsOf(c *config.Config, client *couch.Client, log *logger, caller *call.Caller) jobs.Source {
	sources := []jobs.Source{jobs.Default(), switches(c, client)}
	options := folder.Options{}
	if log != nil {
		options.Log = log
	}
	// The folder comes last: each look into it asks the file system.
	sources = append(sources, std.New(std.Options{ExecAllow: c.Jobs.Exec.Allow, Replicator: client, Caller: caller}))
	sources = append(sources, folder.New(c.Jobs.Folder, options))
	return jobs.Sources(sources...)
}

// switches holds the job of dead-man's switches.
func switches(c *config.Config, client *couch.Client) jobs.Source {
	var db *couch.Database
	if client != nil {
		db = client.Database(c.Couch.Database)
	}
	r := jobs.NewRegistry()
	job, err := expect.NewJob(db, time.Now)
	if err == nil {
		err = r.Add(job)
	}
	if err != nil {
		panic("the job expect: " + err.Error()) // a mistake in its package
	}
	return r
}

// reload reads the configuration again and takes what can be taken at once. It says whether the workers must start anew.
func (r *runner) reload() (anew bool) {
	fresh, err := r.app.load(r.command)
	if err != nil {
		r.log.WithError(err).Error("the configuration was not read again: the former one stays in force")
		return false
	}
	former := r.config
	if !reflect.DeepEqual(former.Store, fresh.Store) || former.State != fresh.State {
		r.log.Warn("store and state have changed in the configuration: they come in force at the next start")
	}
	fresh.Store, fresh.State = former.Store, former.State
	client := r.client
	if former.Couch != fresh.Couch {
		client, err = dial(fresh)
	}
	if err == nil { // also where nothing has changed: the files that it names may have
		err = r.configure(fresh)
	}
	if err != nil {
		r.log.WithError(err).Error("the configuration was not read again: the former one stays in force")
		return false
	}
	r.client = client
	r.log.configure(fresh.Log, r.app.colour && r.app.talks)
	r.config = fresh
	if former.Couch == fresh.Couch && former.Changes == fresh.Changes && reflect.DeepEqual(former.Jobs, fresh.Jobs) && former.Worker == fresh.Worker &&
		former.HTTP.Timeout == fresh.HTTP.Timeout && former.Runs == fresh.Runs && former.Notify == fresh.Notify && former.Mail.Window == fresh.Mail.Window {
		r.log.Info("the configuration was read again")
		return false
	}
	return true
}
