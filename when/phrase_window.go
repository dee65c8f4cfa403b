package when

import (
	"fmt"
	"strings"
	"time"
)

// windowPattern is every so often within hours of the day: "every 15 minutes from 09:00 to 17:00 on monday".
type windowPattern struct {
	from, to, step int64    // milliseconds of the day; to is a whole number of steps after from, and may lie on the next day
	days           weekdays // on which it begins
}

// newWindow gives the pattern of a step within two times; an end before the start is one on the next day.
func newWindow(from, to, step int64, days weekdays) windowPattern {
	if to < from {
		to += day
	}
	return windowPattern{from: from, to: from + (to-from)/step*step, step: step, days: days}
}

func (w windowPattern) next(reading int64) (int64, bool) {
	number, _ := dayOf(reading)
	for n := number - 1; n <= number+8; n++ {
		if !w.days.has(weekdayAt(n)) {
			continue
		}
		at := n*day + w.from
		if reading >= at {
			at += ((reading-at)/w.step + 1) * w.step
		}
		if at <= n*day+w.to && at >= firstReading {
			return at, at <= lastReading
		}
	}
	return 0, false
}

func (w windowPattern) previous(reading int64) (int64, bool) {
	number, _ := dayOf(reading)
	for n := number; n >= number-8; n-- {
		if at := n*day + w.from; at <= reading && w.days.has(weekdayAt(n)) {
			at += (min(reading, n*day+w.to) - at) / w.step * w.step
			return at, at >= firstReading
		}
	}
	return 0, false
}

// String writes the phrase that reads as the pattern.
func (w windowPattern) String() string {
	var b strings.Builder
	b.WriteString("every ")
	b.WriteString(amountText(w.step))
	b.WriteString(" from " + clockText(w.from) + " to " + clockText(w.to%day))
	if w.days != everyDay {
		b.WriteString(" on " + w.days.String())
	}
	return b.String()
}

// String writes the days as a phrase has them: "weekdays", "monday and friday".
func (w weekdays) String() string {
	if w == workdays {
		return "weekdays"
	}
	if w == weekend {
		return "weekends"
	}
	var names []string
	for n := 1; n <= 7; n++ { // weeks begin on Monday
		if w.has(n % 7) {
			names = append(names, strings.ToLower(time.Weekday(n%7).String()))
		}
	}
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// amountText writes exact milliseconds as a phrase has them: "hour", "90 minutes", "1 hour and 10 seconds".
func amountText(ms int64) string {
	units := [...]struct {
		ms   int64
		name string
	}{{hour, "hour"}, {minute, "minute"}, {second, "second"}, {1, "millisecond"}}
	for _, u := range units {
		switch {
		case ms == u.ms && u.ms > 1:
			return u.name
		case ms == u.ms:
			return "1 " + u.name
		case ms%u.ms == 0:
			return fmt.Sprintf("%d %ss", ms/u.ms, u.name)
		}
	}
	return ""
}

// clockText writes a time of the day: "09:00", "17:00:30".
func clockText(ms int64) string {
	if ms%minute == 0 {
		return fmt.Sprintf("%02d:%02d", ms/hour, ms%hour/minute)
	}
	text := fmt.Sprintf("%02d:%02d:%02d", ms/hour, ms%hour/minute, ms%minute/second)
	if ms%second != 0 {
		text += fmt.Sprintf(".%03d", ms%second)
	}
	return text
}

// windowSeries is a window on the clocks of a zone. It goes on with the clock where that is set back; where it is set forward, what
// is jumped over comes once at the gap's end, so that a window within the gap loses no day.
type windowSeries struct {
	clockSeries
	window windowPattern
}

func newWindowSeries(w windowPattern, loc *time.Location) *windowSeries {
	return &windowSeries{clockSeries: clockSeries{pattern: w, loc: loc, twice: true}, window: w}
}

func (s *windowSeries) String() string { return s.window.String() }

func (s *windowSeries) words() string { return s.window.String() }

func (s *windowSeries) anchored() bool { return false }
