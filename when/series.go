package when

import "time"

// series is a recurrence without limits: instants in milliseconds since 1970, strictly growing, none before the anchor, which is
// the first date of a task (intervals count from it, patterns of wall time only begin there). A series is immutable.
type series interface {
	// after gives the first occurrence after t; false where none comes up to the year 9999. Its cost does not grow with the
	// distance between anchor, t and the occurrence, but for patterns as rare as their calendar makes them.
	after(anchor, t int64) (int64, bool)
	// latest gives the last occurrence at or before t; false where there is none.
	latest(anchor, t int64) (int64, bool)
	// String is the canonical text of the series: the same for all ways to write the same one, and a repeat that reads as it.
	String() string
	// anchored says whether the occurrences depend on the anchor, beyond beginning with it.
	anchored() bool
}

// pattern is a set of clock readings, as in "at 9:00 on weekdays": in milliseconds, see civil.go.
type pattern interface {
	// next gives the first reading of the set after a reading; false where none comes up to the year 9999.
	next(reading int64) (int64, bool)
	// previous gives the last reading of the set at or before a reading; false where there is none from the year 1.
	previous(reading int64) (int64, bool)
}

// clockSeries is a pattern on the clocks of a zone.
//
// Where the zone jumps over a reading of the set, the series has the end of the gap instead, once for all readings in it; where a
// reading comes twice, the first. That is what people expect of fixed times. What is meant as an interval goes on with the clock:
// see skipsGap and twice.
type clockSeries struct {
	pattern pattern
	loc     *time.Location
	// skipsGap: readings that are jumped over are left out.
	skipsGap bool
	// twice: readings that come twice count both times.
	twice bool
}

func (c *clockSeries) after(anchor, t int64) (int64, bool) {
	t = max(t, anchor-1)
	if t >= lastReading {
		return 0, false
	}
	shows := reading(t, c.loc)
	here := instantsOf(shows, c.loc)
	second := here.second == t && here.first != t // the clock was set back over t
	if c.twice && here.second != here.first && !second {
		if m, ok := c.pattern.next(shows); ok {
			if at := instantsOf(m, c.loc); at.first != at.second {
				return at.first, true
			}
		}
		// The first pass has no more: on from where the readings begin to repeat.
		change := c.changeAfter(t)
		return c.search(reading(change, c.loc)-1, change-1)
	}
	if second && !c.twice {
		shows = max(shows, c.endOfOverlap(shows)-1)
	}
	return c.search(shows, t)
}

// search gives the first occurrence after t among the readings after shows.
func (c *clockSeries) search(shows, t int64) (int64, bool) {
	for {
		m, ok := c.pattern.next(shows)
		if !ok {
			return 0, false
		}
		at := instantsOf(m, c.loc)
		switch {
		case at.gap && c.skipsGap:
			shows = max(m, reading(at.first, c.loc)-1)
			continue
		case c.twice && at.first <= t:
			at.first = at.second
		}
		if at.first > t {
			return at.first, at.first <= lastReading
		}
		shows = m
	}
}

func (c *clockSeries) latest(anchor, t int64) (int64, bool) {
	if t < anchor {
		return 0, false
	}
	shows := reading(min(t, lastReading), c.loc)
	here := instantsOf(shows, c.loc)
	second := here.second == t && here.first != t
	if second && !c.twice {
		shows = max(shows, c.endOfOverlap(shows)-1)
	}
	at, ok := c.previous(shows, t)
	if second && c.twice && (!ok || at < c.changeBefore(t)) {
		// nothing in the second pass so far: the end of the first one
		at, ok = c.previous(c.endOfOverlap(shows)-1, c.changeBefore(t)-1)
	}
	return at, ok && at >= anchor
}

// previous gives the last occurrence at or before t among the readings up to shows.
func (c *clockSeries) previous(shows, t int64) (int64, bool) {
	for {
		m, ok := c.pattern.previous(shows)
		if !ok {
			return 0, false
		}
		at := instantsOf(m, c.loc)
		switch {
		case at.gap && c.skipsGap:
			_, offset := time.UnixMilli(at.first - 1).In(c.loc).Zone()
			shows = min(m, at.first+int64(offset)*1000) - 1
			continue
		case c.twice && at.second <= t:
			return at.second, true
		case at.first <= t:
			return at.first, true
		}
		shows = m - 1
	}
}

// changeAfter and changeBefore give the change of the zone after an instant, and the one at or before it.
func (c *clockSeries) changeAfter(t int64) int64 {
	_, end := time.UnixMilli(t).In(c.loc).ZoneBounds()
	return end.UnixMilli()
}

func (c *clockSeries) changeBefore(t int64) int64 {
	start, _ := time.UnixMilli(t).In(c.loc).ZoneBounds()
	return start.UnixMilli()
}

// endOfOverlap gives the first reading after one that comes twice that comes once only.
func (c *clockSeries) endOfOverlap(shows int64) int64 {
	at := instantsOf(shows, c.loc)
	change := c.changeBefore(at.second)
	_, before := time.UnixMilli(change - 1).In(c.loc).Zone()
	return change + int64(before)*1000
}

// countAfter gives how many occurrences of s lie after a and up to b, counting no further than most.
func countAfter(s series, anchor, a, b, most int64) int64 {
	n := int64(0)
	for n < most {
		next, ok := s.after(anchor, a)
		if !ok || next > b {
			break
		}
		a = next
		n++
	}
	return n
}
