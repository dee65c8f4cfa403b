package when

import "math/bits"

// daysIn gives the days of a month that belong to the rule, the first day as bit 0. The month is one of the rule's.
func (e *expansion) daysIn(year int, first int64, length int) uint32 {
	days := uint32(1)<<length - 1
	if e.monthDays|e.lastDays != 0 {
		days &= e.monthDays>>1 | bits.Reverse32(e.lastDays>>1)>>(32-length)
	}
	if e.hasWeekdays() {
		days &= e.weekdaysIn(year, first, length)
	}
	if len(e.yearDays) > 0 {
		days &= e.yearDaysIn(year, first, length)
	}
	if len(e.weeks) > 0 {
		days &= e.weeksIn(year, first, length)
	}
	if e.interval > 1 && days != 0 {
		days &= e.alignedIn(first, length)
	}
	return days
}

// weekdaysIn gives the days of a month that BYDAY means.
func (e *expansion) weekdaysIn(year int, first int64, length int) uint32 {
	days := uint32(0)
	if e.weekdays != 0 {
		starts := weekdayAt(first)
		week := uint32(e.weekdays)>>starts | uint32(e.weekdays)<<(7-starts)
		days = week & 0x7f * (1 | 1<<7 | 1<<14 | 1<<21 | 1<<28)
	}
	from, to := first, first+int64(length)-1
	if len(e.nth) > 0 && e.freq == yearly && e.months == everyMonth {
		from, to = dayNumber(year, 1, 1), dayNumber(year, 12, 31)
	}
	for _, d := range e.nth {
		if at, ok := d.within(from, to); ok && at >= first && at < first+int64(length) {
			days |= 1 << (at - first)
		}
	}
	return days
}

// within gives the n-th of a weekday in a range of days.
func (d nthWeekday) within(from, to int64) (int64, bool) {
	var at int64
	if d.n > 0 {
		at = from + int64((d.weekday-weekdayAt(from)+7)%7) + int64(d.n-1)*7
	} else {
		at = to - int64((weekdayAt(to)-d.weekday+7)%7) + int64(d.n+1)*7
	}
	return at, at >= from && at <= to
}

// yearDaysIn gives the days of a month that BYYEARDAY means.
func (e *expansion) yearDaysIn(year int, first int64, length int) uint32 {
	days := uint32(0)
	before := first - dayNumber(year, 1, 1) // days of the year before the month
	ofYear := int64(365)
	if isLeap(year) {
		ofYear++
	}
	for _, n := range e.yearDays {
		at := int64(n) - 1
		if n < 0 {
			at = ofYear + int64(n)
		}
		if at -= before; at >= 0 && at < int64(length) {
			days |= 1 << at
		}
	}
	return days
}

// weeksIn gives the days of a month that lie in the weeks that BYWEEKNO means. A week belongs to the year that has most of its
// days, so that the first days of January can lie in the last week of the year before, and the last of December in the first of the next.
func (e *expansion) weeksIn(year int, first int64, length int) uint32 {
	days := uint32(0)
	start := e.weekOf(first)
	begin, next := e.firstWeek(year), e.firstWeek(year+1)
	if start < begin {
		begin, next = e.firstWeek(year-1), begin
	}
	for ; start < first+int64(length); start += 7 {
		if start == next {
			begin, next = next, e.firstWeek(year+1)
			if begin == next {
				next = e.firstWeek(year + 2)
			}
		}
		if !e.hasWeek(int(start-begin)/7+1, int(start-next)/7) {
			continue
		}
		if shift := start - first; shift < 0 {
			days |= 0x7f >> -shift
		} else {
			days |= 0x7f << shift
		}
	}
	return days
}

// weekOf gives the first day of the week of a day, and firstWeek that of the first week of a year.
func (e *expansion) weekOf(number int64) int64 {
	return number - int64((weekdayAt(number)-e.weekStart+7)%7)
}

func (e *expansion) firstWeek(year int) int64 { return e.weekOf(dayNumber(year, 1, 4)) }

// hasWeek says whether BYWEEKNO means the week with this number from the beginning of the year, and from its end.
func (e *expansion) hasWeek(n, fromEnd int) bool {
	for _, week := range e.weeks {
		if week == n || week == fromEnd {
			return true
		}
	}
	return false
}

// alignedIn gives the days of a month that lie in every so many weeks or days from the anchor.
func (e *expansion) alignedIn(first int64, length int) uint32 {
	days := uint32(0)
	switch e.freq {
	case daily:
		for at := floorMod(e.period0-first, e.interval); at < int64(length); at += e.interval {
			days |= 1 << at
		}
	case weekly:
		for period := e.period(first); ; period++ {
			shift := e.startOf(period) - first
			switch {
			case shift >= int64(length):
				return days
			case floorMod(period-e.period0, e.interval) != 0:
			case shift < 0:
				days |= 0x7f >> -shift
			default:
				days |= 0x7f << shift
			}
		}
	default:
		return ^uint32(0)
	}
	return days
}

// daySet is the days of one period of the rule.
type daySet struct {
	months [12]struct {
		first int64
		days  uint32
	}
	used  int
	total int
}

// daysOf gives the days of the rule in a period, of which one day is one.
func (e *expansion) daysOf(period int64) (set daySet) {
	from, to := e.startOf(period), e.startOf(period+1)
	for at := from; at < to; {
		c := civilOf(at)
		first, length := at-int64(c.day-1), lengthOf(c.year, c.month)
		next := first + int64(length)
		if e.months>>c.month&1 != 0 {
			days := e.daysIn(c.year, first, length)
			days = days >> (at - first) << (at - first)
			if to < next {
				days &= 1<<(to-first) - 1
			}
			set.months[set.used].first, set.months[set.used].days = first, days
			set.used++
			set.total += bits.OnesCount32(days)
		}
		at = next
	}
	return set
}

// at gives the day of an index, which is not below zero and below the total.
func (s *daySet) at(index int) int64 {
	for i := range s.used {
		days := s.months[i].days
		if n := bits.OnesCount32(days); index >= n {
			index -= n
			continue
		}
		return s.months[i].first + int64(nthBit(uint64(days), index))
	}
	return 0
}

// nthBit gives the number of the n-th bit of a set, the lowest is the 0th.
func nthBit(set uint64, n int) int {
	for ; n > 0; n-- {
		set &= set - 1
	}
	return bits.TrailingZeros64(set)
}

// positionsIn gives the first reading from one on, and the last up to it, that BYSETPOS means within a period.
func (e *expansion) positionsIn(period, reading int64) (next, previous int64, hasNext, hasPrevious bool) {
	set := e.daysOf(period)
	total := set.total * e.times.total
	for _, position := range e.positions {
		index := position - 1
		if position < 0 {
			index = total + position
		}
		if index < 0 || index >= total {
			continue
		}
		at := set.at(index/e.times.total)*day + e.times.at(index%e.times.total)
		if at >= reading && (!hasNext || at < next) {
			next, hasNext = at, true
		}
		if at <= reading && (!hasPrevious || at > previous) {
			previous, hasPrevious = at, true
		}
	}
	return next, previous, hasNext, hasPrevious
}

func (e *expansion) nextPosition(reading int64) (int64, bool) {
	number, _ := dayOf(reading)
	number = e.startOf(e.period(number))
	for {
		found, ok := e.nextDay(number)
		if !ok {
			return 0, false
		}
		period := e.period(found)
		if at, _, ok, _ := e.positionsIn(period, reading); ok {
			return at, true
		}
		number = e.startOf(period + 1)
	}
}

func (e *expansion) previousPosition(reading int64) (int64, bool) {
	number, _ := dayOf(reading)
	number = e.startOf(e.period(number)+1) - 1
	for {
		found, ok := e.previousDay(number)
		if !ok {
			return 0, false
		}
		period := e.period(found)
		if _, at, _, ok := e.positionsIn(period, reading); ok {
			return at, true
		}
		number = e.startOf(period) - 1
	}
}
