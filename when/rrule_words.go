package when

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// words says the rule in English: "every other Friday at 09:00", "on the last weekday of every month at 18:00". What comes from the first date
// is said where the text itself gives that date, but not for rules of hours and below.
func (s *recurSeries) words() string {
	w := recurWords{s.rule}
	if s.start != nil && s.rule.freq >= daily {
		number, rest := dayOf(s.start.shows)
		e := expansion{recurrence: s.rule}
		e.takeDays(civilOf(number), weekdayAt(number))
		e.takeTimes(rest)
		if e.months == everyMonth {
			e.months = s.rule.months
		}
		w.recurrence = e.recurrence
		w.hours, w.minutes, w.seconds = e.times.hours, e.times.minutes, e.times.seconds
	}
	times := w.times()
	text := w.days()
	if times != "" {
		text += " " + times
	}
	if len(w.positions) > 0 {
		text += ", only the " + placesWords(w.positions) + " of each " + w.freq.unit()
	}
	return text
}

func (f frequency) unit() string {
	return [...]string{"second", "minute", "hour", "day", "week", "month", "year"}[f]
}

// recurWords is a rule on its way into words: what has been said of its positions is taken out of them.
type recurWords struct{ recurrence }

// every says "every month", "every other month", "every 3 months".
func (w *recurWords) every() string {
	switch unit := w.freq.unit(); w.interval {
	case 1:
		return "every " + unit
	case 2:
		return "every other " + unit
	default:
		return "every " + strconv.FormatInt(w.interval, 10) + " " + unit + "s"
	}
}

// days says on which days.
func (w *recurWords) days() string {
	switch {
	case w.freq >= monthly:
		return w.periodDays()
	case w.freq == weekly && w.weekdays == 0:
		return w.every() + w.inMonths()
	case w.freq >= daily && w.interval == 1 && w.weekdays != 0 && w.monthDays|w.lastDays == 0:
		return "every " + weekdayWords(w.weekdays, "and") + w.inMonths()
	case w.freq == weekly && w.interval == 2 && w.weekdays&(w.weekdays-1) == 0:
		return "every other " + weekdayWords(w.weekdays, "and") + w.inMonths()
	}
	text := w.every()
	switch kinds := w.kinds("or"); {
	case len(kinds) == 1 && w.weekdays != 0:
		text += " on " + weekdaysWords(w.weekdays)
	case len(kinds) > 0:
		text += " if it is " + joined(kinds, "and")
	}
	return text + w.inMonths()
}

func (w *recurWords) inMonths() string {
	if w.months == 0 {
		return ""
	}
	return " in " + monthWords(w.months)
}

// periodDays says the days of months or years.
func (w *recurWords) periodDays() string {
	period := w.every()
	if w.months != 0 {
		if period = monthWords(w.months); w.interval > 1 {
			period += " of " + w.every()
		}
	}
	plain := w.weekdays != 0 && len(w.nth) == 0 && len(w.weeks) == 0
	switch kinds := w.kinds("and"); {
	case len(kinds) == 0 && w.months == 0:
		return period
	case len(kinds) == 0:
		return "every " + period
	case len(kinds) > 1:
		return "on each day of " + period + " that is " + joined(w.kinds("or"), "and")
	case plain && len(w.positions) > 0:
		places := placesWords(w.positions)
		w.positions = nil
		return "on the " + places + " " + weekdayWords(w.weekdays, "or") + " of " + period
	case plain && w.interval == 1 && w.months == 0:
		return "every " + weekdayWords(w.weekdays, "and")
	case plain:
		return "on every " + weekdayWords(w.weekdays, "and") + " of " + period
	case w.freq == yearly && w.months == 0 && w.monthDays|w.lastDays != 0:
		if period = "every month"; w.interval > 1 {
			period += " of " + w.every()
		}
		return "on " + kinds[0] + " of " + period
	default:
		return "on " + kinds[0] + " of " + period
	}
}

// kinds says each of the ways in which the rule chooses days, with a word before the last of several.
func (w *recurWords) kinds(last string) []string {
	var kinds []string
	if w.hasWeekdays() || len(w.weeks) > 0 {
		kinds = append(kinds, w.weekKind(last))
	}
	if w.monthDays|w.lastDays != 0 {
		var days []string
		for _, n := range numbersIn(uint64(w.monthDays)) {
			days = append(days, ordinal(n))
		}
		for _, n := range numbersIn(uint64(w.lastDays)) {
			days = append(days, placeWords(-n)+" day")
		}
		kinds = append(kinds, "the "+joined(days, last))
	}
	if len(w.yearDays) > 0 {
		days := make([]string, 0, len(w.yearDays))
		for _, n := range w.yearDays {
			days = append(days, placeWords(n))
		}
		text := "the " + joined(days, last) + " day"
		if w.freq < yearly || len(kinds) > 0 || w.months != 0 {
			text += " of the year"
		}
		kinds = append(kinds, text)
	}
	return kinds
}

// weekKind says the weekdays and weeks.
func (w *recurWords) weekKind(last string) string {
	var days []string
	if w.weekdays != 0 {
		text := weekdayWords(w.weekdays, last)
		if last == "or" {
			text = "a " + text
		} else if len(w.nth) > 0 {
			text = "every " + text
		}
		days = append(days, text)
	}
	for _, d := range w.nth {
		days = append(days, "the "+placeWords(d.n)+" "+time.Weekday(d.weekday).String())
	}
	if len(w.weeks) == 0 {
		return joined(days, last)
	}
	weeks := make([]string, 0, len(w.weeks))
	for _, n := range w.weeks {
		weeks = append(weeks, placeWords(n))
	}
	if len(days) == 0 {
		days = append(days, "a day")
	}
	return joined(days, last) + " of the " + joined(weeks, last) + " week"
}

// mostSpoken is how many times of day are said one by one.
const mostSpoken = 6

// times says at which times of the day, or what rules of hours and below keep of what they give.
func (w *recurWords) times() string {
	switch {
	case w.freq < daily:
		return w.clockFilters()
	case w.hours == 0 && w.minutes == 0 && w.seconds == 0:
		return ""
	case w.hours == 0 || w.minutes == 0:
		return w.timeFields()
	}
	t := dayTimes{hours: max(w.hours, 1), minutes: max(w.minutes, 1), seconds: max(w.seconds, 1)}
	t.prepare()
	positions := w.positions
	chosen := w.choose(t.total)
	if len(chosen) > mostSpoken {
		w.positions = positions
		return w.timeFields()
	}
	list := make([]string, 0, len(chosen))
	for _, i := range chosen {
		list = append(list, clockText(t.at(i)))
	}
	return "at " + joined(list, "and")
}

// choose gives which of so many times a day the positions leave, where they leave the same ones on each day that they choose. The positions then are
// those of the days; none where that are all days.
func (w *recurWords) choose(total int) []int {
	all := make([]int, 0, min(total, mostSpoken+1))
	for i := range min(total, mostSpoken+1) {
		all = append(all, i)
	}
	if len(w.positions) == 0 {
		return all
	}
	ofDay := map[int][]int{}
	var places []int
	for _, position := range w.positions {
		place, i := (position-1)/total+1, (position-1)%total
		if position < 0 {
			place, i = (position+1)/total-1, total-1+(position+1)%total
		}
		if ofDay[place] == nil {
			places = append(places, place)
		}
		ofDay[place] = append(ofDay[place], i)
	}
	for _, place := range places {
		if !slices.Equal(ofDay[place], ofDay[places[0]]) {
			return all
		}
	}
	w.positions = places
	if days := w.dayCount(); days > 0 && len(places) == days && (places[0] > 0 || places[days-1] < 0) {
		w.positions = nil
	}
	return ofDay[places[0]]
}

// dayCount gives how many days a period of the rule has; 0 where that varies.
func (w *recurWords) dayCount() int {
	month, week := len(numbersIn(uint64(w.monthDays)))+len(numbersIn(uint64(w.lastDays))), len(numbersIn(uint64(w.weekdays)))
	switch {
	case w.freq == daily:
		return 1
	case w.freq == weekly && w.months == 0:
		return max(1, week)
	case w.freq == yearly && w.months&(w.months-1) != 0, w.freq == yearly && w.months == 0 && w.hasDays() && len(w.nth) == 0, len(w.weeks)+len(w.yearDays) > 0:
		return 0
	case month+week+len(w.nth) <= 1 && week == 0:
		return 1
	}
	return 0
}

// timeFields says times by their fields. The first date gives the hours or minutes that the rule does not.
func (w *recurWords) timeFields() string {
	text := "at "
	if w.seconds != 0 && w.seconds != 1 {
		text += numbered("second", w.seconds) + " of "
	}
	minutes, hours := "the first date's minute", "the first date's hour"
	if w.minutes != 0 {
		minutes = numbered("minute", w.minutes)
	}
	if w.hours != 0 {
		hours = numbered("hour", uint64(w.hours))
	}
	return text + minutes + " of " + hours
}

// clockFilters says what rules of hours and below do with hours, minutes and seconds.
func (w *recurWords) clockFilters() string {
	var parts []string
	if w.seconds != 0 {
		if w.freq == secondly {
			parts = append(parts, "in "+numbered("second", w.seconds)+" of the minute")
		} else {
			parts = append(parts, "at "+numbered("second", w.seconds))
		}
	}
	if w.minutes != 0 {
		if w.freq == hourly {
			parts = append(parts, "at "+numbered("minute", w.minutes))
		} else {
			parts = append(parts, "in "+numbered("minute", w.minutes)+" of the hour")
		}
	}
	if hours := uint64(w.hours); hours != 0 {
		if from, to := tail(hours), head(hours); hours>>from == 1<<(to-from+1)-1 && from < to {
			parts = append(parts, "from "+clockText(from*hour)+" to "+clockText(to*hour+59*minute))
		} else {
			parts = append(parts, "in "+numbered("hour", hours))
		}
	}
	return strings.Join(parts, " ")
}
