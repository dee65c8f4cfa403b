package when

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// mostTimes is how many times of day are said one by one.
const mostTimes = 6

func (c *cronSeries) words() string {
	return c.line.words()
}

func (l *cronLine) words() string {
	text, daily := l.timeWords()
	days := l.dayWords()
	if days == "" && daily {
		days = "every day"
	}
	months := ""
	if !l.restrictsDays() { // else the days say of which months
		months = l.monthWords("in")
	}
	return joinWords(text, days, months, l.years.words())
}

// joinWords joins what is not empty; what begins with a comma stands close.
func joinWords(texts ...string) string {
	var b strings.Builder
	for _, text := range texts {
		if text == "" {
			continue
		}
		if b.Len() > 0 && text[0] != ',' {
			b.WriteByte(' ')
		}
		b.WriteString(text)
	}
	return b.String()
}

// all says whether a field chooses all its values.
func (s cronSet) all(field cronField) bool {
	low, high := field.bounds()
	return s.bits == full(low, high)
}

// values gives what a field chooses.
func (s cronSet) values() []int {
	var all []int
	for v := range 64 {
		if s.has(v) {
			all = append(all, v)
		}
	}
	return all
}

// timeWords says at which times of the day; daily where that alone does not tell that it is every day.
func (l *cronLine) timeWords() (text string, daily bool) {
	seconds, minutes, hours := l.second.values(), l.minute.values(), l.hoursInOrder()
	everyHour := l.hour.all(cronHour)
	switch {
	case len(seconds) > 1:
		text = strings.TrimSuffix(stepWords(l.second, cronSecond, "second"), " of")
		return joinWords(text, l.minutesWithin(), l.hourWords()), !everyHour
	case len(minutes)*len(hours) <= mostTimes && !l.minute.steps:
		return "at " + joined(l.timesOfDay(minutes, hours), "and"), true
	case len(minutes) == 1:
		return l.hoursAt(minutes[0], seconds[0]), !everyHour && !l.hour.cycles(cronHour)
	}
	text = stepWords(l.minute, cronMinute, "minute")
	switch {
	case strings.HasPrefix(text, "at") && everyHour:
		text += " past every hour"
	case strings.HasPrefix(text, "at"):
		text += " past the hour"
	case strings.HasSuffix(text, " of"):
		text += " each hour"
	case strings.Contains(text, " to "):
		text += " of each hour"
	}
	return joinWords(text, secondWords(seconds[0]), l.hourWords()), !everyHour
}

func secondWords(second int) string {
	if second == 0 {
		return ""
	}
	return "at second " + strconv.Itoa(second)
}

func (l *cronLine) timesOfDay(minutes, hours []int) []string {
	var all []string
	for _, h := range hours {
		for _, m := range minutes {
			all = append(all, clockText(timeOfDay(h, m, l.second.first())))
		}
	}
	return all
}

// hoursInOrder gives the hours, from 22 on where they go from 22 to 2.
func (l *cronLine) hoursInOrder() []int {
	low, high := cronHour.bounds()
	hours := l.hour.values()
	if from, to, ok := row(l.hour.bits, low, high); ok && from > to {
		at := slices.Index(hours, from)
		return append(hours[at:len(hours):len(hours)], hours[:at]...)
	}
	return hours
}

// cycles says whether a field is every n-th value from its lowest on, and goes round without a shorter step.
func (s cronSet) cycles(field cronField) bool {
	low, high := field.bounds()
	first, step, last, ok := progression(s.bits, low, high)
	return ok && first == low && last+step == high+1
}

// hoursAt says in which hours, for one minute of the hour: "every hour", "every 2 hours", "at 30 minutes past every hour", "every hour
// from 09:00 to 17:00".
func (l *cronLine) hoursAt(m, s int) string {
	low, high := cronHour.bounds()
	first, step, last, regular := progression(l.hour.bits, low, high)
	from, to, inRow := row(l.hour.bits, low, high)
	switch {
	case l.hour.all(cronHour) && m == 0 && s == 0:
		return "every hour"
	case l.hour.all(cronHour) && s == 0:
		return "at " + plural(m, "minute") + " past every hour"
	case l.hour.all(cronHour):
		return fmt.Sprintf("at %s and %s past every hour", plural(m, "minute"), plural(s, "second"))
	case inRow:
		return fmt.Sprintf("every hour from %s to %s", clockText(timeOfDay(from, m, s)), clockText(timeOfDay(to, m, s)))
	case regular && l.hour.cycles(cronHour) && m == 0 && s == 0:
		return "every " + plural(step, "hour")
	case regular && l.hour.cycles(cronHour):
		return fmt.Sprintf("every %s from %s", plural(step, "hour"), clockText(timeOfDay(first, m, s)))
	case regular && step > 1:
		return fmt.Sprintf("every %s from %s to %s", plural(step, "hour"), clockText(timeOfDay(first, m, s)), clockText(timeOfDay(last, m, s)))
	}
	return "at " + joined(l.timesOfDay([]int{m}, l.hoursInOrder()), "and")
}

// row says whether the values of a set follow each other, also round the end of the field.
func row(set uint64, low, high int) (from, to int, ok bool) {
	for v := low; v <= high; v++ {
		before, after := v-1, v+1
		if before < low {
			before = high
		}
		if after > high {
			after = low
		}
		switch has := set>>v&1 != 0; {
		case has && set>>before&1 == 0 && ok:
			return 0, 0, false
		case has && set>>before&1 == 0:
			from, ok = v, true
		}
		if set>>v&1 != 0 && set>>after&1 == 0 {
			to = v
		}
	}
	return from, to, ok
}

// stepWords says a field of the time of day alone: "every minute", "every 5 minutes", "at 5, 10 and 42 minutes".
func stepWords(s cronSet, field cronField, unit string) string {
	low, high := field.bounds()
	first, step, last, regular := progression(s.bits, low, high)
	values := s.values()
	switch {
	case s.all(field):
		return "every " + unit
	case s.cycles(field):
		return "every " + plural(step, unit)
	case len(values) == 1:
		return "at " + plural(values[0], unit)
	case regular && step == 1:
		return fmt.Sprintf("every %s from %d to %d", unit, first, last)
	case regular && first+high+1-last == step && len(values) > 2:
		return fmt.Sprintf("every %s from %s %d", plural(step, unit), unit, first)
	case regular && last+step > high && len(values) > 2:
		return fmt.Sprintf("every %s from %s %d of", plural(step, unit), unit, first)
	case regular && len(values) > 3:
		return fmt.Sprintf("every %s from %s %d to %d", plural(step, unit), unit, first, last)
	}
	return "at " + joined(numberTexts(values), "and") + " " + unit + "s"
}

// minutesWithin says to which minutes a list of seconds belongs.
func (l *cronLine) minutesWithin() string {
	low, high := cronMinute.bounds()
	first, step, last, regular := progression(l.minute.bits, low, high)
	values := l.minute.values()
	switch {
	case l.minute.all(cronMinute):
		return ""
	case len(values) == 1:
		return "in minute " + strconv.Itoa(first)
	case regular && step == 1:
		return fmt.Sprintf("in the minutes %d to %d", first, last)
	case l.minute.cycles(cronMinute):
		return "in every " + ordinal(step) + " minute"
	}
	return "in the minutes " + joined(numberTexts(values), "and")
}

// hourWords says within which hours: "between 09:00 and 17:59".
func (l *cronLine) hourWords() string {
	low, high := cronHour.bounds()
	if l.hour.all(cronHour) {
		return ""
	}
	if from, to, ok := row(l.hour.bits, low, high); ok {
		return fmt.Sprintf("between %02d:00 and %02d:59", from, to)
	}
	if first, step, last, ok := progression(l.hour.bits, low, high); ok && len(l.hour.values()) > 3 {
		return fmt.Sprintf("in every %s hour from %02d:00 to %02d:59", ordinal(step), first, last)
	}
	return "in the hours " + joined(numberTexts(l.hour.values()), "and")
}

func numberTexts(values []int) []string {
	all := make([]string, len(values))
	for i, v := range values {
		all[i] = strconv.Itoa(v)
	}
	return all
}

func plural(n int, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return strconv.Itoa(n) + " " + unit + "s"
}
