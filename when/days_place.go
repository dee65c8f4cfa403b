package when

import (
	"errors"
	"fmt"
	"time"
)

// placedDay reads a day by its place: "the last day of the month", "the first monday of next month", "the 15th", "end of month".
func (p *phrase) placedDay() (someDay, bool) {
	start := p.at
	d := someDay{place: &position{}}
	at := d.place
	p.take("the")
	if p.peek() == "end" && p.ahead(1) == "of" {
		p.at += 2
		d.ends, at.places = true, []int{-1}
		if !p.period(at) {
			return someDay{}, false
		}
	} else if !p.readPosition(at) {
		return someDay{}, false
	}
	var err error
	switch {
	case at.which == "every":
		err = errors.New("that names many dates; here one is asked for")
	case len(at.places) > 1:
		err = errors.New("that names several dates; here one is asked for")
	case at.period == periodOneMonth && (at.which == "this" || at.which == "next"):
		err = errors.New(`write the year instead of "this" or "next"`)
	case at.period == periodNone && !at.bare:
		if at.places[0] < 0 {
			p.at = start // "last friday" is past
			p.fail(nil)
		} else {
			p.expect(`here could stand "of the month", "of next month" or "of may"`)
		}
		return someDay{}, false
	}
	if err != nil {
		p.at--
		p.fail(err)
		return someDay{}, false
	}
	if year := p.peek(); at.period == periodOneMonth && len(year) == 4 && isDigits(year) {
		d.year = atoi(year)
		p.at++
	}
	return d, true
}

// resolvePlace gives the next instant of a day by its place that is not past, or that of the period which was said.
func (p *phrase) resolvePlace(d someDay, c clock, timed bool, now time.Time, loc *time.Location) (time.Time, bool) {
	if d.ends && !timed {
		p.expect(`here could stand the time, as in "end of month at 18:00"`)
		return time.Time{}, false
	}
	number, _ := dayOf(wallOf(now, loc).UnixMilli())
	at, today := d.place, civilOf(number)
	month, step := today.month, 1
	switch at.period {
	case periodNone, periodMonth:
	case periodQuarter:
		month, step = (month-1)/3*3+1, 3
	case periodYear:
		month, step = 1, 12
	case periodOneMonth:
		month, step = int(at.month), 12
	}
	if at.which == "next" {
		month += step
	}
	year := today.year
	if d.year != 0 {
		year = d.year
	}
	fixed := d.year != 0 || at.which == "this" || at.which == "next"
	for ; year+month/12 <= 10_000; month += step { // few rounds, at most 40 years: a leap year whose February has five Sundays
		first := dayNumber(year, month, 1)
		number, ok := at.within(first, dayNumber(year, month+at.months(), 1)-1)
		shown := wall{time.UnixMilli(number*day + c.milliseconds()).UTC()}
		switch {
		case !ok && fixed:
			p.fail(fmt.Errorf("there is no %s %s in it", ordinal(max(at.places[0], -at.places[0])), at.nounName()))
			return time.Time{}, false
		case !ok:
			continue
		}
		if t := shown.instant(loc); fixed || !t.Before(now) {
			return t, true
		}
	}
	p.fail(errBeyond)
	return time.Time{}, false
}

// months gives how many months the period has.
func (at *position) months() int {
	switch at.period {
	case periodQuarter:
		return 3
	case periodYear:
		return 12
	case periodNone, periodMonth, periodOneMonth:
	}
	return 1
}

// within gives the number of the one day that at is in the period from first to last; false where it has none.
func (at *position) within(first, last int64) (number int64, ok bool) {
	n, step, from := int64(at.places[0]), int64(1), first
	if n < 0 {
		n, step, from = -n, -1, last
	}
	switch at.noun {
	case nounDay:
		number = from + step*(n-1)
	case nounWeekday:
		ahead := int64(at.weekday-weekdayAt(from)) * step
		number = from + step*((ahead+7)%7+7*(n-1))
	case nounWorkday:
		for number = from; ; number += step {
			if workdays.has(weekdayAt(number)) {
				if n--; n == 0 {
					break
				}
			}
		}
	}
	return number, first <= number && number <= last
}
