package when

import (
	"iter"
	"time"
)

// series is a recurrence without limits: instants in milliseconds since 1970, strictly growing, none before the anchor, which is
// the first date of a task (intervals count from it, patterns of wall time only begin there). A series is immutable.
type series interface {
	// after gives the first occurrence after t; false where none comes up to the year 9999. Its cost does not grow with the
	// distance between anchor, t and the occurrence, but for patterns as rare as their calendar makes them.
	after(anchor, t int64) (int64, bool)
	// latest gives the last occurrence at or before t; false where there is none.
	latest(anchor, t int64) (int64, bool)
	// words says in English what the series is, in lower case and without the zone: "at 09:00 on weekdays".
	words() string
	// String is the canonical text of the series: the same for all ways to write the same one, and a repeat that reads as it.
	String() string
	// anchored says whether the occurrences depend on the anchor, beyond beginning with it.
	anchored() bool
	// zone is the zone whose clocks the series goes by, which need not be the one it was read in.
	zone() *time.Location
	// meant gives the clock readings that an occurrence stands for: one, or at the end of a gap those within it, in order.
	meant(anchor, at int64) iter.Seq[int64]
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
// Where the zone jumps over readings of the set, the series has the end of the gap instead, once for all readings in it; where a
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

// farAhead is how far from a reading the search for it begins, where there is none in between: it may come twice, a day apart.
const farAhead = 2 * nearChange

// after goes from stretch to stretch, and over those between which the pattern has nothing.
func (c *clockSeries) after(anchor, t int64) (int64, bool) {
	for t = max(t, anchor-1); t < lastReading; {
		now := stretchAt(t+1, c.loc)
		shows := t + now.offset
		switch before := now.before(t+1, c.loc); {
		case before > now.offset && !c.twice: // what was shown before the change does not count again
			shows = max(shows, now.start+before-1)
		case before < now.offset && !c.skipsGap && t+1 == now.start:
			if m, ok := c.pattern.next(now.start + before - 1); ok && m < now.start+now.offset {
				return now.start, true
			}
		}
		m, ok := c.pattern.next(shows)
		if ok && m-now.offset < now.end {
			return m - now.offset, m-now.offset <= lastReading
		}
		switch {
		case now.end-t <= nearChange: // readings may come again
			t = now.end - 1
		case !ok:
			return 0, false
		default:
			t = max(now.end-1, m-farAhead)
		}
	}
	return 0, false
}

// latest is the mirror image of after.
func (c *clockSeries) latest(anchor, t int64) (int64, bool) {
	for t = min(t, lastReading); t >= anchor; {
		now := stretchAt(t, c.loc)
		m, ok := c.pattern.previous(t + now.offset)
		at := m - now.offset
		switch {
		case !ok:
		case at >= now.start:
			if c.twice || m >= now.start+now.before(at, c.loc) {
				return at, at >= anchor
			} // else it was shown before the change
		case !c.skipsGap && now.start-at <= nearChange && m >= now.start+now.before(now.start, c.loc):
			return now.start, now.start >= anchor
		}
		switch {
		case t-now.start <= nearChange: // readings may have come before
			t = now.start - 1
		case !ok || now.start == never:
			return 0, false
		default:
			t = min(now.start-1, m+farAhead)
		}
	}
	return 0, false
}
