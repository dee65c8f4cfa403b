package when

import (
	"fmt"
	"math/bits"
	"strconv"
	"time"
)

// dayWords says on which days; "" is every one. Where it names any it names their months too.
func (l *cronLine) dayWords() string {
	switch {
	case !l.restrictsDays():
		return ""
	case l.day.all(cronDay):
		return l.weekWords()
	case l.weekday.all(cronWeekday):
		return "on " + l.monthDayWords() + " " + l.monthWords("of")
	case l.either():
		return "on " + l.monthDayWords() + " " + l.monthWords("of") + " and " + l.weekWords()
	default:
		return "on " + l.monthDayWords() + " " + l.monthWords("of") + ", but only " + l.weekWords()
	}
}

// restrictsDays says whether the day and weekday fields leave any day out.
func (l *cronLine) restrictsDays() bool {
	anyDay, anyWeekday := l.day.all(cronDay), l.weekday.all(cronWeekday)
	if l.either() {
		return !anyDay && !anyWeekday
	}
	return !anyDay || !anyWeekday
}

// inMonths names the months after weekdays of every week, which do not name them.
func (l *cronLine) inMonths() string {
	if l.month.all(cronMonth) {
		return ""
	}
	return " " + l.monthWords("in")
}

// monthWords names the months: "of every month", "in January and July", "from June to August".
func (l *cronLine) monthWords(word string) string {
	if l.month.all(cronMonth) {
		if word == "in" {
			return ""
		}
		return word + " every month"
	}
	low, high := cronMonth.bounds()
	name := func(month int) string { return time.Month(month).String() }
	values := l.month.values()
	if from, to, ok := row(l.month.bits, low, high); ok && len(values) > 2 {
		if word == "of" {
			return fmt.Sprintf("of each month from %s to %s", name(from), name(to))
		}
		return fmt.Sprintf("from %s to %s", name(from), name(to))
	}
	names := make([]string, len(values))
	for i, v := range values {
		names[i] = name(v)
	}
	return word + " " + joined(names, "and")
}

// monthDayWords says which days of the month: "the 1st and 15th", "the last day".
func (l *cronLine) monthDayWords() string {
	var all []string
	if l.day.bits != 0 {
		all = append(all, l.numberedDays())
	}
	for set := l.days.near; set != 0; set &= set - 1 {
		all = append(all, "the weekday nearest the "+ordinal(bits.TrailingZeros32(set)))
	}
	for set := l.days.last; set != 0; set &= set - 1 {
		all = append(all, "the "+fromLast(bits.TrailingZeros32(set))+" day")
	}
	for set := l.days.nearLast; set != 0; set &= set - 1 {
		if back := bits.TrailingZeros32(set); back > 0 {
			all = append(all, "the weekday nearest the "+fromLast(back)+" day")
		} else {
			all = append(all, "the last weekday")
		}
	}
	return joined(all, "and")
}

func fromLast(back int) string {
	if back == 0 {
		return "last"
	}
	return ordinal(back+1) + " to last"
}

func (l *cronLine) numberedDays() string {
	low, high := cronDay.bounds()
	values := l.day.values()
	first, step, last, regular := progression(l.day.bits, low, high)
	switch {
	case regular && step == 1 && len(values) > 2:
		return fmt.Sprintf("the %s to %s", ordinal(first), ordinal(last))
	case regular && len(values) > 3 && last+step > high:
		return fmt.Sprintf("every %s day from the %s", ordinal(step), ordinal(first))
	}
	names := make([]string, len(values))
	for i, v := range values {
		names[i] = ordinal(v)
	}
	return "the " + joined(names, "and")
}

// weekWords says which weekdays: "on weekdays", "on Mondays and Fridays", "on the second Monday of every month".
func (l *cronLine) weekWords() string {
	var all []string
	if l.weekday.bits != 0 {
		all = append(all, weeklyWords(uint8(l.weekday.bits))+l.inMonths()) //nolint:gosec // bits 0 to 6
	}
	if names := l.week.names(uint8(l.weekday.bits)); len(names) > 0 { //nolint:gosec // bits 0 to 6
		all = append(all, "on "+joined(names, "and")+" "+l.monthWords("of"))
	}
	return joined(all, "and")
}

func weeklyWords(set uint8) string {
	name := func(weekday int) string { return time.Weekday(weekday % 7).String() }
	const weekend = 1<<0 | 1<<6
	switch set {
	case weekend:
		return "on weekends"
	case everyWeekday &^ weekend:
		return "on weekdays"
	}
	if from, to, ok := row(uint64(set), 0, 6); ok && bits.OnesCount8(set) > 2 {
		return "from " + name(from) + " to " + name(to)
	}
	var names []string
	for weekday := 1; weekday <= 7; weekday++ {
		if set>>(weekday%7)&1 != 0 {
			names = append(names, name(weekday)+"s")
		}
	}
	return "on " + joined(names, "and")
}

// names says weekdays of a part of the month, but those that come every week: "the first and third Monday", "the last Friday".
func (w cronWeek) names(weekly uint8) []string {
	var all []string
	for weekday := 1; weekday <= 7; weekday++ {
		bit := uint8(1) << (weekday % 7)
		if weekly&bit != 0 {
			continue
		}
		var places []string
		for n, set := range w.nth {
			if set&bit != 0 {
				places = append(places, [...]string{"first", "second", "third", "fourth", "fifth"}[n])
			}
		}
		if w.last&bit != 0 {
			places = append(places, "last")
		}
		if len(places) > 0 {
			all = append(all, "the "+joined(places, "and")+" "+time.Weekday(weekday%7).String())
		}
	}
	return all
}

// words names the years; "" is every one.
func (y *cronYears) words() string {
	if y == nil {
		return ""
	}
	first, last := y.next(1), y.previous(lastYear)
	if second := y.next(first + 1); second <= lastYear {
		if step := second - first; y.steps(first, last, step) && y.next(second+1) <= lastYear {
			text := "in every year"
			if step > 1 {
				text = "in every " + ordinal(step) + " year"
			}
			if first > step { // else it is the star's, which has no beginning
				text += " from " + strconv.Itoa(first)
			} else if again := y.next(2020); again <= lastYear {
				text += " such as " + strconv.Itoa(again)
			}
			if last+step <= lastYear {
				text += " to " + strconv.Itoa(last)
			}
			return text
		}
	}
	var names []string
	for year := first; year <= lastYear; year = y.next(year + 1) {
		if len(names) == mostTimes {
			return "in " + joined(append(names, "more years"), "and")
		}
		names = append(names, strconv.Itoa(year))
	}
	return "in " + joined(names, "and")
}
