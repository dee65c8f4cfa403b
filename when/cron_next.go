package when

import "math/bits"

// comes says whether there is any day at all: all kinds of years come within four hundred.
func (l *cronLine) comes() bool {
	if l.years == nil {
		_, ok := l.nextDay(2000, 1, 1, 2399)
		return ok
	}
	_, ok := l.nextDay(1, 1, 1, lastYear)
	return ok
}

// next implements pattern.
func (l *cronLine) next(reading int64) (int64, bool) {
	if reading >= lastReading {
		return 0, false
	}
	number, rest := dayOf(max(reading, firstReading-1) + second)
	c := civilOf(number)
	if l.onDay(c) {
		if at, ok := l.timeFrom(rest - rest%second); ok {
			return number*day + at, number*day+at <= lastReading
		}
	}
	number, ok := l.nextDay(c.year, c.month, c.day+1, lastYear)
	return number*day + l.opens, ok
}

// previous implements pattern.
func (l *cronLine) previous(reading int64) (int64, bool) {
	if reading < firstReading {
		return 0, false
	}
	number, rest := dayOf(min(reading, lastReading))
	c := civilOf(number)
	if l.onDay(c) {
		if at, ok := l.timeUpTo(rest - rest%second); ok {
			return number*day + at, true
		}
	}
	number, ok := l.previousDay(c.year, c.month, c.day-1)
	return number*day + l.closes, ok
}

func (l *cronLine) onDay(c civil) bool {
	if !l.month.has(c.month) || !l.years.has(c.year) {
		return false
	}
	days, _ := l.chosen(c.year, c.month)
	return days>>c.day&1 != 0
}

// nextDay gives the number of the first day from a date on, up to the end of the year until. The day may lie behind its month's last.
func (l *cronLine) nextDay(year, month, d, until int) (int64, bool) {
	if l.years.next(year) != year {
		year, month, d = l.years.next(year), 1, 1
	}
	for year <= until {
		for set := l.month.bits >> month << month; set != 0; set &= set - 1 {
			m := bits.TrailingZeros64(set)
			days, zeroth := l.chosen(year, m)
			if m == month {
				days = days >> d << d
			}
			if days != 0 {
				return zeroth + int64(bits.TrailingZeros32(days)), true
			}
		}
		year, month, d = l.years.next(year+1), 1, 1
	}
	return 0, false
}

// previousDay gives the number of the last day up to a date. The day may be 0.
func (l *cronLine) previousDay(year, month, d int) (int64, bool) {
	if l.years.previous(year) != year {
		year, month, d = l.years.previous(year), 12, 31
	}
	for year >= 1 {
		for set := l.month.bits & (2<<month - 1); set != 0; {
			m := bits.Len64(set) - 1
			set &^= 1 << m
			days, zeroth := l.chosen(year, m)
			if m == month {
				days &= 2<<d - 1
			}
			if days != 0 {
				return zeroth + int64(bits.Len32(days)) - 1, true
			}
		}
		year, month, d = l.years.previous(year-1), 12, 31
	}
	return 0, false
}

// timeFrom gives the first time of a day from ms on.
func (l *cronLine) timeFrom(ms int64) (int64, bool) {
	if ms <= l.opens {
		return l.opens, true
	}
	if ms > l.closes {
		return 0, false
	}
	h, m, s := clockOf(ms)
	if l.hour.has(h) {
		if l.minute.has(m) {
			if set := l.second.bits >> s << s; set != 0 {
				return timeOfDay(h, m, bits.TrailingZeros64(set)), true
			}
		}
		if set := l.minute.bits >> (m + 1) << (m + 1); set != 0 {
			return timeOfDay(h, bits.TrailingZeros64(set), 0) + l.opens%minute, true
		}
	}
	set := l.hour.bits >> (h + 1) << (h + 1)
	return timeOfDay(bits.TrailingZeros64(set), 0, 0) + l.opens%hour, set != 0
}

// timeUpTo gives the last time of a day up to ms.
func (l *cronLine) timeUpTo(ms int64) (int64, bool) {
	if ms >= l.closes {
		return l.closes, true
	}
	if ms < l.opens {
		return 0, false
	}
	h, m, s := clockOf(ms)
	if l.hour.has(h) {
		if l.minute.has(m) {
			if set := l.second.bits & (2<<s - 1); set != 0 {
				return timeOfDay(h, m, bits.Len64(set)-1), true
			}
		}
		if set := l.minute.bits & (1<<m - 1); set != 0 {
			return timeOfDay(h, bits.Len64(set)-1, 0) + l.closes%minute, true
		}
	}
	set := l.hour.bits & (1<<h - 1)
	return timeOfDay(bits.Len64(set)-1, 0, 0) + l.closes%hour, set != 0
}

// timeOfDay gives the milliseconds from midnight to a time of day, clockOf the inverse.
func timeOfDay(h, m, s int) int64 { return int64(h)*hour + int64(m)*minute + int64(s)*second }

func clockOf(ms int64) (h, m, s int) {
	n := int(ms / second)
	return n / 3600, n / 60 % 60, n % 60
}
