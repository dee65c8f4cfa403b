package when

import (
	"math/bits"
	"time"
)

// expansion is a recurrence as it applies to one anchor. It is the pattern of clock readings of rules of days and longer; those of
// hours and below use it for what they filter by. It works month by month on sets of days, and jumps over periods and months
// that the rule leaves out.
type expansion struct {
	recurrence // with what comes from the anchor filled in
	anchor     int64
	period0    int64 // the anchor's year, month, week or day, see period
	times      dayTimes
	firstDay   int64 // no day before and after these is looked at
	lastDay    int64
	clocks     clockSeries
	never      bool // the anchor's periods have no day of the rule
	second     bool // the anchor is an occurrence though clocks showed its reading before: they were set back
	exact      exactPeriods
}

// expand fills in what a rule leaves open from an anchor at which clocks show a reading.
func expand(r *recurrence, anchor, shows int64, loc *time.Location) *expansion {
	e := &expansion{recurrence: *r, anchor: anchor}
	number, rest := dayOf(shows)
	e.takeDays(civilOf(number), weekdayAt(number))
	e.period0 = e.period(number)
	e.prune(weekdayAt(number))
	e.firstDay, e.lastDay = number-1, dayNumber(9999, 12, 31)+1
	e.clocks = clockSeries{pattern: e, loc: loc}
	e.takeTimes(rest)
	if e.freq < daily {
		e.exact.count(e, shows, loc)
		return e
	}
	here := instantsOf(shows, loc)
	if here.second == anchor && here.first != anchor {
		at, ok := e.from(shows)
		e.second = ok && at == shows
	}
	return e
}

// takeDays takes the days that the rule leaves open from the anchor's.
func (e *expansion) takeDays(c civil, weekday int) {
	switch {
	case e.freq == yearly && !e.hasDays():
		if e.months == 0 {
			e.months = 1 << c.month
		}
		e.monthDays = 1 << c.day
	case e.freq == yearly && len(e.weeks) > 0 && len(e.yearDays) == 0 && e.monthDays|e.lastDays == 0 && !e.hasWeekdays(),
		e.freq == weekly && !e.hasWeekdays():
		e.weekdays = 1 << weekday
	case e.freq == monthly && !e.hasDays():
		e.monthDays = 1 << c.day
	}
	if e.months == 0 {
		e.months = everyMonth
	}
}

const everyMonth = 1<<13 - 2

// prune takes out the months and weekdays that every so many periods from the anchor never reach.
func (e *expansion) prune(weekday int) {
	if !e.counts() {
		return
	}
	switch e.freq {
	case monthly:
		stride := gcd(e.interval, 12)
		for month := range int64(12) {
			if floorMod(month-e.period0, stride) != 0 {
				e.months &^= 2 << month
			}
		}
		e.never = e.months == 0
	case daily:
		if e.interval%7 == 0 && e.weekdays != 0 {
			e.weekdays &= 1 << weekday
			e.never = e.weekdays == 0
		}
	default:
	}
}

// takeTimes takes the time of day from the anchor where the rule leaves it open. In rules of hours and below what the rule leaves open
// is counted from the anchor, so that any will do here.
func (e *expansion) takeTimes(rest int64) {
	e.times = dayTimes{hours: e.hours, minutes: e.minutes, seconds: e.seconds}
	if e.seconds == 0 {
		e.times.ms = rest % second
	}
	open := func(unit frequency) bool { return e.freq <= unit }
	if e.seconds == 0 {
		e.times.seconds = 1 << (rest % minute / second)
		if open(minutely) || e.freq == hourly && e.minutes == 0 {
			e.times.seconds, e.times.ms = all60, anyMillisecond
		}
	}
	if e.freq == secondly {
		e.times.ms = anyMillisecond
	}
	if e.minutes == 0 {
		e.times.minutes = 1 << (rest % hour / minute)
		if open(hourly) {
			e.times.minutes = all60
		}
	}
	if e.hours == 0 {
		e.times.hours = 1 << (rest / hour)
		if open(hourly) {
			e.times.hours = 1<<24 - 1
		}
	}
	e.times.prepare()
}

// period numbers the periods of the frequency: years, months, weeks; days for all below.
func (e *expansion) period(number int64) int64 {
	switch e.freq {
	case yearly:
		return int64(civilOf(number).year)
	case monthly:
		c := civilOf(number)
		return int64(c.year)*12 + int64(c.month-1)
	case weekly:
		return floorDiv(number+4-int64(e.weekStart), 7)
	default:
		return number
	}
}

// startOf gives the first day of a period.
func (e *expansion) startOf(period int64) int64 {
	switch e.freq {
	case yearly:
		return dayNumber(int(period), 1, 1)
	case monthly:
		return dayNumber(int(period/12), int(period%12)+1, 1)
	case weekly:
		return period*7 - 4 + int64(e.weekStart)
	default:
		return period
	}
}

// counts says whether days belong to the rule only in every so many periods.
func (e *expansion) counts() bool { return e.interval > 1 && e.freq >= daily }

// alignUp gives the first day from a day on that lies in a period of the rule.
func (e *expansion) alignUp(number int64) int64 {
	if !e.counts() {
		return number
	}
	period := e.period(number)
	if off := floorMod(period-e.period0, e.interval); off != 0 {
		return e.startOf(min(period+e.interval-off, e.period(e.lastDay)+1))
	}
	return number
}

// alignDown gives the last day up to a day that lies in a period of the rule.
func (e *expansion) alignDown(number int64) int64 {
	if !e.counts() {
		return number
	}
	period := e.period(number)
	if off := floorMod(period-e.period0, e.interval); off != 0 {
		return e.startOf(max(period-off+1, e.period(e.firstDay)-1)) - 1
	}
	return number
}

// nextDay gives the first day of the rule from a day on.
func (e *expansion) nextDay(number int64) (int64, bool) {
	for number <= e.lastDay && !e.never {
		number = e.alignUp(number)
		c := civilOf(number)
		if e.months>>c.month&1 == 0 {
			number = e.nextMonth(c)
			continue
		}
		first, length := number-int64(c.day-1), lengthOf(c.year, c.month)
		if days := e.daysIn(c.year, first, length) >> (c.day - 1); days != 0 {
			number += int64(bits.TrailingZeros32(days))
			return number, number <= e.lastDay
		}
		number = first + int64(length)
	}
	return 0, false
}

// nextMonth gives the first day of the first month of the rule after one.
func (e *expansion) nextMonth(c civil) int64 {
	if later := e.months >> (c.month + 1) << (c.month + 1); later != 0 {
		return dayNumber(c.year, bits.TrailingZeros16(later), 1)
	}
	return dayNumber(c.year+1, bits.TrailingZeros16(e.months), 1)
}

// previousDay gives the last day of the rule up to a day.
func (e *expansion) previousDay(number int64) (int64, bool) {
	for number >= e.firstDay && !e.never {
		number = e.alignDown(number)
		c := civilOf(number)
		if e.months>>c.month&1 == 0 {
			number = e.previousMonth(c)
			continue
		}
		first := number - int64(c.day-1)
		days := e.daysIn(c.year, first, lengthOf(c.year, c.month)) << (32 - c.day)
		if days != 0 {
			number -= int64(bits.LeadingZeros32(days))
			return number, number >= e.firstDay
		}
		number = first - 1
	}
	return 0, false
}

// previousMonth gives the last day of the last month of the rule before one.
func (e *expansion) previousMonth(c civil) int64 {
	if earlier := e.months & (1<<c.month - 1); earlier != 0 {
		return dayNumber(c.year, bits.Len16(earlier), 1) - 1
	}
	return dayNumber(c.year-1, bits.Len16(e.months), 1) - 1
}

// next and previous make the expansion a pattern.
func (e *expansion) next(reading int64) (int64, bool) {
	if len(e.positions) > 0 {
		return e.nextPosition(reading + 1)
	}
	return e.from(reading + 1)
}

func (e *expansion) previous(reading int64) (int64, bool) {
	if len(e.positions) > 0 {
		return e.previousPosition(reading)
	}
	return e.upTo(reading)
}

// from gives the first reading from one on, whatever its position.
func (e *expansion) from(reading int64) (int64, bool) {
	number, rest := dayOf(reading)
	found, ok := e.nextDay(number)
	if ok && found == number {
		if at, ok := e.times.from(rest); ok {
			return number*day + at, true
		}
		found, ok = e.nextDay(number + 1)
	}
	return found*day + e.times.first, ok
}

// upTo gives the last reading up to one, whatever its position.
func (e *expansion) upTo(reading int64) (int64, bool) {
	number, rest := dayOf(reading)
	found, ok := e.previousDay(number)
	if ok && found == number {
		if at, ok := e.times.upTo(rest); ok {
			return number*day + at, true
		}
		found, ok = e.previousDay(number - 1)
	}
	return found*day + e.times.last, ok
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func floorMod(a, b int64) int64 {
	m := a % b
	if m < 0 {
		m += b
	}
	return m
}
