package when

import "slices"

// adjustment says what becomes of an occurrence on a day without business.
type adjustment uint8

const (
	noAdjustment adjustment = iota
	toNext                  // to the same clock time on the next day with business
	toPrevious              // … on the previous one
	dropped
)

// mostTries bounds how many occurrences in a row are looked at that are all left out, and farthest how many days an occurrence is moved.
const (
	mostTries = 100_000
	farthest  = 366
)

func (r *Rule) anchor(from int64, m *member) int64 {
	switch {
	case m.begun:
		return m.start
	case r.bounded:
		return r.from
	}
	return from
}

func (r *Rule) after(from, t int64) (int64, bool) {
	t = max(t, from-1)
	if r.adjust == toNext || r.adjust == toPrevious {
		return r.movedAfter(from, t)
	}
	for range mostTries {
		at, ok := r.rawAfter(from, t)
		if !ok || at > r.until {
			return 0, false
		}
		end, excluded := r.leftOut(at)
		if !excluded {
			return at, true
		}
		t = end - 1
	}
	return 0, false
}

func (r *Rule) latest(from, t int64) (int64, bool) {
	t = min(t, r.until)
	if r.adjust == toNext || r.adjust == toPrevious {
		return r.movedLatest(from, t)
	}
	for range mostTries {
		at, ok := r.rawLatest(from, t)
		if !ok || at < from {
			return 0, false
		}
		start, excluded := r.leftOutSince(at)
		if !excluded {
			return at, true
		}
		t = start - 1
	}
	return 0, false
}

// rawAfter gives the first occurrence of the members after t, whatever takes from it.
func (r *Rule) rawAfter(from, t int64) (best int64, ok bool) {
	t = max(t, r.from-1)
	for i := range r.members {
		m := &r.members[i]
		if at, found := m.after(r.anchor(from, m), t); found && (!ok || at < best) {
			best, ok = at, true
		}
	}
	return best, ok
}

func (r *Rule) rawLatest(from, t int64) (best int64, ok bool) {
	for i := range r.members {
		m := &r.members[i]
		if at, found := m.latest(r.anchor(from, m), t); found && at >= r.from && (!ok || at > best) {
			best, ok = at, true
		}
	}
	return best, ok
}

func (m *member) after(anchor, t int64) (best int64, ok bool) {
	for at := t; ; {
		next, found := m.series.after(anchor, at)
		if !found || next > m.until {
			break
		}
		if _, out := slices.BinarySearch(m.except, next); !out {
			best, ok = next, true
			break
		}
		at = next
	}
	i, _ := slices.BinarySearch(m.extra, t+1)
	if i < len(m.extra) && (!ok || m.extra[i] < best) {
		return m.extra[i], true
	}
	return best, ok
}

func (m *member) latest(anchor, t int64) (best int64, ok bool) {
	for at := min(t, m.until); ; {
		next, found := m.series.latest(anchor, at)
		if !found {
			break
		}
		if _, out := slices.BinarySearch(m.except, next); !out {
			best, ok = next, true
			break
		}
		at = next - 1
	}
	i, _ := slices.BinarySearch(m.extra, t+1)
	if i > 0 && (!ok || m.extra[i-1] > best) {
		return m.extra[i-1], true
	}
	return best, ok
}

// leftOut says whether an occurrence is left out, and if so up to where the reason holds.
func (r *Rule) leftOut(at int64) (end int64, out bool) {
	if r.adjust == dropped {
		if number, _ := dayOf(reading(at, r.loc)); isWeekend(number) {
			return instantsOf((number+1)*day, r.loc).first, true
		}
	}
	if r.except == nil {
		return 0, false
	}
	_, end, out = r.except.at(at, r.loc)
	return end, out
}

// leftOutSince says whether an occurrence is left out, and if so from where the reason holds.
func (r *Rule) leftOutSince(at int64) (start int64, out bool) {
	if r.adjust == dropped {
		if number, _ := dayOf(reading(at, r.loc)); isWeekend(number) {
			return instantsOf(number*day, r.loc).first, true
		}
	}
	if r.except == nil {
		return 0, false
	}
	start, _, out = r.except.at(at, r.loc)
	return start, out
}

func isWeekend(number int64) bool {
	w := weekdayAt(number)
	return w == 0 || w == 6
}

// closed says whether a reading lies on a weekend or is excluded.
func (r *Rule) closed(shows int64) bool {
	if number, _ := dayOf(shows); isWeekend(number) {
		return true
	}
	if r.except == nil {
		return false
	}
	_, _, out := r.except.at(instantsOf(shows, r.loc).first, r.loc)
	return out
}

// moved gives the occurrence that stands for a raw one; false where no day with business is near.
func (r *Rule) moved(raw int64) (int64, bool) {
	shows := reading(raw, r.loc)
	if !r.closed(shows) {
		return raw, true
	}
	step := day
	if r.adjust == toPrevious {
		step = -step
	}
	for range farthest {
		if shows += step; !r.closed(shows) {
			return instantsOf(shows, r.loc).first, true
		}
	}
	return 0, false
}

// movedAfter gives the first moved occurrence after t. Moving keeps the order of days but not of the times within one, so all that may
// land on the best day are looked at.
func (r *Rule) movedAfter(from, t int64) (best int64, ok bool) {
	raw := t
	if r.adjust == toNext {
		raw = r.startOfClosed(t) - 1
	}
	for range mostTries {
		at, found := r.rawAfter(from, raw)
		if !found {
			return best, ok
		}
		raw = at
		to, found := r.moved(at)
		if !found || to <= t || to > r.until {
			if found && to > r.until && !ok {
				return 0, false
			}
			continue
		}
		if ok && r.dayAt(to) > r.dayAt(best) {
			return best, true
		}
		if !ok || to < best {
			best, ok = to, true
		}
	}
	return best, ok
}

// dense says whether a rule has occurrences less than a minute apart, told by those of one Monday.
func (r *Rule) dense() bool {
	monday := dayNumber(2026, 1, 5) * day
	last, ok := r.rawAfter(monday, monday)
	for range 3 {
		next, more := r.rawAfter(monday, last)
		if !ok || !more {
			return false
		}
		if next-last < minute {
			return true
		}
		last = next
	}
	return false
}

// startOfClosed gives the start of the days without business that end at t's day, or of that day.
func (r *Rule) startOfClosed(t int64) int64 {
	number, rest := dayOf(reading(t, r.loc))
	for range farthest {
		if !r.closed((number-1)*day + rest) {
			break
		}
		number--
	}
	return instantsOf((number-1)*day, r.loc).first
}

func (r *Rule) dayAt(instant int64) int64 {
	number, _ := dayOf(reading(instant, r.loc))
	return number
}

// movedLatest looks back over windows that grow until one holds an occurrence.
func (r *Rule) movedLatest(from, t int64) (int64, bool) {
	for window := 32 * day; ; window *= 4 {
		start := max(t-window, from-1, r.from-1-farthest*day)
		best, ok := int64(0), false
		for at := start; ; {
			next, found := r.movedAfter(from, at)
			if !found || next > t {
				break
			}
			best, ok, at = next, true, next
		}
		if ok || start == from-1 || window > lastReading {
			return best, ok && best >= from
		}
	}
}

func (s *intervalSeries) count(anchor, a, b int64) (int64, bool) {
	return s.index(anchor, b) - s.index(anchor, a), true
}
