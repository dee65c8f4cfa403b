package when

import "time"

// Rewind gives a first date at or before t from which the rule has the dates that it has with from, and others before them; or from itself
// where none is known: then there is nothing before it. So can be said what a rule's dates would have been before its first one.
func (r *Rule) Rewind(from, t time.Time) time.Time {
	if !t.Before(from) {
		return from
	}
	if !r.Anchored() {
		return cut(t)
	}
	if len(r.members) != 1 {
		return from
	}
	back, ok := r.members[0].rewound(from.UnixMilli(), t.UnixMilli(), r.loc)
	if !ok {
		return from
	}
	return time.UnixMilli(back).UTC()
}

// rewound takes so many steps back from an anchor that it is not after t.
func (m *member) rewound(anchor, t int64, loc *time.Location) (int64, bool) {
	step := interval{}
	switch s := m.series.(type) {
	case *intervalSeries:
		step, loc = s.every, s.loc
	case *recurSeries:
		step, loc = s.rule.step(), s.loc
	}
	kinds := 0
	for _, n := range []int64{step.months, step.days, step.ms} {
		if n != 0 {
			kinds++
		}
	}
	if kinds != 1 || m.begun {
		return 0, false
	}
	if step.ms != 0 {
		return anchor - ((anchor-t)/step.ms+1)*step.ms, true
	}
	shows, goal := reading(anchor, loc), reading(t, loc)
	steps := int64(float64(shows-goal)/step.mean()) + 1
	for range 48 * 12 { // a day of the month that is not in each, or in leap years only
		back := step.shownBefore(shows, steps)
		if back <= goal && step.shownAfter(back, steps) == shows {
			return instantsOf(back, loc).first, back >= firstReading
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

// shownBefore gives the reading that lies times the months or days of v before another one.
func (v interval) shownBefore(shows, times int64) int64 {
	number, rest := dayOf(shows)
	if v.months != 0 {
		c := civilOf(number)
		months := max(int64(c.year)*12+int64(c.month-1)-v.months*times, 12)
		year, month := int(months/12), int(months%12)+1
		number = dayNumber(year, month, min(c.day, lengthOf(year, month)))
	}
	return (number-v.days*times)*day + rest
}
