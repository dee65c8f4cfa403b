package when

import (
	"slices"
	"time"
)

// Rewind gives the rule of a task with the first date from as it goes on into the past: asked with the first date t, it has the dates that r
// has with from, and before from those that it would have had. An interval is counted back from its first date as it is counted on:
// n intervals before it, months first, then days, then the rest.
func (r *Rule) Rewind(from, t time.Time) *Rule {
	if !r.Anchored() {
		return r
	}
	back := *r
	back.members = slices.Clone(r.members)
	for i := range back.members {
		if m := &back.members[i]; !m.begun && m.series.anchored() {
			m.rewind(from.UnixMilli(), min(from.UnixMilli(), t.UnixMilli()))
		}
	}
	return &back
}

// rewind begins m so early that nothing from t on is missing, with an anchor of its own.
func (m *member) rewind(anchor, t int64) {
	m.start, m.begun = anchor, true
	switch s := m.series.(type) {
	case *intervalSeries:
		if s.every.exact() {
			m.start = anchor - (anchor-t)/s.every.ms*s.every.ms
			return
		}
		earlier := *s
		earlier.start = &origin{anchor, s.start.shownAt(anchor, s.loc)}
		earlier.back = earlier.backTo(t)
		m.start, _ = earlier.at(anchor, 0)
		m.series = &earlier
	case *recurSeries:
		if start, ok := s.rewound(anchor, t); ok {
			m.start = start
		}
	case *zonedSeries:
		inner := member{series: s.series}
		inner.rewind(anchor, t)
		m.series, m.start = &zonedSeries{series: inner.series, text: s.text}, inner.start
	}
}

// backTo gives how many intervals before the start lie up to an instant, none of them before the year 1.
func (s *intervalSeries) backTo(t int64) int64 {
	before := func(times int64) (int64, bool) {
		earlier := *s
		earlier.back = times
		return earlier.at(s.start.at, 0)
	}
	back := searchFrom(int64(float64(s.start.at-t)/s.every.mean()), func(times int64) bool {
		at, ok := before(times)
		return times >= 0 && (!ok || at <= t)
	})
	if _, ok := before(back); !ok {
		back--
	}
	return back
}

// rewound takes so many periods back from an anchor that it is not after t: the dates from the anchor on are the same. ok is false where no
// earlier period has the anchor's day.
func (s *recurSeries) rewound(anchor, t int64) (int64, bool) {
	step := s.rule.step()
	if t >= anchor {
		return anchor, true
	}
	if step.ms != 0 {
		return anchor - ((anchor-t)/step.ms+1)*step.ms, true
	}
	shows, goal := reading(anchor, s.loc), reading(t, s.loc)
	steps := int64(float64(shows-goal)/step.mean()) + 1
	for range 48 * 12 { // a day of the month that is not in each, or in leap years only
		back := step.shownAfter(shows, -steps)
		if back <= goal && step.shownAfter(back, steps) == shows {
			return instantsOf(back, s.loc).first, back >= firstReading
		}
		steps++
	}
	return 0, false
}

// step is the interval between the periods of a recurrence.
func (r *recurrence) step() interval {
	n := max(r.interval, 1)
	switch r.freq {
	case secondly:
		return interval{ms: n * second}
	case minutely:
		return interval{ms: n * minute}
	case hourly:
		return interval{ms: n * hour}
	case daily:
		return interval{days: n}
	case weekly:
		return interval{days: 7 * n}
	case monthly:
		return interval{months: n}
	case yearly:
	}
	return interval{months: 12 * n}
}
