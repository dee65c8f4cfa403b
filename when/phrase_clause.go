package when

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// clause reads one part of a repeat; the parts can stand in any order.
func (p *repeatPhrase) clause() bool {
	start := p.at
	p.at++
	switch p.wordAt(start) {
	case "every", "each":
		return p.everyClause(start)
	case "on":
		return p.onClause(start)
	case "at":
		return p.atClause(start)
	case "from", "between", "starting", "beginning":
		return p.fromClause(start)
	case "until", "till":
		return p.readBound(&p.until) && p.fill(slotUntil, start)
	case "in":
		return p.inClause(start)
	case "for":
		return p.countClause(start)
	case "once":
		return p.onceClause(1, start)
	case "twice":
		return p.onceClause(2, start)
	case "the":
		return p.positionClause(start)
	}
	p.at = start
	return p.bareClause(start)
}

func (p *phrase) wordAt(i int) string { return strings.ToLower(p.words[i]) }

// bareClause reads what needs no word before it: "daily", "mondays", "9:00", "15th of every month", "10 times", "90s".
func (p *repeatPhrase) bareClause(start int) bool {
	word, next := p.peek(), p.ahead(1)
	if every, ok := adverb(word); ok {
		p.at++
		return p.setEvery(every, start)
	}
	switch {
	case isWeekdays(word):
		before := p.at
		if !p.weekdayList() {
			return false
		}
		p.repeats = p.repeats || isPlural(p.words[before:p.at])
		return p.fill(slotDays, start)
	case next == "times" || next == "time":
		return p.countClause(start)
	case isTime(word, next):
		return p.atClause(start)
	case ordinalOf(word) != 0 || monthOf(word) != 0 || dayOfMonth(word) != 0 && monthOf(next) != 0:
		return p.positionClause(start)
	}
	if !isDigits(word[:1]) && numberOf(word) == 0 && word != "half" {
		if word == "biweekly" || word == "bimonthly" {
			p.fail(fmt.Errorf(`%s could be twice in one or once in two; write "every 2 weeks" or the like`, quote(word)))
		}
		p.expect(hintClause)
		if start == 0 {
			p.expect(hintRepeat)
		}
		return false
	}
	every, ok := p.amounts()
	return ok && p.setEvery(every, start)
}

func adverb(word string) (every interval, ok bool) {
	switch word {
	case "hourly":
		return interval{ms: hour}, true
	case "daily":
		return interval{days: 1}, true
	case "weekly":
		return interval{days: 7}, true
	case "fortnightly":
		return interval{days: 14}, true
	case "monthly":
		return interval{months: 1}, true
	case "quarterly":
		return interval{months: 3}, true
	case "yearly", "annually":
		return interval{months: 12}, true
	}
	return interval{}, false
}

// setEvery fills the slot of the interval. "every day" beside a shorter one says on which days that holds.
func (p *repeatPhrase) setEvery(every interval, start int) bool {
	p.repeats = true
	if every.zero() {
		p.at = start
		p.fail(errors.New("that is no time at all, so it never advances; it must be above zero"))
		return false
	}
	daily := interval{days: 1}
	switch {
	case !p.has(slotEvery):
	case every == daily && p.every.exact():
		p.days = everyDay
		return p.fill(slotDays, start)
	case p.every == daily && every.exact() && !p.has(slotDays):
		p.days, p.said[slotDays] = everyDay, p.said[slotEvery]
		p.said[slotEvery].to = 0
	}
	if !p.fill(slotEvery, start) {
		return false
	}
	p.every = every
	return true
}

// onceClause reads what follows "once", "twice" and "3 times": "a day", "per week".
func (p *repeatPhrase) onceClause(times int64, start int) bool {
	if times == 1 && (p.peek() == "every" || p.peek() == "each") {
		p.at++
		return p.everyClause(start)
	}
	if !p.take("a") && !p.take("an") && !p.take("per") {
		p.expect(`here could stand "a day" or "a week"`)
		return false
	}
	every, ok := singular(p.peek())
	if !ok {
		p.expect(hintUnit)
		return false
	}
	p.at++
	p.times = times
	return p.setEvery(every, start)
}

// onClause reads what follows "on".
func (p *repeatPhrase) onClause(start int) bool {
	if p.peek() == "the" && p.ahead(1) == "hour" {
		p.at += 2
		p.minutes = []int{0}
		return p.fill(slotMinutes, start)
	}
	if p.peek() == "every" || p.peek() == "each" {
		p.at++
		return p.everyClause(start)
	}
	if !isWeekdays(p.peek()) {
		p.take("the")
		return p.positionClause(start)
	}
	before := p.at
	if !p.weekdayList() {
		return false
	}
	p.repeats = p.repeats || isPlural(p.words[before:p.at])
	return p.fill(slotDays, start)
}

// positionClause reads a place within a month or year, after "on" and "the".
func (p *repeatPhrase) positionClause(start int) bool {
	before := p.at
	if !p.readPosition(&p.position) {
		if p.at == before {
			p.expect(hintOn)
		}
		return false
	}
	p.repeats = p.repeats || p.position.repeats()
	return p.fill(slotPosition, start)
}

// atClause reads times of the day, or minutes of the hour.
func (p *repeatPhrase) atClause(start int) bool {
	if word := p.peek(); word == "minute" || strings.HasPrefix(word, ":") {
		return p.minuteList() && p.fill(slotMinutes, start)
	}
	for {
		c, ok := p.time()
		if !ok {
			return false
		}
		p.clocks = append(p.clocks, c)
		end := p.at
		and := p.take("and")
		at := p.take("at")
		switch {
		case isTime(p.peek(), p.ahead(1)), (and || at) && isDigits(p.peek()):
			continue
		case and:
			p.expect(hintTime + hintSeveral)
			return false
		}
		p.at = end
		return p.fill(slotTimes, start)
	}
}

// time reads one time of the day, whole seconds.
func (p *repeatPhrase) time() (clock, bool) {
	start := p.at
	c, ok := p.atClock()
	if ok && c.ms != 0 {
		p.at, ok = start, false
		p.fail(fmt.Errorf("%s is finer than a second, which a time of the day cannot be", quote(p.words[start])))
	}
	if !ok {
		p.expect(hintTime)
	}
	return c, ok
}

// isTime says whether a word, with the next, can only be a time of the day.
func isTime(word, next string) bool {
	if word == "noon" || word == "midnight" {
		return true
	}
	if word == "" || !isDigits(word[:1]) {
		return false
	}
	switch next {
	case "am", "pm", "a.m.", "p.m.", "o'clock", "o’clock":
		return true
	}
	return strings.IndexByte(word, ':') > 0 || halfOfDay(strings.ReplaceAll(word, ".m.", "m")) != ""
}

// minuteList reads ":15", ":00 and :30", "minute 15".
func (p *repeatPhrase) minuteList() bool {
	for {
		p.take("minute")
		word := strings.TrimPrefix(p.peek(), ":")
		if !isDigits(word) || len(word) > 2 || atoi(word) > 59 {
			p.expect(`here could stand a minute from ":00" to ":59"`)
			return false
		}
		if n := atoi(word); !slices.Contains(p.minutes, n) {
			p.minutes = append(p.minutes, n)
		}
		p.at++
		and := p.take("and")
		if !and && !strings.HasPrefix(p.peek(), ":") {
			slices.Sort(p.minutes)
			return true
		}
	}
}

// fromClause reads "from 9:00 to 17:00", "between 9:00 and 17:00", or the date that a repeat starts on.
func (p *repeatPhrase) fromClause(start int) bool {
	word := p.wordAt(start)
	if word == "starting" || word == "beginning" {
		p.take("on")
		p.take("from")
		return p.readBound(&p.start) && p.fill(slotStart, start)
	}
	if _, _, _, isDate := isoDay(p.peek()); word == "from" && (isDate || monthOf(p.peek()) != 0 || dayOfMonth(p.peek()) != 0 && monthOf(p.ahead(1)) != 0) {
		return p.readBound(&p.start) && p.fill(slotStart, start)
	}
	var ok bool
	if p.from, ok = p.atClock(); !ok {
		p.expect(hintTime)
		return false
	}
	if word == "between" {
		ok = p.take("and")
		if !ok {
			p.expect(`here could stand "and" with a time`)
		}
	} else if ok = p.take("to") || p.take("until") || p.take("till") || p.take("through"); !ok {
		p.expect(`here could stand "to" with a time`)
	}
	if !ok {
		return false
	}
	end := p.at
	if p.to, ok = p.atClock(); !ok {
		p.expect(hintTime)
		return false
	}
	if p.to == p.from {
		p.at = end
		p.fail(errors.New("it ends when it begins"))
		return false
	}
	return p.fill(slotWindow, start)
}

// readBound reads a date, which must not move with the day it is read on.
func (p *repeatPhrase) readBound(b *bound) bool {
	if word := p.words[min(p.at, len(p.words)-1)]; !p.done() && len(word) > 10 {
		_, ok, err := parseMachine(word, p.zone)
		if err != nil {
			p.fail(err)
			return false
		}
		if ok {
			b.whole = word
			p.at++
			return true
		}
	}
	start := p.at
	var ok bool
	if b.day, ok = p.day(); !ok {
		p.expect(hintBound)
		return false
	}
	switch {
	case b.day.year != 0 && b.day.place == nil:
	case b.day.month != 0:
		p.expect("here could stand the year, without which the date would move with every reading")
		return false
	default:
		said := quote(strings.Join(p.words[start:p.at], " "))
		p.at = start
		p.fail(fmt.Errorf("%s would move with every reading; %s", said, hintBound))
		return false
	}
	if p.peek() == "at" || isTime(p.peek(), p.ahead(1)) {
		b.timed = true
		if b.clock, ok = p.atClock(); !ok {
			p.expect(hintTime)
		}
	}
	return ok
}

// inClause reads the zone.
func (p *repeatPhrase) inClause(start int) bool {
	if p.done() {
		p.expect(`here could stand a zone such as "Europe/Berlin"`)
		return false
	}
	p.take("zone")
	loc, err := LoadLocation(zoneName(p.words[min(p.at, len(p.words)-1)]))
	if err != nil {
		p.fail(err)
		return false
	}
	p.at++
	p.zone = loc
	return p.fill(slotZone, start)
}

// zoneName gives the usual case to the name of a zone that is written in one case only.
func zoneName(word string) string {
	if strings.EqualFold(word, "utc") || strings.EqualFold(word, "gmt") {
		return strings.ToUpper(word)
	}
	if word != strings.ToLower(word) && word != strings.ToUpper(word) || !strings.Contains(word, "/") {
		return word
	}
	name := []byte(strings.ToLower(word))
	for i := range name {
		if (i == 0 || name[i-1] == '/' || name[i-1] == '_' || name[i-1] == '-') && name[i] >= 'a' && name[i] <= 'z' {
			name[i] -= 'a' - 'A'
		}
	}
	return string(name)
}

// countClause reads "10 times", and "3 times a day".
func (p *repeatPhrase) countClause(start int) bool {
	word := p.peek()
	n := int64(numberOf(word))
	if isDigits(word) && len(word) <= 9 {
		n = int64(atoi(word))
	}
	if n == 0 || word == "a" || word == "an" {
		p.expect(`here could stand a number of times such as "10 times"`)
		return false
	}
	p.at++
	if !p.take("times") && !p.take("time") {
		p.expect(`here could stand "times"`)
		return false
	}
	if next := p.peek(); next == "a" || next == "an" || next == "per" {
		return p.onceClause(n, start)
	}
	p.count = n
	return p.fill(slotCount, start)
}
