package when

import (
	"fmt"
	"strings"
	"time"

	"github.com/tj/go-naturaldate"
)

// nextWorkday is the first day from Monday to Friday after today.
const nextWorkday = "next weekday"

// someDay is a day as it was said.
type someDay struct {
	phrase  string // what the library of date words is asked: "today", "tomorrow", "next friday"
	plus    int    // days to add
	weekday bool   // said without "next": may be today where a time is said that is still ahead
	year    int    // 0: the next that is not past
	month   time.Month
	day     int
	place   *position // a day by its place in a month or the like, else nil
	ends    bool      // said as the end of a period, which is no instant without a time
}

// day reads a day: "tomorrow", "next friday", "2026-12-24", "december 31", "31st of december 2026".
func (p *phrase) day() (someDay, bool) {
	p.take("on")
	switch {
	case p.take("today"):
		return someDay{phrase: "today"}, true
	case p.take("tomorrow"):
		return someDay{phrase: "tomorrow"}, true
	case p.take("the", "day", "after", "tomorrow"), p.take("day", "after", "tomorrow"):
		return someDay{phrase: "tomorrow", plus: 1}, true
	}
	if year, month, day, ok := isoDay(p.peek()); ok && len(p.peek()) == 10 {
		if err := checkDay(year, month, day); err != nil {
			p.fail(err)
			return someDay{}, false
		}
		p.at++
		return someDay{year: year, month: month, day: day}, true
	}
	next := p.take("next")
	if !next {
		p.take("this")
	}
	if name := weekdayOf(p.peek()); name != "" {
		p.at++
		return someDay{phrase: "next " + name, weekday: !next}, true
	}
	if next {
		if p.take("weekday") {
			return someDay{phrase: nextWorkday}, true
		}
		p.fail(nil)
		return someDay{}, false
	}
	start := p.at
	if d, ok := p.calendarDay(); ok {
		return d, true
	}
	p.at = start
	return p.placedDay()
}

// calendarDay reads "december 31", "31st of december", each with or without a year.
func (p *phrase) calendarDay() (someDay, bool) {
	var d someDay
	p.take("the")
	if d.month = monthOf(p.peek()); d.month != 0 {
		p.at++
		p.take("the")
		if d.day = dayOfMonth(p.peek()); d.day == 0 {
			p.fail(nil)
			return someDay{}, false
		}
		p.at++
	} else if d.day = dayOfMonth(p.peek()); d.day != 0 {
		p.at++
		p.take("of")
		if d.month = monthOf(p.peek()); d.month == 0 {
			p.fail(nil)
			return someDay{}, false
		}
		p.at++
	} else {
		p.fail(nil)
		return someDay{}, false
	}
	if year := p.peek(); len(year) == 4 && isDigits(year) {
		d.year = atoi(year)
		p.at++
	}
	checked := d.year
	if checked == 0 {
		checked = 2000 // a leap year: the 29th of February is some day
	}
	if err := checkDay(checked, d.month, d.day); err != nil {
		p.at--
		if d.year == 0 {
			err = fmt.Errorf("there is no %d %s", d.day, d.month)
		}
		p.fail(err)
		return someDay{}, false
	}
	return d, true
}

// weekdayOf gives the name of a weekday that a word is; "mondays" are no day but many.
func weekdayOf(word string) string {
	n := weekdayNumber(word)
	if n < 0 || strings.HasSuffix(word, "days") {
		return ""
	}
	return [...]string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}[n]
}

func monthOf(word string) time.Month {
	switch word {
	case "january", "jan":
		return time.January
	case "february", "feb":
		return time.February
	case "march", "mar":
		return time.March
	case "april", "apr":
		return time.April
	case "may":
		return time.May
	case "june", "jun":
		return time.June
	case "july", "jul":
		return time.July
	case "august", "aug":
		return time.August
	case "september", "sep", "sept":
		return time.September
	case "october", "oct":
		return time.October
	case "november", "nov":
		return time.November
	case "december", "dec":
		return time.December
	}
	return 0
}

// dayOfMonth reads "31", "31st" and the like; 0 is no day.
func dayOfMonth(word string) int {
	digits := word
	for _, ending := range [...]string{"st", "nd", "rd", "th"} {
		digits = strings.TrimSuffix(digits, ending)
	}
	if !isDigits(digits) || len(digits) > 2 {
		return 0
	}
	return atoi(digits)
}

// resolve gives the instant of the time c (the start of the day where none was said) on d.
func (p *phrase) resolve(d someDay, c clock, timed bool, now time.Time, loc *time.Location) (time.Time, bool) {
	today := wallOf(now, loc)
	switch {
	case d.place != nil:
		return p.resolvePlace(d, c, timed, now, loc)
	case d.month != 0:
		return p.resolveCalendar(d, c, now, loc)
	case d.phrase == nextWorkday:
		days := 1
		for !workdays.has(int(today.AddDate(0, 0, days).Weekday())) {
			days++
		}
		return c.on(wall{today.AddDate(0, 0, days)}).instant(loc), true
	}
	if d.weekday && timed && d.phrase == "next "+strings.ToLower(today.Weekday().String()) {
		if t := c.on(today).instant(loc); t.After(now) {
			return t, true
		}
	}
	// The library counts in hours of one zone, so it is given wall time without a zone, where each day has 24.
	noon := clock{hour: 12}.on(today)
	found, err := naturaldate.Parse(d.phrase, noon.Time, naturaldate.WithDirection(naturaldate.Future))
	if err != nil {
		p.fail(err)
		return time.Time{}, false
	}
	return c.on(wall{found.AddDate(0, 0, d.plus)}).instant(loc), true
}

func (p *phrase) resolveCalendar(d someDay, c clock, now time.Time, loc *time.Location) (time.Time, bool) {
	if d.year != 0 {
		return wallDate(d.year, d.month, d.day, c.hour, c.minute, c.second, c.ms).instant(loc), true
	}
	year := wallOf(now, loc).Year()
	for ; year <= 9999; year++ { // at most eight rounds: the 29th of February over a century without one
		if d.day > daysIn(year, d.month) {
			continue
		}
		if t := wallDate(year, d.month, d.day, c.hour, c.minute, c.second, c.ms).instant(loc); !t.Before(now) {
			return t, true
		}
	}
	p.fail(errBeyond)
	return time.Time{}, false
}
