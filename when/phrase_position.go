package when

import (
	"fmt"
	"strconv"
	"time"
)

// position is one or more days by their place: "the 15th", "the first and third monday of every month", "december 24".
type position struct {
	places  []int // 1 is the first, -1 the last
	noun    noun
	weekday int // of nounWeekday, 0 is Sunday
	period  period
	month   time.Month // of periodOneMonth
	bare    bool       // "15th", without a noun
	which   string     // of the periods: "every", "the", "this", "next" or nothing
}

// noun is what the places count.
type noun int

const (
	nounDay     noun = iota
	nounWeekday      // one day of the week
	nounWorkday      // Monday to Friday
)

// period is what the places are counted in.
type period int

const (
	periodNone period = iota // a month, but for "of" nothing was said
	periodMonth
	periodQuarter
	periodYear
	periodOneMonth // the month of that name in a year
)

// ordinalOf reads "first", "2nd", "31st", "last"; 0 is none.
func ordinalOf(word string) int {
	switch word {
	case "first":
		return 1
	case "second":
		return 2
	case "third":
		return 3
	case "fourth":
		return 4
	case "fifth":
		return 5
	case "last":
		return -1
	case "penultimate", "second-to-last", "next-to-last":
		return -2
	case "third-to-last":
		return -3
	}
	if n := len(word) - 2; n > 0 && n <= 3 && isDigits(word[:n]) {
		switch word[n:] {
		case "st", "nd", "rd", "th":
			return atoi(word[:n])
		}
	}
	return 0
}

// readPosition reads days by their place; p.at stays where it is if the next word begins none.
func (p *phrase) readPosition(at *position) bool {
	p.take("the")
	word := p.peek()
	if monthOf(word) != 0 || isDigits(word) && (monthOf(p.ahead(1)) != 0 || p.ahead(1) == "of") {
		d, ok := p.calendarDayOfYear()
		at.places, at.period, at.month = []int{d.day}, periodOneMonth, d.month
		return ok
	}
	if !p.places(at) {
		return false
	}
	word = p.peek()
	switch day := weekdayNumber(word); {
	case word == "day":
		p.at++
	case word == "weekday":
		p.at++
		at.noun = nounWorkday
	case day >= 0:
		p.at++
		at.noun, at.weekday = nounWeekday, day
	case word == "of" || isDigits(p.wordAt(p.at - 1)[:1]):
		at.bare = true
	default:
		p.expect(hintNoun)
		return false
	}
	if p.peek() == "of" || p.peek() == "in" && (isPeriodStart(p.ahead(1)) || monthOf(p.ahead(1)) != 0) {
		p.at++
		if !p.period(at) {
			return false
		}
	} else if monthOf(p.peek()) != 0 { // "24th december"
		at.period, at.month = periodOneMonth, monthOf(p.peek())
		p.at++
	}
	if err := at.check(); err != nil {
		p.at--
		p.fail(err)
		return false
	}
	return true
}

func (p *phrase) calendarDayOfYear() (someDay, bool) {
	d, ok := p.calendarDay()
	if ok && d.year != 0 {
		p.at--
		p.fail(fmt.Errorf("%d has no place in what comes every year; a repeat can be \"starting\" on a date and hold \"until\" one", d.year))
		return d, false
	}
	return d, ok
}

// places reads "first", "1st and 15th", "first, third and last", "second to last".
func (p *phrase) places(at *position) bool {
	for {
		n := ordinalOf(p.peek())
		if n == 0 {
			p.expect(hintOn)
			return false
		}
		p.at++
		if p.peek() == "to" && (n > 1 || p.wordAt(p.at-1) == "next") {
			p.at++
			if !p.take("last") {
				p.expect(`here could stand "last"`)
				return false
			}
			n = -n
		}
		at.places = append(at.places, n)
		end := p.at
		and := p.take("and")
		p.take("the")
		if ordinalOf(p.peek()) != 0 {
			continue
		}
		if and {
			p.expect(`here could stand another place such as "15th" or "last"` + hintSeveral)
			return false
		}
		p.at = end
		return true
	}
}

func isPeriodStart(word string) bool {
	return word == "the" || word == "every" || word == "each" || word == "this" || word == "next"
}

// period reads what follows "of": "the month", "every quarter", "next month", "september".
func (p *phrase) period(at *position) bool {
	word := p.peek()
	if isPeriodStart(word) {
		p.at++
		if at.which = word; word == "each" {
			at.which = "every"
		}
	}
	switch noun := p.peek(); noun {
	case "month":
		at.period = periodMonth
	case "quarter":
		at.period = periodQuarter
	case "year":
		at.period = periodYear
	default:
		if at.month = monthOf(noun); at.month == 0 {
			p.expect(hintPeriod)
			return false
		}
		at.period = periodOneMonth
	}
	p.at++
	return true
}

// repeats says whether the words for the period are such that the days come again with each.
func (at *position) repeats() bool {
	return at.which == "every" || at.which == "the" && at.period != periodOneMonth
}

// check refuses places that no period has.
func (at *position) check() error {
	for _, n := range at.places {
		most, where := at.most()
		if n < 0 {
			n = -n
		}
		if n < 1 || n > most {
			return fmt.Errorf("there is no %s %s in %s", ordinal(n), at.nounName(), where)
		}
	}
	return nil
}

// most gives how many of its noun the longest period has; of quarters as many as surely lie in the month at its end.
func (at *position) most() (n int, where string) {
	days, where := 31, "a month"
	switch at.period {
	case periodOneMonth:
		days, where = daysIn(2000, at.month), at.month.String()
	case periodYear:
		days, where = 366, "a year"
	case periodQuarter:
		days, where = 28, "a quarter that is counted from its nearer end"
	case periodNone, periodMonth:
	}
	switch at.noun {
	case nounWeekday:
		return (days + 6) / 7, where
	case nounWorkday:
		return (days-days%7)/7*5 + min(days%7, 5), where
	case nounDay:
	}
	return days, where
}

func (at *position) nounName() string {
	switch at.noun {
	case nounWeekday:
		return time.Weekday(at.weekday).String()
	case nounWorkday:
		return "weekday"
	case nounDay:
	}
	return "day"
}

// ordinal writes 1 as "1st".
func ordinal(n int) string {
	ending := "th"
	if n%100 < 11 || n%100 > 13 {
		switch n % 10 {
		case 1:
			ending = "st"
		case 2:
			ending = "nd"
		case 3:
			ending = "rd"
		}
	}
	return strconv.Itoa(n) + ending
}
