package when

import "math/bits"

// cronLine is a parsed cron line: a pattern. It is immutable.
type cronLine struct {
	second, minute, hour, day, month, weekday cronSet

	days  cronDays
	week  cronWeek
	years *cronYears // nil is every year

	// months has the days that the day and weekday fields choose: by the length of the month, from 28, and the weekday of its
	// first. Bit 1 is the first day.
	months [4][7]uint32
	// opens and closes are the first and last time of a day.
	opens, closes int64
}

// cronDays is what only the day field has. Bit n means n.
type cronDays struct {
	last     uint32 // days before the last of the month: L is 0
	near     uint32 // the weekday nearest to a day: 15W
	nearLast uint32 // the weekday nearest to a day before the last: LW is 0
}

// cronWeek is what only the weekday field has. Bit n means weekday n, Sunday is 0.
type cronWeek struct {
	last uint8    // the last of the month: 5L
	nth  [5]uint8 // the first to fifth of the month: MON#2
}

const everyWeekday = 1<<7 - 1

// take stores a field that was read.
func (l *cronLine) take(p *cronParser) {
	switch p.field {
	case cronSecond:
		l.second = p.set
	case cronMinute:
		l.minute = p.set
	case cronHour:
		l.hour = p.set
	case cronDay:
		l.day, l.days = p.set, p.days
	case cronMonth:
		l.month = p.set
	case cronWeekday:
		l.weekday, l.week = p.set, p.week
	case cronYear:
		if !p.years.full() {
			l.years = p.years
		}
	}
}

// prepare fills what is computed once.
func (l *cronLine) prepare() {
	for i := range l.months {
		for first := range l.months[i] {
			l.months[i][first] = l.daysOf(28+i, first)
		}
	}
	l.opens = timeOfDay(l.hour.first(), l.minute.first(), l.second.first())
	l.closes = timeOfDay(l.hour.last(), l.minute.last(), l.second.last())
}

// daysOf gives the days of a month by its length and the weekday of its first. Where both the day and the weekday field restrict, either
// is enough; where one of them begins with a star, both must agree.
func (l *cronLine) daysOf(length, first int) uint32 {
	all := uint32(1)<<(length+1) - 2
	byDay, byWeekday := l.dayMask(length, first), l.weekMask(length, first)
	if l.either() {
		return (byDay | byWeekday) & all
	}
	return byDay & byWeekday & all
}

func (l *cronLine) either() bool { return !l.day.star && !l.weekday.star }

func (l *cronLine) dayMask(length, first int) uint32 {
	mask := uint32(l.day.bits) //nolint:gosec // bits 1 to 31
	if l.days == (cronDays{}) {
		return mask
	}
	for set := l.days.last; set != 0; set &= set - 1 {
		if d := length - bits.TrailingZeros32(set); d >= 1 {
			mask |= 1 << d
		}
	}
	for set := l.days.near; set != 0; set &= set - 1 {
		mask |= nearestWorkday(bits.TrailingZeros32(set), length, first)
	}
	for set := l.days.nearLast; set != 0; set &= set - 1 {
		mask |= nearestWorkday(length-bits.TrailingZeros32(set), length, first)
	}
	return mask
}

// nearestWorkday gives the bit of the day from Monday to Friday in the month that is nearest to a day; none where the month has no such
// day.
func nearestWorkday(d, length, first int) uint32 {
	if d < 1 || d > length {
		return 0
	}
	switch (first + d - 1) % 7 {
	case 6: // Saturday
		if d--; d < 1 {
			d = 3
		}
	case 0: // Sunday
		if d++; d > length {
			d = length - 2
		}
	}
	return 1 << d
}

func (l *cronLine) weekMask(length, first int) uint32 {
	mask := inMonth(uint8(l.weekday.bits), first) //nolint:gosec // bits 0 to 6
	for n, set := range l.week.nth {
		if set != 0 {
			mask |= inMonth(set, first) & (everyWeekday << (n*7 + 1))
		}
	}
	if l.week.last != 0 {
		mask |= inMonth(l.week.last, first) & (everyWeekday << (length - 6))
	}
	return mask
}

// inMonth spreads weekdays over a month that begins with the weekday first.
func inMonth(week uint8, first int) uint32 {
	turned := (uint64(week)>>first | uint64(week)<<(7-first)) & everyWeekday
	return uint32(turned * (1<<1 | 1<<8 | 1<<15 | 1<<22 | 1<<29)) //nolint:gosec // what lies above the 31st is cut
}

// chosen gives the days that are chosen in a month, and the day number of the day before its first.
func (l *cronLine) chosen(year, month int) (days uint32, zeroth int64) {
	zeroth = dayNumber(year, month, 1) - 1
	return l.months[lengthOf(year, month)-28][weekdayAt(zeroth+1)], zeroth
}

func (s cronSet) first() int     { return bits.TrailingZeros64(s.bits) }
func (s cronSet) last() int      { return bits.Len64(s.bits) - 1 }
func (s cronSet) has(v int) bool { return s.bits>>v&1 != 0 }
