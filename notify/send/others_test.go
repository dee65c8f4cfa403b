package send

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"

	"github.com/adlayer/after/notify"
	"github.com/adlayer/after/notify/mailer"
	"github.com/adlayer/after/task"
)

// fleet has a sender see which workers run.
type fleet struct {
	*sender

	running []string
	never   bool // no name was ever known
	err     error
	asked   int
}

func newFleet(takeOver time.Duration) (*fleet, *test.Hook) {
	log, said := test.NewNullLogger()
	f := &fleet{}
	f.sender = &sender{Options: Options{Names: []string{"w"}, Member: "m", Keep: 72 * time.Hour, TakeOver: takeOver, Log: log, Fleet: f.look}}
	return f, said
}

func (f *fleet) look(_ context.Context, names []string) (running, known []string, err error) {
	f.asked++
	if f.never {
		names = nil
	}
	return f.running, names, f.err
}

// after passes through the notices for so long, as the owners do, and says what one of a worker is then.
func (f *fleet) after(t *testing.T, d time.Duration, worker string, age time.Duration) standing {
	t.Helper()
	it := &item{Notice: notify.Notice{ID: "notice:t", By: worker, Task: "t", At: time.Now().Add(-age), Event: task.EventDone}}
	var what standing
	for end := time.Now().Add(d); ; time.Sleep(min(sweep, time.Until(end))) {
		f.lookAround(t.Context())
		if what, _ = f.whose(it, time.Now()); !time.Now().Before(end) {
			return what
		}
	}
}

// TestOthers: notices of a worker that no live process runs are anybody's after a while, counted from when that was seen.
func TestOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, said := newFleet(15 * time.Minute)
		f.running = []string{"w", "v"}
		wants := func(d time.Duration, want standing, why string) {
			t.Helper()
			if got := f.after(t, d, "v", 0); got != want {
				t.Errorf("%s: %v, want %v", why, got, want)
			}
		}
		if got := f.after(t, time.Hour, "w", 0); got != own || f.asked != 0 {
			t.Errorf("our own is %v, after %d looks", got, f.asked)
		}
		wants(time.Hour, others, "it runs")
		f.running = []string{"w"}
		wants(15*time.Minute, others, "it has just gone")
		wants(10*time.Minute, adopted, "it has been gone for long")
		if e := said.LastEntry(); e == nil || e.Level != logrus.WarnLevel || e.Data["worker"] != "v" || len(said.AllEntries()) != 1 {
			t.Errorf("said was %v", e)
		}
		f.running = []string{"v"}
		wants(5*time.Minute, others, "it is back")
		f.running = nil
		wants(10*time.Minute, others, "it has gone again")
		f.err = errors.New("away")
		wants(time.Hour, others, "nobody knows whether it is there")
		f.err = nil
		wants(0, others, "nobody knows whether it was there meanwhile")
		wants(20*time.Minute, adopted, "it has been gone for long again")
		asked := f.asked
		time.Sleep(3 * time.Hour)
		f.lookAround(t.Context()) // which forgets it
		for range 100 {
			f.lookAround(t.Context())
			time.Sleep(time.Minute)
		}
		if f.asked != asked+1 {
			t.Errorf("%d looks though nobody wants to know", f.asked-asked)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		f, _ := newFleet(0)
		if got := f.after(t, time.Hour, "v", 0); got != others {
			t.Errorf("taken over though nothing is: %v", got)
		}
		if got := f.after(t, time.Hour, "v", f.Keep); got != abandoned {
			t.Errorf("one that is too old, and that nobody takes over, is %v", got)
		}
		for i := range 2 * mostOthers {
			f.absences.since(strconv.Itoa(i), time.Now())
		}
		if n := len(f.absences.names); n != mostOthers {
			t.Errorf("%d names are held", n)
		}
	})
}

// TestCopies: where databases of tasks replicate and fleets do not, the notices of a worker that this fleet has never had are told at home, where they
// are not deleted from here before they have been given up.
func TestCopies(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, said := newFleet(15 * time.Minute)
		f.never = true
		for age, want := range map[time.Duration]standing{0: others, f.Keep: others, 2*f.Keep - 2*time.Hour: others, 2 * f.Keep: abandoned} {
			if got := f.after(t, time.Hour, "v", age); got != want {
				t.Errorf("one of a worker of another fleet is %v after %v, want %v", got, age, want)
			}
		}
		f.running, f.never = []string{"v"}, false
		if got := f.after(t, time.Hour, "v", 2*f.Keep); got != others {
			t.Errorf("one of a worker that came here is %v", got)
		}
		f.running, f.never = nil, true // as with a database of the fleet that was made anew
		if got := f.after(t, time.Hour, "v", 0); got != adopted {
			t.Errorf("one of a worker that was seen here is %v", got)
		}
		if n := len(said.AllEntries()); n != 1 {
			t.Errorf("%d lines were said", n)
		}
	})
	f, _ := newFleet(0)
	f.Keep = time.Hour
	it := &item{Notice: notify.Notice{By: "v", Site: "elsewhere", At: time.Now().Add(-usualKeep)}}
	if what, _ := f.standing(it, time.Now()); what != others {
		t.Errorf("one of another site that keeps it for the usual time is %v", what)
	}
}

// TestMovedSite: what this process has written is its own, whatever site it is told to be at by now.
func TestMovedSite(t *testing.T) {
	t.Parallel()
	f, _ := newFleet(0)
	f.Site = "new"
	for member, want := range map[string]standing{"m": own, "other": others} {
		raw, err := notify.Notice{ID: "notice:t", By: "w", Member: member, Site: "old", Task: "t", At: time.Now(), Event: task.EventDone}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		it, err := read(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := f.standing(it, time.Now()); got != want {
			t.Errorf("one that %s has written at another site is %v, want %v", member, got, want)
		}
	}
}

// refusing is a mail server that takes mails to nobody.
type refusing struct {
	somebody

	mails int
}

func (r *refusing) One(_ context.Context, _ *notify.Notice, to mailer.Recipients) (map[string]error, error) {
	return r.take(to)
}

func (r *refusing) Digest(_ context.Context, _ *mailer.Digest, to mailer.Recipients) (map[string]error, error) {
	return r.take(to)
}

func (r *refusing) take(to mailer.Recipients) (refused map[string]error, err error) {
	r.mails++
	refused = map[string]error{}
	for _, address := range to.Addresses {
		refused[address] = errors.New("not here")
	}
	return refused, nil
}

// TestDigestsOfOthers have none of our own notices in them: those are done with where their addresses are refused, and the others are not.
func TestDigestsOfOthers(t *testing.T) {
	t.Parallel()
	var written []json.RawMessage
	db := &server{write: func(body []byte) (int, []string) {
		var bulk struct{ Docs []json.RawMessage }
		if err := json.Unmarshal(body, &bulk); err != nil {
			t.Error(err)
		}
		written = bulk.Docs
		return http.StatusCreated, make([]string, len(bulk.Docs))
	}}
	mails := &refusing{}
	m := db.open(t, mails).mails
	for _, c := range []struct {
		ours, others int
		age          time.Duration
		tried        int // again, of the others
		mails        int
	}{{ours: 2, others: 2, tried: 2, mails: 2}, {others: 1, tried: 1, mails: 1}, {others: 2, age: 2 * time.Hour, mails: 1}} {
		g := newGathering(m)
		mails.mails = 0
		for i := range c.ours + c.others {
			it, err := read(bytes.ReplaceAll(notice(t, strconv.Itoa(i), time.Now().Add(-c.age), ""), []byte(`"http://a.example.org/told"`), []byte(`""`)))
			if err != nil {
				t.Fatal(err)
			}
			if i >= c.ours {
				it.raw = bytes.Replace(it.raw, []byte(`"by":"w"`), []byte(`"by":"v"`), 1)
				it.By = "v"
			}
			g.add(m.setOf(it), it)
		}
		g.take(t.Context())
		var outcomes [][]json.RawMessage
		taken := db.write
		db.write = func(body []byte) (int, []string) {
			status, failures := taken(body)
			outcomes = append(outcomes, written)
			return status, failures
		}
		g.flush(t.Context())
		db.write = taken
		deleted, again := 0, 0
		for _, docs := range outcomes {
			for _, doc := range docs {
				if bytes.Contains(doc, []byte(`"_deleted":true`)) {
					deleted++
				} else if it, err := read(doc); err == nil && !it.over() && it.addresses()[0] == "a@example.org" && it.state.Email.Attempts == 1 && it.state.Email.next(time.Now()).After(time.Now()) {
					again++
				}
			}
		}
		if deleted != c.ours+c.others-c.tried || again != c.tried || mails.mails != c.mails {
			t.Errorf("%+v: %d were done with, and %d are tried again, after %d mails", c, deleted, again, mails.mails)
		}
	}
}
