package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/fleet"
	"github.com/adlayer/after/jobs"
	"github.com/adlayer/after/runs"
)

// Defaults of [Config].
const (
	defaultConcurrency = 100
	defaultDrain       = 30 * time.Second
)

// Config is what a worker process needs. Names, Client, Database, Jobs and StateFolder are required.
type Config struct {
	// Names are the workers that this process runs; they share its concurrency fairly.
	Names []string
	// Client is the server, Database the name of the database of tasks; the fleet's database is beside it.
	Client   *couch.Client
	Database string
	// Jobs is where the jobs are found, at admission and again at each start.
	Jobs jobs.Source
	// Concurrency is how many jobs run at once in this process; 0 means 100.
	Concurrency int
	// Drain is how long running jobs may go on after a stop; 0 means 30 seconds.
	Drain time.Duration
	// StateFolder holds the member's id, its lock and its spool.
	StateFolder string
	// Site is where this process runs; tasks whose field site names another one are left alone.
	Site string
	// Filter is how the feed is filtered: "" reads every change and skips those of others here; [FilterSelector] has the server
	// do it, which pays in a large database that many workers share.
	Filter string
	// Standby waits where another live member holds a name, instead of failing.
	Standby bool
	// Runs keeps the history of runs; nil keeps none.
	Runs *runs.Writer
	// Version goes into the member's document.
	Version string
	// Log is where the worker writes; nil discards.
	Log logrus.FieldLogger
	// Beside, if there is one, runs beside the work: from when this process is the member, which no other one is at the same time, until the
	// last outcome is written and its context ends. Run waits for it.
	Beside func(ctx context.Context, member string)
	// Avoided, if there is one, tells the hosts that calls leave alone, for the member's document. It is called from several goroutines.
	Avoided func() []fleet.Avoided
	// Ready is called once, when the tasks of all names are in; with Standby, also while names are still waited for.
	Ready func()
	// Kill, once closed, ends the process's work at once: running jobs are told to stop and not waited for.
	Kill <-chan struct{}
	// Now is the wall clock; nil means the machine's. Tests let it jump.
	Now func() time.Time
}

// withDefaults gives a copy that is complete, or says all that is wrong.
func (c Config) withDefaults() (Config, error) {
	var errs []error
	if len(c.Names) == 0 {
		errs = append(errs, errors.New("no worker is named"))
	}
	seen := map[string]bool{}
	for _, name := range c.Names {
		if strings.TrimSpace(name) == "" {
			errs = append(errs, errors.New("a worker's name is empty"))
		}
		if seen[name] {
			errs = append(errs, fmt.Errorf("worker %s is named twice", name))
		}
		seen[name] = true
	}
	if c.Client == nil || c.Database == "" || c.Jobs == nil || c.StateFolder == "" {
		errs = append(errs, errors.New("a worker needs a client, a database, jobs and a state folder"))
	}
	if c.Filter != "" && c.Filter != FilterSelector {
		errs = append(errs, fmt.Errorf("the filter %q is unknown; it is empty or %q", c.Filter, FilterSelector))
	}
	if c.Concurrency < 0 || c.Drain < 0 {
		errs = append(errs, errors.New("concurrency and drain cannot be negative"))
	}
	if c.Concurrency == 0 {
		c.Concurrency = defaultConcurrency
	}
	if c.Drain == 0 {
		c.Drain = defaultDrain
	}
	if c.Log == nil {
		c.Log = discard()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, errors.Join(errs...)
}

// FilterSelector is the [Config.Filter] that lets the server select the changes by a selector.
const FilterSelector = "selector"

// selector matches what the loop has to see: our tasks, those that were ours and are another worker's now, calendars, and deletions,
// which name no worker.
func (c Config) selector() json.RawMessage {
	names, err := json.Marshal(c.Names)
	if err != nil {
		return nil // strings can always be encoded
	}
	return fmt.Appendf(nil, `{"$or":[{"worker":{"$in":%s}},{"claim.worker":{"$in":%s}},{"type":%q},{"_deleted":true}]}`, names, names, calendarType)
}

func discard() logrus.FieldLogger {
	logger := logrus.New()
	logger.SetLevel(logrus.PanicLevel)
	return logger
}
