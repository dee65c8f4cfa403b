package when

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ruleReader reads the parts of an RRULE.
type ruleReader struct {
	rule  recurrence
	loc   *time.Location
	seen  []string
	count int64
	until time.Time
}

const knownParts = "FREQ, INTERVAL, COUNT, UNTIL, BYMONTH, BYWEEKNO, BYYEARDAY, BYMONTHDAY, BYDAY, BYHOUR, BYMINUTE, BYSECOND, BYSETPOS, WKST"

// read takes the text of an RRULE apart, without its name.
func (p *ruleReader) read(text string) error {
	p.rule.freq, p.rule.interval, p.rule.weekStart = -1, 1, int(time.Monday)
	for part := range strings.SplitSeq(text, ";") {
		if err := p.part(part); err != nil {
			return fmt.Errorf("cannot read %s of the RRULE: %w", quote(part), err)
		}
	}
	if p.rule.freq < 0 {
		return errors.New("the RRULE has no FREQ; begin with one such as FREQ=DAILY")
	}
	if p.count > 0 && !p.until.IsZero() {
		return errors.New("UNTIL does not go with the rest of the RRULE: COUNT ends it too; leave out one of them")
	}
	return p.rule.check()
}

func (p *ruleReader) part(part string) error {
	name, value, found := strings.Cut(part, "=")
	name = strings.ToUpper(name)
	switch {
	case part == "":
		return errors.New("a part is empty; leave out the semicolon")
	case !found:
		return errors.New("a part is a name and a value, as in FREQ=DAILY")
	case value == "":
		return errors.New("it has no value; leave it out or give one")
	case slices.Contains(p.seen, name):
		return fmt.Errorf("%s is given twice", name)
	}
	p.seen = append(p.seen, name)
	return p.set(name, value)
}

func (p *ruleReader) set(name, value string) (err error) {
	r := &p.rule
	switch name {
	case "FREQ":
		r.freq, err = frequencyOf(value)
	case "INTERVAL":
		r.interval, err = amount(value)
	case "COUNT":
		p.count, err = amount(value)
	case "UNTIL":
		err = p.setUntil(value)
	case "WKST":
		var ok bool
		if r.weekStart, ok = codeOfWeekday(value); !ok {
			err = errors.New("a weekday is one of MO, TU, WE, TH, FR, SA, SU")
		}
	case "BYMONTH":
		var months uint64
		months, _, err = setOf(value, 1, 12, false)
		r.months = uint16(months) //nolint:gosec // below 1<<13
	case "BYMONTHDAY":
		var days, last uint64
		days, last, err = setOf(value, 1, 31, true)
		r.monthDays, r.lastDays = uint32(days), uint32(last) //nolint:gosec // below 1<<32
	case "BYHOUR":
		var hours uint64
		hours, _, err = setOf(value, 0, 23, false)
		r.hours = uint32(hours) //nolint:gosec // below 1<<24
	case "BYMINUTE":
		r.minutes, _, err = setOf(value, 0, 59, false)
	case "BYSECOND":
		r.seconds, _, err = setOf(value, 0, 60, false)
		if r.seconds>>60 != 0 { // clocks here have no leap seconds: the standard takes them as 59
			r.seconds = r.seconds&all60 | 1<<59
		}
	case "BYWEEKNO":
		r.weeks, err = listOf(value, 53)
	case "BYYEARDAY":
		r.yearDays, err = listOf(value, 366)
	case "BYSETPOS":
		r.positions, err = listOf(value, 366)
	case "BYDAY":
		err = p.setDays(value)
	default:
		err = errors.New("there is no such part; known are " + knownParts)
	}
	return err
}

func frequencyOf(value string) (frequency, error) {
	for f := secondly; f <= yearly; f++ {
		if strings.EqualFold(value, f.String()) {
			return f, nil
		}
	}
	return -1, errors.New("a frequency is one of SECONDLY, MINUTELY, HOURLY, DAILY, WEEKLY, MONTHLY, YEARLY")
}

// amount reads a whole number above zero.
func amount(value string) (int64, error) {
	if !isDigits(value) {
		return 0, fmt.Errorf("%s is no whole number above zero", quote(value))
	}
	n, err := strconv.ParseInt(value, 10, 64)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%s is too large", quote(value))
	case n == 0:
		return 0, errors.New("0 is never; it must be above zero")
	}
	return n, nil
}

// numberIn reads a number between low and high, or where signs are allowed, the same below zero.
func numberIn(text string, low, high int, signs bool) (int, error) {
	digits := text
	if signs && text != "" && (text[0] == '+' || text[0] == '-') {
		digits = text[1:]
	}
	if !isDigits(digits) || len(digits) > 3 || atoi(digits) < low || atoi(digits) > high {
		also := ""
		if signs {
			also = fmt.Sprintf(" or between -%d and -%d", high, low)
		}
		return 0, fmt.Errorf("%s is not between %d and %d%s", quote(text), low, high, also)
	}
	if text[0] == '-' {
		return -atoi(digits), nil
	}
	return atoi(digits), nil
}

// setOf reads a list of numbers as bits; those below zero by their absolute value.
func setOf(value string, low, high int, signs bool) (set, fromEnd uint64, err error) {
	for text := range strings.SplitSeq(value, ",") {
		n, err := numberIn(text, low, high, signs)
		switch {
		case err != nil:
			return 0, 0, err
		case n < 0:
			fromEnd |= 1 << -n
		default:
			set |= 1 << n
		}
	}
	return set, fromEnd, nil
}

// listOf reads a list of numbers from 1 and from -1, and sorts it.
func listOf(value string, high int) ([]int, error) {
	list := make([]int, 0, strings.Count(value, ",")+1)
	for text := range strings.SplitSeq(value, ",") {
		n, err := numberIn(text, 1, high, true)
		if err != nil {
			return nil, err
		}
		list = append(list, n)
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

func codeOfWeekday(code string) (int, bool) {
	for weekday := range 7 {
		if strings.EqualFold(code, weekdayCode(weekday)) {
			return weekday, true
		}
	}
	return 0, false
}

func (p *ruleReader) setDays(value string) error {
	for text := range strings.SplitSeq(value, ",") {
		at := max(len(text)-2, 0)
		weekday, ok := codeOfWeekday(text[at:])
		switch {
		case !ok:
			return fmt.Errorf("%s is no weekday; write MO, TU, WE, TH, FR, SA, SU, in rules of months and years with a number as in 2MO or -1FR", quote(text))
		case at == 0:
			p.rule.weekdays |= 1 << weekday
			continue
		}
		n, err := numberIn(text[:at], 1, 53, true)
		if err != nil {
			return err
		}
		p.rule.nth = append(p.rule.nth, nthWeekday{n, weekday})
	}
	p.rule.nth = sortedNth(p.rule.nth)
	return nil
}

// sortedNth puts weekdays into the order in which they are written, each once.
func sortedNth(all []nthWeekday) []nthWeekday {
	slices.SortFunc(all, func(a, b nthWeekday) int {
		if a.n != b.n {
			return a.n - b.n
		}
		return (a.weekday+6)%7 - (b.weekday+6)%7
	})
	return slices.Compact(all)
}

// setUntil reads the last instant: in UTC, on the clocks of the zone, or a day, which is meant as a whole.
func (p *ruleReader) setUntil(value string) error {
	at, err := readMoment(value)
	if err != nil {
		return err
	}
	switch {
	case at.date:
		p.until = time.UnixMilli(instantsOf(at.shows+day, p.loc).first - 1).UTC()
	default:
		instant := at.instant(p.loc)
		p.until = time.UnixMilli(instant).UTC()
	}
	return nil
}

// check refuses what the standard refuses.
func (r *recurrence) check() error {
	refuse := func(part, format string, a ...any) error {
		return fmt.Errorf("%s does not go with the rest of the RRULE: %s", part, fmt.Sprintf(format, a...))
	}
	switch {
	case len(r.weeks) > 0 && r.freq != yearly:
		return refuse("BYWEEKNO", "only FREQ=YEARLY knows weeks of the year")
	case len(r.yearDays) > 0 && r.freq >= daily && r.freq < yearly:
		return refuse("BYYEARDAY", "it is not for FREQ=%s; use FREQ=YEARLY", r.freq)
	case r.monthDays|r.lastDays != 0 && r.freq == weekly:
		return refuse("BYMONTHDAY", "it is not for FREQ=WEEKLY; use FREQ=DAILY or FREQ=MONTHLY")
	case len(r.nth) > 0 && r.freq < monthly:
		return refuse("BYDAY", "weekdays have numbers only with FREQ=MONTHLY and FREQ=YEARLY")
	case len(r.nth) > 0 && len(r.weeks) > 0:
		return refuse("BYDAY", "weekdays have no numbers where BYWEEKNO is given")
	case len(r.positions) > 0 && !r.hasDays() && r.months == 0 && r.hours == 0 && r.minutes == 0 && r.seconds == 0:
		return refuse("BYSETPOS", "it chooses among what another part gives, such as BYDAY")
	case float64(r.interval)*float64(r.length()) > float64(longest):
		return refuse("INTERVAL", "that is %v", errTooLong)
	}
	return nil
}

// length is the shortest that a period of the frequency can be.
func (r *recurrence) length() int64 {
	return [...]int64{secondly: second, minutely: minute, hourly: hour, daily: day, weekly: 7 * day, monthly: 28 * day, yearly: 365 * day}[r.freq]
}
