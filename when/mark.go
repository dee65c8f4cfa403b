package when

import (
	"iter"
	"slices"
	"time"
)

// Mark says what a change of the clocks has to do with an occurrence.
type Mark string

// The marks. Most occurrences have none.
const (
	Unmarked Mark = ""
	Moved    Mark = "gap"    // the clocks jump over its time, so that it comes at the end of the gap
	Earlier  Mark = "first"  // clocks show its time twice, and this is the first
	Later    Mark = "second" // … and this is the second
)

// Clock gives an occurrence of the rule as the clocks show it that the rule goes by, for a task with the first date from, and how it is
// affected by their change. These are the clocks of [Rule.Zone], unless the recurrence that the occurrence comes from names its own.
func (r *Rule) Clock(from, at time.Time) (time.Time, Mark) {
	instant, loc, mark := at.UnixMilli(), r.loc, Unmarked
	for i := range r.members {
		m := &r.members[i]
		anchor := r.anchor(from.UnixMilli(), m)
		if found, ok := m.after(anchor, instant-1); !ok || found != instant {
			continue
		}
		loc = m.series.zone()
		if !slices.Contains(slices.Collect(m.meant(anchor, instant)), reading(instant, loc)) {
			mark = Moved
		}
		break
	}
	if s := instantsOf(reading(instant, loc), loc); mark == Unmarked && s.first != s.second {
		mark = Earlier
		if instant == s.second {
			mark = Later
		}
	}
	return at.In(loc), mark
}

// meant gives the readings that an occurrence of m stands for; what clocks show where it is one of the further dates.
func (m *member) meant(anchor, at int64) iter.Seq[int64] {
	if _, further := slices.BinarySearch(m.extra, at); further {
		return just(reading(at, m.series.zone()))
	}
	return m.series.meant(anchor, at)
}

// meant gives the readings on the rule's clocks that an occurrence stands for.
func (r *Rule) meant(from, at int64) iter.Seq[int64] {
	return func(yield func(int64) bool) {
		for i := range r.members {
			m := &r.members[i]
			anchor := r.anchor(from, m)
			if found, ok := m.after(anchor, at-1); !ok || found != at {
				continue
			}
			all := just(reading(at, r.loc))
			if m.series.zone().String() == r.loc.String() {
				all = m.meant(anchor, at)
			}
			for shows := range all {
				if !yield(shows) {
					return
				}
			}
		}
	}
}

func just(reading int64) iter.Seq[int64] {
	return func(yield func(int64) bool) { yield(reading) }
}

func (c *clockSeries) meant(_, at int64) iter.Seq[int64] {
	now := stretchAt(at, c.loc)
	shows := at + now.offset
	if !endsGap(at, c.loc) || c.skipsGap {
		return just(shows)
	}
	return func(yield func(int64) bool) {
		for m, ok := c.pattern.next(at + now.before(at, c.loc) - 1); ok && m <= shows && yield(m); {
			m, ok = c.pattern.next(m)
		}
	}
}

func (s *recurSeries) meant(anchor, at int64) iter.Seq[int64] {
	e := s.from(anchor)
	if e.freq < daily || e.second && at == anchor {
		return just(reading(at, s.loc))
	}
	return e.clocks.meant(anchor, at)
}

func (s *intervalSeries) meant(anchor, at int64) iter.Seq[int64] {
	if s.every.exact() || s.every.ms != 0 {
		return just(reading(at, s.loc))
	}
	c := s.counted(anchor)
	if at == c.from { // the second time that clocks show it, perhaps, or the end of a gap
		return just(s.start.shownAt(at, s.loc))
	}
	return just(c.steps.shows(s.index(anchor, at) - 1 - s.back))
}

func (s *countdownSeries) meant(_, at int64) iter.Seq[int64] {
	switch {
	case at == s.end.at:
		return just(s.end.shows)
	case s.every.exact() || s.every.ms != 0:
		return just(reading(at, s.loc))
	}
	return just(s.every.shownAfter(s.end.shows, -s.index(at)))
}

func (c *clockSeries) zone() *time.Location     { return c.loc }
func (s *recurSeries) zone() *time.Location     { return s.loc }
func (s *intervalSeries) zone() *time.Location  { return s.loc }
func (s *countdownSeries) zone() *time.Location { return s.loc }
