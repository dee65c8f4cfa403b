package when

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// compile turns what was said into the text of a grammar, and refuses what does not go together.
func (p *repeatPhrase) compile() (compiled, error) {
	if err := p.checkRepeats(); err != nil {
		return compiled{}, err
	}
	if err := p.checkTimes(); err != nil {
		return compiled{}, err
	}
	switch {
	case p.has(slotEvery) && p.every.exact(), p.has(slotWindow), p.has(slotMinutes):
		return p.compileExact()
	case p.has(slotPosition):
		return p.compilePosition()
	case p.has(slotDays):
		return p.compileDays()
	}
	return p.compileEvery()
}

// clash says that two parts do not go together.
func (p *repeatPhrase) clash(a, b slot, hint string) error {
	return fmt.Errorf("%s does not go with %s; %s", p.quoted(b), p.quoted(a), hint)
}

// checkRepeats refuses what names a single date.
func (p *repeatPhrase) checkRepeats() error {
	switch which := p.position.which; {
	case which == "this" || which == "next":
		return fmt.Errorf(`%s is a single date; for a repeat write "of every month" or the like`, p.quoted(slotPosition))
	case p.repeats:
		return nil
	case p.has(slotDays):
		return fmt.Errorf(`it does not say that it repeats: write "every" before the weekday in %s`, p.quoted(slotDays))
	case p.has(slotPosition) && p.position.period == periodOneMonth:
		return fmt.Errorf(`it does not say that it repeats: write "every year" beside %s`, p.quoted(slotPosition))
	case p.has(slotPosition):
		return fmt.Errorf(`it does not say how often: write "of every month" after %s`, p.quoted(slotPosition))
	case p.has(slotTimes):
		return fmt.Errorf(`it does not say how often: write "every day" beside %s`, p.quoted(slotTimes))
	}
	return errors.New("it does not say how often; " + hintRepeat)
}

// checkTimes compares "twice a day" with the times that are said.
func (p *repeatPhrase) checkTimes() error {
	if p.times == 0 {
		return nil
	}
	n, example := 0, `"every day at 9:00 and 17:00"`
	switch {
	case p.every.ms != 0:
		n, example = len(p.minutes), `"every hour at :00 and :30"`
	case p.every == interval{days: 1}:
		n = len(p.clocks)
	case p.every.months == 0:
		n, example = p.days.count(), `"every monday and thursday"`
	case p.has(slotPosition):
		n, example = len(p.position.places), `"on the 1st and 15th of every month"`
	}
	if int64(n) == p.times || n == 0 && p.times == 1 {
		return nil
	}
	if n == 0 {
		return fmt.Errorf("%s does not say when; write it like %s, or as an interval", p.quoted(slotEvery), example)
	}
	return fmt.Errorf("%s does not go with the %d that follow; write it like %s", p.quoted(slotEvery), n, example)
}

// compileExact is for intervals of hours and below.
func (p *repeatPhrase) compileExact() (compiled, error) {
	const hint = `write an interval ("every 15 minutes from 9:00 to 17:00") or times of the day ("every day at 9:00 and 17:00")`
	switch {
	case !p.has(slotEvery) || !p.every.exact():
		said := slotWindow
		if p.has(slotMinutes) {
			said = slotMinutes
		}
		return compiled{}, fmt.Errorf(`%s goes with an interval of hours or less only; write "every hour" or "every 15 minutes" beside it`, p.quoted(said))
	case p.has(slotTimes):
		return compiled{}, p.clash(slotEvery, slotTimes, hint)
	case p.has(slotPosition):
		return compiled{}, p.clash(slotEvery, slotPosition, hint)
	case p.has(slotMinutes):
		return p.compileMinutes()
	case !p.has(slotWindow) && (!p.has(slotDays) || p.days == everyDay):
		return compiledInterval(p.every), nil
	}
	from, to := int64(0), day-1
	if p.has(slotWindow) {
		from, to = p.from.milliseconds(), p.to.milliseconds()
	}
	return p.compileWindow(from, to)
}

func (p *repeatPhrase) compileWindow(from, to int64) (compiled, error) {
	days := p.days
	if !p.has(slotDays) {
		days = everyDay
	}
	length := to - from
	if length < 0 {
		length += day
	}
	if p.every.ms > length {
		other := slotWindow
		if !p.has(slotWindow) {
			other = slotDays
		}
		return compiled{}, p.clash(slotEvery, other, "the interval is longer than the time there is for it")
	}
	w := newWindow(from, to, p.every.ms, days)
	return compiled{grammar: grammarWindow, text: w.String(), window: w}, nil
}

// compileMinutes is for "every hour at :15".
func (p *repeatPhrase) compileMinutes() (compiled, error) {
	if p.every.ms != hour {
		return compiled{}, p.clash(slotEvery, slotMinutes, `minutes go with "every hour" only`)
	}
	if !p.has(slotWindow) {
		days := everyDay
		if p.has(slotDays) {
			days = p.days
		}
		return compiled{grammar: grammarCron, text: numbers(p.minutes) + " * * * " + days.cron()}, nil
	}
	if len(p.minutes) > 1 {
		return compiled{}, p.clash(slotMinutes, slotWindow, `one minute goes with hours of the day, or an interval: "every 30 minutes from 9:15 to 17:15"`)
	}
	from, to := p.from.milliseconds(), p.to.milliseconds()
	if to < from {
		to += day
	}
	at := int64(p.minutes[0]) * minute
	first := from + ((at-from)%hour+hour)%hour
	last := to - ((to-at)%hour+hour)%hour
	if last-first < hour {
		return compiled{}, p.clash(slotMinutes, slotWindow, "the hours are too few for it; write a time of the day")
	}
	return p.compileWindow(first%day, last%day)
}

func compiledInterval(every interval) compiled {
	return compiled{grammar: grammarInterval, text: every.String(), every: every}
}

func (c clock) milliseconds() int64 {
	return int64(c.hour)*hour + int64(c.minute)*minute + int64(c.second)*second + int64(c.ms)
}

// compileEvery is for intervals of days and more, on no named day.
func (p *repeatPhrase) compileEvery() (compiled, error) {
	if !p.has(slotTimes) {
		return compiledInterval(p.every), nil
	}
	switch {
	case p.every == interval{days: 1}:
		return p.daily(everyDay)
	case p.every.months != 0 && p.every.days == 0 && p.every.ms == 0:
		return compiled{}, fmt.Errorf(`%s with a time must say on which day; write "every month on the 1st at 9:00" or "every year on december 24 at 18:00"`, p.quoted(slotEvery))
	case p.every.months != 0 || p.every.ms != 0:
		return compiled{}, p.clash(slotEvery, slotTimes, "a time of the day goes with whole days, weeks, months or years")
	}
	if p.every.days%7 == 0 {
		return ruleOf(weekly, p.every.days/7).at(p)
	}
	return ruleOf(daily, p.every.days).at(p)
}

// compileDays is for days of the week.
func (p *repeatPhrase) compileDays() (compiled, error) {
	every := p.every
	if every.months != 0 || every.ms != 0 || every.days%7 != 0 && every.days != 1 {
		return compiled{}, p.clash(slotEvery, slotDays, `weekdays go with weeks; write "every 2 weeks on monday" or "the first monday of every month"`)
	}
	if every.days <= 7 && p.has(slotTimes) {
		return p.daily(p.days)
	}
	r := ruleOf(weekly, every.days/7)
	r.weekdays, r.days = uint8(p.days), p.days.count()
	return r.at(p)
}

// daily gives the times of the day on days of every week.
func (p *repeatPhrase) daily(days weekdays) (compiled, error) {
	if hours, minutes, seconds, whole := clockLists(p.clocks); whole {
		text := numbers(minutes) + " " + numbers(hours) + " * * " + days.cron()
		if seconds[0] != 0 || len(seconds) > 1 {
			text = numbers(seconds) + " " + text
		}
		return compiled{grammar: grammarCron, text: text}, nil
	}
	r := ruleOf(daily, 1)
	if days != everyDay {
		r.weekdays = uint8(days)
	}
	return r.at(p)
}

// compilePosition is for days by their place in a month, quarter or year.
func (p *repeatPhrase) compilePosition() (compiled, error) {
	at := p.position
	if p.has(slotDays) {
		return compiled{}, p.clash(slotPosition, slotDays, "say one of them")
	}
	months := p.every.months
	if p.has(slotEvery) && (months == 0 || p.every.days != 0 || p.every.ms != 0) {
		return compiled{}, p.clash(slotEvery, slotPosition, "a day by its place goes with months or years")
	}
	wholeYears := months%12 == 0 && months != 0
	r := ruleOf(monthly, months)
	r.days = len(at.places)
	fits := true
	switch at.period {
	case periodNone:
		if !p.has(slotEvery) && !at.bare || wholeYears {
			return compiled{}, fmt.Errorf(`%s must say of what; write "of every month" after it, or "of may"`, p.quoted(slotPosition))
		}
	case periodMonth:
		fits = !wholeYears
	case periodQuarter:
		fits = months == 0 || months == 3
		r.interval, r.months = 1, firstOfQuarters
		if at.places[0] < 0 {
			r.months = lastOfQuarters
		}
		for _, n := range at.places {
			if n < 0 != (at.places[0] < 0) {
				return compiled{}, fmt.Errorf("%s counts from both ends of a quarter; that takes two rules", p.quoted(slotPosition))
			}
		}
	case periodYear, periodOneMonth:
		fits = wholeYears || months == 0
		r.freq, r.interval = yearly, max(months/12, 1)
		if at.month != 0 {
			r.months = 1 << at.month
		}
	}
	if !fits {
		return compiled{}, p.clash(slotEvery, slotPosition, "they name different periods")
	}
	r.place(&at)
	return r.at(p)
}

const (
	firstOfQuarters = 1<<1 | 1<<4 | 1<<7 | 1<<10
	lastOfQuarters  = 1<<3 | 1<<6 | 1<<9 | 1<<12
)

// phraseRule is a recurrence while it is compiled from a phrase.
type phraseRule struct {
	recurrence

	places []int // of the days of the set, where it is not all of them
	days   int   // how many days a period has at most
}

func ruleOf(freq frequency, interval int64) *phraseRule {
	return &phraseRule{recurrence: recurrence{freq: freq, interval: max(interval, 1), weekStart: int(time.Monday)}, days: 1}
}

// place sets the days of a position.
func (r *phraseRule) place(at *position) {
	switch {
	case at.noun == nounWeekday:
		for _, n := range at.places {
			r.nth = append(r.nth, nthWeekday{n, at.weekday})
		}
		r.nth = sortedNth(r.nth)
	case at.noun == nounWorkday:
		r.weekdays, r.places = uint8(workdays), at.places
	case at.period == periodYear:
		r.yearDays = distinct(at.places)
	default:
		for _, n := range at.places {
			if n < 0 {
				r.lastDays |= 1 << -n
			} else {
				r.monthDays |= 1 << n
			}
		}
	}
}

// at gives the rule the phrase's times of the day; without, they come from the task's date.
func (r *phraseRule) at(p *repeatPhrase) (compiled, error) {
	r.positions = r.places
	if p.has(slotTimes) {
		hours, minutes, seconds, whole := clockLists(p.clocks)
		r.hours, r.minutes, r.seconds = uint32(bitsOf(hours)), bitsOf(minutes), bitsOf(seconds) //nolint:gosec // hours are below 24
		if !whole || r.places != nil {
			r.positions = r.timesByPosition(p.clocks, hours, minutes, seconds)
		}
	}
	r.positions = distinct(r.positions)
	for _, n := range r.positions {
		if n > 366 || n < -366 {
			return compiled{}, fmt.Errorf("the times in %s are too many that differ in their minutes; use several rules%s", p.quoted(slotTimes), hintSeveral)
		}
	}
	return compiled{grammar: grammarRRule, rule: r.recurrence}, nil
}

func bitsOf(list []int) (set uint64) {
	for _, n := range list {
		set |= 1 << n
	}
	return set
}

// timesByPosition picks the times out of all combinations of their hours, minutes and seconds, which is what an RRULE has.
func (r *phraseRule) timesByPosition(clocks []clock, hours, minutes, seconds []int) []int {
	size := len(hours) * len(minutes) * len(seconds)
	picks := make([]int, 0, len(clocks))
	for _, c := range clocks {
		h, _ := slices.BinarySearch(hours, c.hour)
		m, _ := slices.BinarySearch(minutes, c.minute)
		s, _ := slices.BinarySearch(seconds, c.second)
		picks = append(picks, (h*len(minutes)+m)*len(seconds)+s)
	}
	days := r.places
	for n := 1; len(r.places) == 0 && n <= r.days; n++ {
		days = append(days, n)
	}
	positions := make([]int, 0, len(days)*len(picks))
	for _, n := range days {
		for _, pick := range picks {
			if n < 0 {
				positions = append(positions, n*size+pick)
			} else {
				positions = append(positions, (n-1)*size+pick+1)
			}
		}
	}
	return positions
}

// clockLists gives the hours, minutes and seconds of times, each sorted; whole says whether all their combinations are times of the
// list, as a cron line would take it.
func clockLists(clocks []clock) (hours, minutes, seconds []int, whole bool) {
	n := len(clocks)
	room := make([]int, 3*n)
	hours, minutes, seconds = room[:n:n], room[n:2*n:2*n], room[2*n:]
	times := 0
	for i, c := range clocks {
		hours[i], minutes[i], seconds[i] = c.hour, c.minute, c.second
		if !slices.Contains(clocks[:i], c) {
			times++
		}
	}
	hours, minutes, seconds = distinct(hours), distinct(minutes), distinct(seconds)
	return hours, minutes, seconds, len(hours)*len(minutes)*len(seconds) == times
}

func distinct(list []int) []int {
	slices.Sort(list)
	return slices.Compact(list)
}

// numbers writes "9,12,17".
func numbers(list []int) string {
	var b []byte
	for i, n := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(n), 10)
	}
	return string(b)
}

// cron writes the days as the last field of a cron line.
func (w weekdays) cron() string {
	if w == everyDay {
		return "*"
	}
	if w == workdays {
		return "1-5"
	}
	var list []int
	for n := range 7 {
		if w.has(n) {
			list = append(list, n)
		}
	}
	return numbers(list)
}
