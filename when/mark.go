package when

import "time"

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
		if zoned, ok := m.series.(interface{ zone() *time.Location }); ok {
			loc = zoned.zone()
		}
		if moves, ok := m.series.(interface{ moved(anchor, at int64) bool }); ok && moves.moved(anchor, instant) {
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

// moved says whether an occurrence stands at the end of a gap for readings within it.
func (c *clockSeries) moved(_, at int64) bool {
	now := stretchAt(at, c.loc)
	if at != now.start || now.before(at, c.loc) >= now.offset {
		return false
	}
	shows, ok := c.pattern.next(at + now.offset - 1)
	return !ok || shows != at+now.offset
}

func (s *recurSeries) moved(anchor, at int64) bool {
	e := s.from(anchor)
	return e.freq >= daily && e.clocks.moved(anchor, at)
}

func (s *intervalSeries) moved(anchor, at int64) bool {
	if s.every.exact() || s.every.ms != 0 || at == anchor {
		return false
	}
	return instantsOf(s.every.shownAfter(reading(anchor, s.loc), s.index(anchor, at)-1), s.loc).gap
}

func (s *countdownSeries) moved(_, at int64) bool {
	if s.every.exact() || s.every.ms != 0 || at == s.end.at {
		return false
	}
	return instantsOf(s.every.shownAfter(s.end.shows, -s.index(at)), s.loc).gap
}

func (s *recurSeries) zone() *time.Location     { return s.loc }
func (s *intervalSeries) zone() *time.Location  { return s.loc }
func (s *countdownSeries) zone() *time.Location { return s.loc }
