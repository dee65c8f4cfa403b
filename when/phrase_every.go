package when

import (
	"fmt"
	"math/bits"
	"strings"
	"time"
)

// weekdays is a set of days of the week, bit 0 is Sunday.
type weekdays uint8

const (
	everyDay weekdays = 1<<7 - 1
	weekend  weekdays = 1<<time.Saturday | 1<<time.Sunday
	workdays          = everyDay &^ weekend
)

func (w weekdays) has(day int) bool { return w>>day&1 != 0 }

func (w weekdays) count() int { return bits.OnesCount8(uint8(w)) }

// weekdayNumber knows the names of weekdays, also in the plural: 0 is Sunday, -1 is none.
func weekdayNumber(word string) int {
	switch word {
	case "sunday", "sun", "sundays":
		return 0
	case "monday", "mon", "mondays":
		return 1
	case "tuesday", "tue", "tues", "tuesdays":
		return 2
	case "wednesday", "wed", "wednesdays":
		return 3
	case "thursday", "thu", "thur", "thurs", "thursdays":
		return 4
	case "friday", "fri", "fridays":
		return 5
	case "saturday", "sat", "saturdays":
		return 6
	}
	return -1
}

// dayRange reads a word for one or more days of the week: "monday", "mondays", "weekdays", "mon-fri".
func dayRange(word string) weekdays {
	switch word {
	case "weekday", "weekdays":
		return workdays
	case "weekend", "weekends":
		return weekend
	}
	if n := weekdayNumber(word); n >= 0 {
		return 1 << n
	}
	if from, to, ok := strings.Cut(word, "-"); ok {
		return spanOf(weekdayNumber(from), weekdayNumber(to))
	}
	return 0
}

// spanOf gives the days from one to another, over the end of the week too.
func spanOf(from, to int) weekdays {
	if from < 0 || to < 0 {
		return 0
	}
	days := weekdays(1) << from
	for from != to {
		from = (from + 1) % 7
		days |= 1 << from
	}
	return days
}

func isWeekdays(word string) bool { return dayRange(word) != 0 }

// isPlural says whether words name days in a way that only a repeat does: "mondays", "weekends", "mon-fri", "monday to friday".
func isPlural(words []string) bool {
	for _, word := range words {
		word = strings.ToLower(word)
		if strings.HasSuffix(word, "days") || word == "weekends" || strings.Contains(word, "-") ||
			word == "to" || word == "through" || word == "every" || word == "each" {
			return true
		}
	}
	return false
}

// weekdayList reads "monday", "monday, wednesday and friday", "monday to friday", "mondays and every thursday".
func (p *repeatPhrase) weekdayList() bool {
	for {
		days := dayRange(p.peek())
		if days == 0 {
			p.expect(hintWeekdays)
			return false
		}
		from := weekdayNumber(p.peek())
		p.at++
		if end := p.at; from >= 0 && (p.take("to") || p.take("through") || p.take("till") || p.take("until")) {
			to := weekdayNumber(p.peek())
			switch {
			case to >= 0:
				days = spanOf(from, to)
				p.at++
			case p.wordAt(end) == "until" || p.wordAt(end) == "till": // a date comes
				p.at = end
			default:
				p.expect(hintWeekdays)
				return false
			}
		}
		p.days |= days
		end := p.at
		and := p.take("and")
		if next := p.peek(); next == "every" || next == "each" || next == "on" {
			if isWeekdays(p.ahead(1)) && (and || next != "on") {
				p.at++
			}
		}
		if isWeekdays(p.peek()) {
			continue
		}
		if and {
			p.expect(hintWeekdays + hintSeveral)
			return false
		}
		p.at = end
		return true
	}
}

// everyClause reads what follows "every" and "each".
func (p *repeatPhrase) everyClause(start int) bool {
	p.repeats = true
	word, next := p.peek(), p.ahead(1)
	switch n := ordinalOf(word); {
	case word == "other":
		p.at++
		return p.everyNth(2, start)
	case n == 1, n != 0 && (p.placed() || !isUnitOrDay(next) && word != "second"):
		return p.positionClause(start)
	case n != 0 && isUnitOrDay(next):
		p.at++
		return p.everyNth(int64(n), start)
	case isWeekdays(word):
		return p.weekdayList() && p.fill(slotDays, start)
	case monthOf(word) != 0, dayOfMonth(word) != 0 && monthOf(next) != 0:
		return p.positionClause(start)
	}
	if every, ok := singular(word); ok {
		p.at++
		return p.setEvery(every, start)
	}
	every, ok := interval{}, false
	if word != "a" && word != "an" {
		every, ok = p.amounts()
	}
	if !ok {
		p.expect(hintEvery)
		return false
	}
	return p.setEvery(every, start)
}

// placed says whether the ordinal that comes next names a place in a month, as in "second tuesday of", "1st and 15th" and
// "second to last".
func (p *repeatPhrase) placed() bool {
	next := p.ahead(1)
	return next == "and" || next == "to" || next == "of" || ordinalOf(p.peek()) < 0 || p.ahead(2) == "of" ||
		ordinalOf(next) != 0 && next != "second"
}

// everyNth reads the unit or weekday after "every other", "every 3rd".
func (p *repeatPhrase) everyNth(n int64, start int) bool {
	if every, ok := singular(p.peek()); ok {
		p.at++
		return p.setEvery(interval{every.months * n, every.days * n, every.ms * n}, start)
	}
	if weekdayNumber(p.peek()) < 0 && p.peek() != "weekend" {
		p.expect(`here could stand the name of a weekday, "day", "week", "month" or another unit`)
		return false
	}
	before := p.at
	if !p.weekdayList() || !p.fill(slotDays, start) {
		return false
	}
	if n != 2 {
		day := time.Weekday(bits.TrailingZeros8(uint8(p.days))).String()
		p.at = before
		p.fail(fmt.Errorf(`%s could count weeks or the days of a month; write "every %d weeks on %s" or "the %s %s of every month"`,
			quote(strings.Join(p.words[start:before+1], " ")), n, day, p.wordAt(before-1), day))
		return false
	}
	return p.setEvery(interval{days: 7 * n}, start)
}

func isUnitOrDay(word string) bool {
	_, ok := singular(word)
	return ok || isWeekdays(word)
}

// singular knows the units as they stand after "every" and "a".
func singular(word string) (interval, bool) {
	switch word {
	case "second":
		return interval{ms: second}, true
	case "minute":
		return interval{ms: minute}, true
	case "hour":
		return interval{ms: hour}, true
	case "day":
		return interval{days: 1}, true
	case "week":
		return interval{days: 7}, true
	case "fortnight":
		return interval{days: 14}, true
	case "month":
		return interval{months: 1}, true
	case "quarter":
		return interval{months: 3}, true
	case "year":
		return interval{months: 12}, true
	}
	return interval{}, false
}
