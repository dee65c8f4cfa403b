package worker_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/adlayer/after/fleet"
	"github.com/adlayer/after/internal/runcheck"
	"github.com/adlayer/after/internal/torture"
	"github.com/adlayer/after/jobs"
	"github.com/adlayer/after/when"
	"github.com/adlayer/after/worker"
)

// wallClock is a wall clock that goes wrong: it is set, and it runs fast or slow.
type wallClock struct {
	mu   sync.Mutex
	real time.Time // when it was last touched
	wall time.Time // what it showed then
	ppm  float64   // how fast it runs
}

func newWallClock() *wallClock {
	now := time.Now()
	return &wallClock{real: now, wall: now.Round(0)}
}

func (c *wallClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.readLocked()
}

func (c *wallClock) readLocked() time.Time {
	passed := time.Since(c.real)
	return c.wall.Add(passed + time.Duration(float64(passed)*c.ppm/1e6))
}

// set makes it show another time and run at another speed.
func (c *wallClock) set(wall func(time.Time) time.Time, ppm float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall = wall(c.readLocked())
	c.real, c.ppm = time.Now(), ppm
}

func (c *wallClock) step(d time.Duration) {
	c.set(func(t time.Time) time.Time { return t.Add(d) }, 0)
}

// witnessed adds a job that notes its runs by a clock, and gives what it noted.
func (b *bundle) witnessed(c *wallClock) func() []runcheck.Run {
	b.t.Helper()
	var mu sync.Mutex
	var runs []runcheck.Run
	job, err := jobs.New("witness", func(_ context.Context, t *jobs.Task) (any, error) {
		now := c.now()
		mu.Lock()
		runs = append(runs, runcheck.Run{Task: t.ID(), Key: t.Key(), Attempt: t.Attempt(), Nominal: t.Nominal(), Started: now, Ended: now})
		mu.Unlock()
		b.mu.Lock()
		b.changedLocked()
		b.mu.Unlock()
		return nil, nil
	})
	must(b.t, err)
	must(b.t, b.jobs.Add(job))
	return func() []runcheck.Run {
		mu.Lock()
		defer mu.Unlock()
		return append([]runcheck.Run(nil), runs...)
	}
}

// awaitRan waits until everything ran that had to, and gives what a check says then.
func (b *bundle) awaitRan(tasks []runcheck.Task, present []runcheck.Span, runs func() []runcheck.Run, o runcheck.Options) {
	b.t.Helper()
	var report runcheck.Report
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		report = runcheck.Check(tasks, present, runs(), o)
		if len(report.Of(runcheck.Miss)) == 0 {
			break
		}
		pause(50 * time.Millisecond)
	}
	if err := report.Err(); err != nil {
		b.t.Error(err)
		return
	}
	b.t.Log(report)
}

// TestDaylightSaving lets workers live through the moments at which the clocks of their tasks' zones change.
func TestDaylightSaving(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		zone   string
		change time.Time
		// in is a clock time in the gap, or in the overlap.
		hour, minute int
		gap          bool
	}{
		"a gap":               {"Europe/Berlin", time.Date(2027, 3, 28, 1, 0, 0, 0, time.UTC), 2, 30, true},
		"an overlap":          {"Europe/Berlin", time.Date(2027, 10, 31, 1, 0, 0, 0, time.UTC), 2, 0, false},
		"half an hour's gap":  {"Australia/Lord_Howe", time.Date(2027, 10, 2, 15, 30, 0, 0, time.UTC), 2, 15, true},
		"half an hour's lap":  {"Australia/Lord_Howe", time.Date(2027, 4, 3, 15, 0, 0, 0, time.UTC), 1, 30, false},
		"a gap at midnight":   {"America/Santiago", time.Date(2027, 9, 5, 4, 0, 0, 0, time.UTC), 0, 30, true},
		"a night in Beirut":   {"Asia/Beirut", time.Date(2027, 3, 27, 22, 0, 0, 0, time.UTC), 0, 0, true},
		"the end of Ramadan":  {"Africa/Casablanca", time.Date(2027, 3, 14, 2, 0, 0, 0, time.UTC), 2, 30, true},
		"an autumn in Havana": {"America/Havana", time.Date(2027, 11, 7, 5, 0, 0, 0, time.UTC), 0, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			loc, err := when.LoadLocation(c.zone)
			must(t, err)
			_, before := c.change.Add(-time.Millisecond).In(loc).Zone()
			_, after := c.change.In(loc).Zone()
			if c.gap != (after > before) || before == after {
				t.Fatalf("the clocks of %s go from %d to %d at %s", c.zone, before, after, c.change)
			}
			b := setup(t)
			wall := newWallClock()
			wall.set(func(time.Time) time.Time { return c.change.Add(-50 * time.Minute) }, 0)
			if !c.gap { // the first of the two times lies behind
				wall.set(func(time.Time) time.Time { return c.change.Add(-10 * time.Minute) }, 0)
			}
			began := wall.now()
			runs := b.witnessed(wall)
			b.startWith(func(config *worker.Config) { config.Now = wall.now }, "manobi")
			onGap := runcheck.Once(c.change)
			if !c.gap {
				onGap = runcheck.Once(c.change.Add(23 * time.Hour)) // the times of today are over
			}
			seconds := runcheck.Every(c.change.Add(-2*time.Second), time.Second)
			var tasks []runcheck.Task
			put := func(id string, dates runcheck.Dates, once bool, date time.Time, more string) {
				b.put(id, `{"worker":"manobi","job":"witness","timezone":%q,"date":%q,"overlap":"queue-all"%s}`, c.zone, date.UTC().Format(time.RFC3339Nano), more)
				tasks = append(tasks, runcheck.Task{ID: id, Orders: []runcheck.Order{{At: began, Terms: runcheck.Terms{Dates: dates, Once: once, Overlap: runcheck.OverlapQueueAll}}}})
			}
			put("cron", onGap, false, began, fmt.Sprintf(`,"repeat":"%d %d * * *"`, c.minute, c.hour))
			put("phrase", onGap, false, began, fmt.Sprintf(`,"repeat":"every day at %d:%02d"`, c.hour, c.minute))
			put("rrule", onGap, false, began, fmt.Sprintf(`,"repeat":"FREQ=DAILY;BYHOUR=%d;BYMINUTE=%d;BYSECOND=0"`, c.hour, c.minute))
			put("interval", seconds, false, c.change.Add(-2*time.Second), `,"repeat":"PT1S"`)
			put("seconds", seconds, false, c.change.Add(-2*time.Second), `,"repeat":"* * * * * *"`)
			put("once", runcheck.Once(c.change), true, c.change, ``)
			put("before", runcheck.Once(c.change.Add(-time.Millisecond)), true, c.change.Add(-time.Millisecond), ``)
			b.await("all are scheduled", func() bool { return b.countLocked("scheduled") == len(tasks) })
			if !c.gap {
				for _, r := range runs() {
					t.Errorf("%s ran at %s: its time of today is over", r.Task, r.Started)
				}
			}
			wall.set(func(time.Time) time.Time { return c.change.Add(-2500 * time.Millisecond) }, 0)
			until := c.change.Add(2 * time.Second)
			pause(until.Sub(wall.now()))
			b.awaitRan(tasks, []runcheck.Span{{From: began.Add(-time.Second), To: c.change.AddDate(1, 0, 0)}}, runs,
				runcheck.Options{Until: until, Late: patience, Slack: patience, MissedAfter: 5 * time.Second})
		})
	}
}

// TestNothingStartsEarly, not by a microsecond, whatever becomes of the wall clock.
func TestNothingStartsEarly(t *testing.T) {
	t.Parallel()
	const leapSmear = 1e6 / 86_400.0 // a second over a day
	for name, disturb := range map[string]func(c *wallClock, r *rand.Rand){
		"fast":       func(c *wallClock, _ *rand.Rand) { c.set(func(t time.Time) time.Time { return t }, 500) },
		"slow":       func(c *wallClock, _ *rand.Rand) { c.set(func(t time.Time) time.Time { return t }, -500) },
		"leap smear": func(c *wallClock, _ *rand.Rand) { c.set(func(t time.Time) time.Time { return t }, -leapSmear) },
		"a ms back":  func(c *wallClock, _ *rand.Rand) { c.step(-time.Millisecond) },
		"a ms ahead": func(c *wallClock, _ *rand.Rand) { c.step(time.Millisecond) },
		"to and fro": func(c *wallClock, r *rand.Rand) { c.step(time.Duration(r.IntN(1001)-500) * time.Millisecond) },
		"suspended":  func(c *wallClock, _ *rand.Rand) { c.step(400 * time.Millisecond) },
		"far ahead":  func(c *wallClock, _ *rand.Rand) { c.step(10 * time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(torture.Seed(t), 0))
			b := setup(t)
			wall := newWallClock()
			runs := b.witnessed(wall)
			b.startWith(func(c *worker.Config) { c.Now = wall.now }, "manobi")
			const n = 120
			first := wall.now().Add(1500 * time.Millisecond).Truncate(time.Millisecond)
			b.many(n, func(i int) string {
				return fmt.Sprintf(`{"_id":"t%03d","worker":"manobi","job":"witness","date":%q}`,
					i, first.Add(time.Duration(random.IntN(4000))*time.Millisecond).UTC().Format(time.RFC3339Nano))
			})
			for range 6 {
				disturb(wall, random)
				pause(time.Duration(500+random.IntN(400)) * time.Millisecond)
			}
			b.awaitDone(n)
			if got := len(runs()); got != n {
				t.Errorf("%d runs of %d tasks", got, n)
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			for id, doc := range b.docs {
				if id[0] != 't' {
					continue
				}
				if started, due := doc.Get("started").Time(), doc.Get("plan.due").Time(); started.Before(due) {
					t.Errorf("%s started %v early", id, due.Sub(started))
				}
			}
			if strings.Contains(name, " back") || name == "to and fro" {
				return // what the job reads may lie before what the worker read
			}
			for _, r := range runs() {
				if r.Started.Before(r.Nominal) {
					t.Errorf("%s started %v early", r.Task, r.Nominal.Sub(r.Started))
				}
			}
		})
	}
}

// TestClockFarFromTheStores is told in the log, and to those who list the workers.
func TestClockFarFromTheStores(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ahead time.Duration // of the store's clock
		told  bool
	}{
		"a minute behind":   {time.Minute, true},
		"three secs ahead":  {-3 * time.Second, true},
		"as good as agreed": {0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			var ahead atomic.Int64
			ahead.Store(int64(c.ahead))
			b.proxy.SetTarget(shifted(t, b.server.address, &ahead))
			logger := logrus.New()
			logger.SetOutput(t.Output())
			hook := logtest.NewLocal(logger)
			b.startWith(func(config *worker.Config) { config.Log = logger }, "manobi")
			told := false
			for _, entry := range hook.AllEntries() {
				told = told || entry.Level == logrus.WarnLevel && strings.Contains(entry.Message, "clock of this machine differs")
			}
			if told != c.told {
				t.Errorf("told: %v, not %v", told, c.told)
			}
			members, err := fleet.List(t.Context(), dial(t, b.server.url(b.server.address)).Database(fleet.Database(b.server.database)))
			must(t, err)
			if len(members) != 1 {
				t.Fatalf("%d members", len(members))
			}
			if got := -time.Duration(members[0].Clock) * time.Millisecond; (got - c.ahead).Abs() > 1500*time.Millisecond {
				t.Errorf("the member says that the store is %v ahead, not %v", got, c.ahead)
			}
		})
	}
}

// shifted is a middleman whose answers carry another date.
func shifted(t *testing.T, address string, ahead *atomic.Int64) string {
	t.Helper()
	pass := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: address})
	pass.FlushInterval = -1
	pass.Transport = &http.Transport{DisableCompression: true, DisableKeepAlives: true}
	pass.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	pass.ModifyResponse = func(r *http.Response) error {
		r.Header.Set("Date", time.Now().Add(time.Duration(ahead.Load())).UTC().Format(http.TimeFormat))
		return nil
	}
	server := httptest.NewServer(pass)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return strings.TrimPrefix(server.URL, "http://")
}
