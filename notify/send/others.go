package send

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

const (
	usualTakeOver = 15 * time.Minute // where nobody is taken over, the same time passes before what is too old is given up
	mostOthers    = 1000             // names of other workers that are remembered
	lookAround    = time.Minute      // between two looks at the fleet
)

// standing is what a notice is to this process.
type standing int

const (
	others    standing = iota // somebody else tells it, or may yet
	own                       // it is of a worker of this process
	adopted                   // nobody runs its worker any more: it is told as if it were our own
	abandoned                 // it is too old, and nobody is there to tell it: it is given up
)

// absences remember since when nobody runs the workers of whose notices some were seen that are not ours. Where there are no such notices, nothing
// is asked and nothing is held.
type absences struct {
	mu     sync.Mutex
	names  map[string]*absence
	looked time.Time // when the fleet was asked last
	seen   time.Time // when it answered last
}

// absence is that of one worker.
type absence struct {
	wanted time.Time // when a notice of it was seen last
	since  time.Time // zero: it is there, or nobody has looked
	known  bool      // some process of this fleet has run it at some time
	told   bool      // the log has said that it is taken over
}

// unseen says whether the fleet has not answered for so long that nobody knows who is away. The lock is held.
func (a *absences) unseen(now time.Time) bool { return now.Sub(a.seen) > 2*sweep }

// since says since when nobody runs a worker, zero where somebody does, or that is not known; and whether this fleet has ever had it.
func (a *absences) since(name string, now time.Time) (since time.Time, known bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	of := a.names[name]
	switch {
	case of != nil:
		of.wanted = now
		if a.unseen(now) {
			return time.Time{}, of.known
		}
		return of.since, of.known
	case len(a.names) < mostOthers:
		if a.names == nil {
			a.names = map[string]*absence{}
		}
		a.names[name] = &absence{wanted: now}
	}
	return time.Time{}, false
}

// due gives the names of which the fleet is to be asked now, by whoever is told them; none: it is not.
func (a *absences) due(now time.Time, pause time.Duration) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.names) == 0 || now.Sub(a.looked) < pause {
		return nil
	}
	a.looked = now
	return slices.Collect(maps.Keys(a.names))
}

// look takes in which workers run, and which this fleet has ever had. Where the fleet did not answer for long, it is forgotten who is away: who came
// and went meanwhile, nobody saw.
func (a *absences) look(running, known []string, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	unseen := a.unseen(now)
	a.seen = now
	for name, of := range a.names {
		of.known = of.known || slices.Contains(known, name) || slices.Contains(running, name)
		switch {
		case now.Sub(of.wanted) > 2*mostWait:
			delete(a.names, name)
		case slices.Contains(running, name):
			*of = absence{wanted: of.wanted, known: true}
		case unseen || of.since.IsZero():
			of.since = now
		}
	}
}

// first says whether it is the first time, since it was there, that a worker is taken over.
func (a *absences) first(name string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	known := a.names[name]
	if known == nil || known.told {
		return false
	}
	known.told = true
	return true
}

// lookAround looks who runs the workers whose notices were seen beside ours, now and then.
func (s *sender) lookAround(ctx context.Context) {
	if s.Fleet == nil {
		return
	}
	names := s.absences.due(time.Now(), min(lookAround, s.patience()/2))
	if len(names) == 0 {
		return
	}
	running, known, err := s.Fleet(ctx, names)
	if err == nil {
		s.absences.look(running, known, time.Now())
	} else if ctx.Err() == nil && s.seldom("fleet", time.Hour) {
		s.Log.WithError(err).Warn("nobody knows whether other workers still tell their notices; trying again")
	}
}

// patience is for how long nobody must have run a worker before its notices are anybody's.
func (s *sender) patience() time.Duration { return cmp.Or(s.TakeOver, usualTakeOver) }

// isOwn says whether a notice is of a worker of this process. That of another site waits there to be told: here is a copy, unless this very process has
// written it, when it was configured to be at another site.
func (s *sender) isOwn(it *item) bool {
	return slices.Contains(s.Names, it.By) && (s.isHere(it) || it.Member == s.Member)
}

func (s *sender) isHere(it *item) bool { return it.Site == "" || it.Site == s.Site }

// standing says what a notice is to this process, and when that may be another thing; zero is not known.
func (s *sender) standing(it *item, now time.Time) (what standing, until time.Time) {
	switch {
	case s.isOwn(it):
		return own, time.Time{}
	case !s.isHere(it):
		return s.elsewhere(it, now), time.Time{}
	case s.Fleet == nil:
		return others, time.Time{}
	}
	since, known := s.absences.since(it.By, now)
	switch {
	case since.IsZero():
		return others, now.Add(s.patience())
	case !known:
		return s.elsewhere(it, now), time.Time{}
	}
	if until = since.Add(s.patience()); now.Before(until) {
		return others, until
	}
	switch {
	case s.TakeOver > 0:
		if s.absences.first(it.By) {
			s.Log.WithField("worker", it.By).Warnf("no process has run this worker for %v: its notices are told by this one", s.TakeOver)
		}
		return adopted, time.Time{}
	case s.tooOld(it, now):
		return abandoned, time.Time{}
	}
	return others, time.Time{}
}

// elsewhere is the standing of a notice that another fleet tells: nobody here knows who is there.
func (s *sender) elsewhere(it *item, now time.Time) standing {
	if s.forlorn(it, now) {
		return abandoned
	}
	return others
}
