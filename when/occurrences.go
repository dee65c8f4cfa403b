package when

import (
	"slices"
	"time"
)

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

// touched says whether a part of a day lies on a weekend or is excluded.
func (r *Rule) touched(number int64) bool {
	if isWeekend(number) {
		return true
	}
	return r.except != nil && r.except.touch(instantsOf(number*day, r.loc).first, instantsOf((number+1)*day, r.loc).first-1, r.loc)
}

// movedTo gives where a reading on a day without business goes: to the same time of the nearest day with business; false where none is near.
func (r *Rule) movedTo(shows int64) (int64, bool) {
	step := day
	if r.adjust == toPrevious {
		step = -step
	}
	for far := int64(1); far <= farthest; far++ {
		shows += step
		if !r.closed(shows) {
			return instantsOf(shows, r.loc).first, true
		}
		passed := r.closedDays(shows)
		shows += passed * step
		far += passed
	}
	return 0, false
}

// closedDays gives how many days behind that of a reading, in the direction in which it is moved, are closed at its time for the same
// reason, as far as that is certain: two less than the reason holds, since the clocks may change by a day.
func (r *Rule) closedDays(shows int64) int64 {
	if r.except == nil {
		return 0
	}
	start, end, out := r.except.at(instantsOf(shows, r.loc).first, r.loc)
	switch {
	case !out:
		return 0
	case r.adjust == toNext:
		return max(0, (reading(min(end, lastReading), r.loc)-shows)/day-2)
	}
	return max(0, (shows-reading(max(start, firstReading), r.loc))/day-2)
}

// movedAfter gives the first moved occurrence after t. Moving keeps neither the order of the times of a day nor, where hours are
// excluded, that of the days; so all that may land before the best are looked at.
func (r *Rule) movedAfter(from, t int64) (best int64, ok bool) {
	raw := t
	if r.adjust == toNext {
		raw = r.startOfClosed(t) - 1
	}
	take := func(at int64, found bool) {
		if found && at > t && at <= r.until && (!ok || at < best) {
			best, ok = at, true
		}
	}
	for range mostTries {
		at, found := r.rawAfter(from, raw)
		if !found || ok && r.past(at, best) || r.past(at, r.until) {
			return best, ok
		}
		raw = at
		shows := reading(at, r.loc)
		switch {
		case !r.closed(shows):
			take(at, true)
		case endsGap(at, r.loc):
			for _, shows := range slices.Collect(r.meant(from, at)) { // not by the iterator itself, for which best would be on the heap
				take(r.movedTo(shows))
			}
		default:
			to, found := r.movedTo(shows)
			if take(to, found); !found {
				raw = max(raw, r.stuckUntil(at))
			}
		}
	}
	return best, ok
}

// endsGap says whether the clocks jump forward to an instant.
func endsGap(at int64, loc *time.Location) bool {
	now := stretchAt(at, loc)
	return at == now.start && now.before(at, loc) < now.offset
}

// stuckUntil gives up to where the occurrences are too far from a day with business as well, for one that is.
func (r *Rule) stuckUntil(at int64) int64 {
	_, end, out := int64(0), int64(0), false
	if r.except != nil {
		_, end, out = r.except.at(at, r.loc)
	}
	switch {
	case !out:
		return at
	case r.adjust == toNext:
		return end - (farthest+2)*day
	}
	return end - 1
}

// past says that no occurrence from one on is moved to before a limit.
func (r *Rule) past(at, limit int64) bool {
	if r.adjust == toNext {
		return at > limit
	}
	number, end := r.dayAt(at), r.dayAt(limit)
	for range farthest { // nothing is moved back over a day that is open throughout
		if number <= end || !r.touched(number) {
			break
		}
		number--
	}
	return number > end
}

// dense says whether a rule has occurrences less than a minute apart, told by those that come after the first of each member.
func (r *Rule) dense() bool {
	monday := dayNumber(2026, 1, 5) * day
	for i := range r.members {
		m := &r.members[i]
		last, ok := m.after(r.anchor(monday, m), monday)
		for range 3 {
			next, more := r.rawAfter(monday, last)
			if !ok || !more {
				break
			}
			if next-last < minute {
				return true
			}
			last = next
		}
	}
	return false
}

// startOfClosed gives the start of the days from which an occurrence can be moved to t's day.
func (r *Rule) startOfClosed(t int64) int64 {
	number := r.dayAt(t)
	for range farthest {
		if number--; !r.touched(number) {
			break
		}
	}
	return instantsOf(number*day, r.loc).first
}

func (r *Rule) dayAt(instant int64) int64 {
	number, _ := dayOf(reading(instant, r.loc))
	return number
}

// movedLatest looks back over windows that grow until one holds an occurrence, and halves that one: a rule of minutes has very many.
func (r *Rule) movedLatest(from, t int64) (best int64, ok bool) {
	for window := hour; ; window *= 16 {
		start := max(t-window, from-1, r.from-1-farthest*day)
		if best, ok = r.movedAfter(from, start); ok && best <= t {
			break
		}
		if start == from-1 || window > lastReading {
			return 0, false
		}
	}
	for last := t; best < last; { // none lies between last and t
		middle := best + (last-best)/2
		if next, found := r.movedAfter(from, middle); found && next <= t {
			best = next
		} else {
			last = middle
		}
	}
	return best, true
}

func (s *intervalSeries) count(anchor, a, b int64) (int64, bool) {
	index := func(t int64) int64 { return s.index(anchor, t) }
	return index(b) - index(a) - s.every.together(a, b, s.loc, index), true
}

// together gives how many dates after a and up to b fall on the same instant as another one: where a zone skips a whole day, those of its
// beginning and of its end. index numbers the dates up to an instant, or those after it.
func (v interval) together(a, b int64, loc *time.Location, index func(t int64) int64) (n int64) {
	if loc == time.UTC || v.days != 1 || v.months != 0 || v.ms != 0 {
		return 0
	}
	b = min(b, tableEnd) // what a zone will do for ever is less than a day
	for now := stretchAt(a, loc); now.end <= b; {
		next := stretchAt(now.end, loc)
		if next.offset-now.offset >= day {
			there := index(now.end) - index(now.end-1)
			n += max(0, max(there, -there)-1)
		}
		now = next
	}
	return n
}
