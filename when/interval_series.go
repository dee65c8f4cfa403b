package when

import (
	"strconv"
	"strings"
	"time"
)

// intervalSeries is an interval counted from the anchor, which is the occurrence of index 0. Each is computed from the anchor, so
// that nothing drifts: the 31st becomes the 30th in a month without one and is the 31st again after it.
type intervalSeries struct {
	every interval // not zero
	loc   *time.Location
	start *origin // what the text itself gives as the first date; nil for none
	// back is how many intervals before start the series begins: the anchor is then counted back from start, and not start from the
	// anchor. It is 0 where the interval is exact, since then that is the same.
	back int64
}

func (s *intervalSeries) after(anchor, t int64) (int64, bool) {
	switch {
	case t < anchor || s.every.exact():
		return s.at(anchor, s.index(anchor, t))
	case s.every.ms != 0 || s.back != 0:
		_, at, ok := s.search(anchor, t)
		return at, ok
	}
	// Far from a change of the zone the next reading of a clock comes with the same offset.
	now := stretchAt(t, s.loc)
	first, shows := s.start.shownAt(anchor, s.loc), t+now.offset
	if shows >= first && t-now.start > nearChange {
		_, next := s.every.nextAfter(first, shows)
		at := next - now.offset
		if at >= now.end {
			at = instantsOf(next, s.loc).first
		}
		return at, at <= lastReading
	}
	return s.at(anchor, s.index(anchor, t))
}

func (s *intervalSeries) latest(anchor, t int64) (int64, bool) {
	return s.at(anchor, s.index(anchor, t)-1)
}

func (s *intervalSeries) anchored() bool { return true }

// String writes the interval alone; with its start where that was written within a gap, since the rule's beginning does not tell.
func (s *intervalSeries) String() string {
	if s.start != nil && s.start.shows != reading(s.start.at, s.loc) {
		return "R/" + s.start.text(s.loc) + "/" + s.every.String()
	}
	return s.every.String()
}

// at gives the occurrence of an index; false for one below 0 and beyond the years 1 to 9999. Instants grow with the index, but where
// the zone skips a whole day two of them are the same.
func (s *intervalSeries) at(anchor, index int64) (int64, bool) {
	if s.every.exact() {
		if index < 0 || float64(index)*float64(s.every.ms) > float64(longest) {
			return 0, false
		}
		at := anchor + s.every.ms*index
		return at, at <= lastReading
	}
	c := s.counted(anchor)
	return c.at(index)
}

// counted is an interval that is not exact as it counts from an anchor: what does not depend on how often is worked out once, which
// halves a search.
type counted struct {
	*intervalSeries

	from  int64 // the instant of index back
	steps steps
}

func (s *intervalSeries) counted(anchor int64) counted {
	c := counted{intervalSeries: s, from: anchor}
	if s.back != 0 {
		c.from = s.start.at
	}
	c.steps = s.every.stepsFrom(s.start.shownAt(c.from, s.loc))
	return c
}

func (c *counted) at(index int64) (int64, bool) {
	if mean := c.every.mean(); index < 0 || float64(index)*mean > float64(longest) || float64(c.back)*mean > float64(longest) {
		return 0, false
	}
	at, times := c.from, index-c.back
	if times != 0 {
		at = instantsOf(c.steps.shows(times), c.loc).first
	}
	at += c.every.ms * times
	return at, at >= firstReading && at <= lastReading
}

// index gives the smallest index whose occurrence lies after t or beyond the calendar's end.
func (s *intervalSeries) index(anchor, t int64) int64 {
	switch {
	case t < anchor:
		return 0
	case s.every.exact():
		return (t-anchor)/s.every.ms + 1
	case s.every.ms != 0 || s.back != 0:
		index, _, _ := s.search(anchor, t)
		return index
	}
	// What clocks show grows with the index too and costs no look at the zone. Readings up to the one at t come at t or
	// before; those after it come later, unless clocks were set back over them just before t.
	first, shows := s.start.shownAt(anchor, s.loc), reading(t, s.loc)
	index, _ := s.every.nextAfter(first, shows)
	for {
		if at, ok := s.at(anchor, index); !ok || at > t {
			return index
		}
		index++
	}
}

// search is index, with the occurrence that it belongs to, for intervals of which a part is exact: a guess from the mean length, then a
// few steps around it.
func (s *intervalSeries) search(anchor, t int64) (index, at int64, ok bool) {
	c := s.counted(anchor)
	index = searchFrom(int64(float64(t-anchor)/s.every.mean()), func(index int64) bool {
		if index < 0 {
			return false
		}
		found, inYears := c.at(index)
		if later := !inYears || found > t; !later {
			return false
		}
		at, ok = found, inYears // the last that is later is the one
		return true
	})
	return index, at, ok
}

// searchFrom gives the smallest number from 0 for which later holds, where it holds for all after one for which it does, and for none
// below 0. It is the last number for which later held when it was asked; near the guess that takes two questions.
func searchFrom(guess int64, later func(int64) bool) int64 {
	low, high := guess, guess // low is not later, high is
	if later(guess) {
		low--
		for step := int64(1); later(low); step *= 2 {
			low, high = low-step, low
		}
	} else {
		high++
		for step := int64(1); !later(high); step *= 2 {
			low, high = high, high+step
		}
	}
	for high-low > 1 {
		if middle := low + (high-low)/2; later(middle) {
			high = middle
		} else {
			low = middle
		}
	}
	return high
}

// steps is a reading from which the months and days of an interval are counted.
type steps struct {
	every        interval
	number, rest int64
	civil        civil // of number; only where there are months
}

func (v interval) stepsFrom(shows int64) steps {
	s := steps{every: v}
	s.number, s.rest = dayOf(shows)
	if v.months != 0 {
		s.civil = civilOf(s.number)
	}
	return s
}

// shows gives the reading that lies so many steps on, or back. A day of the month that does not exist becomes the month's last.
func (s *steps) shows(times int64) int64 {
	number := s.number
	if s.every.months != 0 {
		months := int64(s.civil.year)*12 + int64(s.civil.month-1) + s.every.months*times // below zero when counting back from the first years
		year, month := int(floorDiv(months, 12)), int(floorMod(months, 12))+1
		number = dayNumber(year, month, min(s.civil.day, lengthOf(year, month)))
	}
	return (number+s.every.days*times)*day + s.rest
}

// shownAfter gives the reading that lies times the months and days of v after another one.
func (v interval) shownAfter(shows, times int64) int64 {
	s := v.stepsFrom(shows)
	return s.shows(times)
}

// nextAfter gives the smallest number of times after which the months and days of v lead from first to beyond a reading that is not
// before it, and where they lead.
func (v interval) nextAfter(first, shows int64) (times, next int64) {
	switch {
	case v.months == 0:
		times = (shows-first)/(v.days*day) + 1
		return times, first + times*v.days*day
	case v.days == 0:
		return v.nextMonth(first, shows)
	}
	s := v.stepsFrom(first)
	times = searchFrom(int64(float64(shows-first)/v.mean()), func(times int64) bool {
		at := s.shows(times)
		if times < 0 || at <= shows {
			return false
		}
		next = at // of the last number that is later, which is the one
		return true
	})
	return times, next
}

// nextMonth is nextAfter for months alone: as many times as there are months between the two, or once more.
func (v interval) nextMonth(first, shows int64) (times, next int64) {
	from, rest := dayOf(first)
	to, _ := dayOf(shows)
	a, b := civilOf(from), civilOf(to)
	began := int64(a.year)*12 + int64(a.month-1)
	for times = (int64(b.year)*12 + int64(b.month-1) - began) / v.months; ; times++ {
		months := began + v.months*times
		year, month := int(months/12), int(months%12)+1
		if next = dayNumber(year, month, min(a.day, lengthOf(year, month)))*day + rest; next > shows {
			return times, next
		}
	}
}

// words says "every 5 minutes", "every month", "every 2 weeks and 3 days".
func (s *intervalSeries) words() string { return "every " + s.every.words() }

// words names the amounts of v; a single one of 1 by its unit alone.
func (v interval) words() string {
	text := v.amounts()
	if unit, one := strings.CutPrefix(text, "1 "); one && !strings.Contains(unit, " ") {
		return unit
	}
	return text
}

// amounts names the amounts of v: "5 minutes", "1 day and 12 hours".
func (v interval) amounts() string {
	var parts []string
	add := func(n int64, unit string) {
		switch {
		case n == 1:
			parts = append(parts, "1 "+unit)
		case n != 0:
			parts = append(parts, strconv.FormatInt(n, 10)+" "+unit+"s")
		}
	}
	add(v.months/12, "year")
	add(v.months%12, "month")
	weeks, days := v.weeks()
	add(weeks, "week")
	add(days, "day")
	add(v.ms/hour, "hour")
	add(v.ms%hour/minute, "minute")
	add(v.ms%minute/second, "second")
	add(v.ms%second, "millisecond")
	return joined(parts, "and")
}

// weeks splits days into weeks and days as people say it: 10, 30 and 100 days stay days.
func (v interval) weeks() (weeks, days int64) {
	if v.days%7 != 0 && (v.days < 14 || v.days > 56 || v.days%5 == 0) {
		return 0, v.days
	}
	return v.days / 7, v.days % 7
}

// joined lists parts: "a", "a and b", "a, b and c".
func joined(parts []string, last string) string {
	if len(parts) < 2 {
		return strings.Join(parts, "")
	}
	end := len(parts) - 1
	return strings.Join(parts[:end], ", ") + " " + last + " " + parts[end]
}
