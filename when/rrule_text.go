package when

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"time"
)

// longestRRule bounds the text of a recurrence with its dates, in bytes.
const longestRRule = 64 << 10

// property is a line of an iCalendar text: "DTSTART;TZID=Europe/Berlin:20261201T090000".
type property struct {
	name  string // in upper case
	loc   *time.Location
	zone  string // TZID, where given
	dates bool   // VALUE=DATE
	value string
}

// parseRRule reads an iCalendar recurrence: an RRULE with or without its name, and lines of DTSTART, EXDATE and RDATE in any order. Lines may be
// folded, and \n may stand for their ends. Local times are of the line's TZID, else of the DTSTART's, else of the scope.
//
// The DTSTART only begins the recurrence: it is an occurrence where it matches the rule. Where there is none the anchor is
// one, the task's date. A rule that cannot come is an error.
func parseRRule(text string, scope Scope) (parsed, error) {
	if len(text) > longestRRule {
		return parsed{}, fmt.Errorf("cannot read the RRULE: it is longer than %d bytes", longestRRule)
	}
	lines, err := propertiesOf(text)
	if err != nil {
		return parsed{}, err
	}
	r := rruleText{series: &recurSeries{loc: scope.zone()}}
	for _, read := range [...]func(property) error{r.readStart, r.readRule, r.readDates} { // each needs what is before it
		for _, line := range lines {
			if err := read(line); err != nil {
				return parsed{}, err
			}
		}
	}
	if r.rule == "" {
		return parsed{}, errors.New("there is no RRULE; write one such as RRULE:FREQ=DAILY")
	}
	return r.finish()
}

// rruleText is what was read so far.
type rruleText struct {
	parsed parsed
	series *recurSeries
	rule   string
	onDays bool // DTSTART is a day
}

// propertiesOf takes the text apart into lines.
func propertiesOf(text string) ([]property, error) {
	text = strings.TrimSpace(text)
	for _, end := range [...]string{`\r\n`, `\n`, "\r\n"} {
		text = strings.ReplaceAll(text, end, "\n")
	}
	for _, fold := range [...]string{"\n ", "\n\t"} {
		text = strings.ReplaceAll(text, fold, "")
	}
	lines := make([]property, 0, 4)
	for line := range strings.FieldsSeq(text) {
		p, err := propertyOf(line)
		if err != nil {
			return nil, err
		}
		lines = append(lines, p)
	}
	return lines, nil
}

func propertyOf(line string) (property, error) {
	end := strings.IndexAny(line, ":;=")
	if end < 0 {
		return property{}, fmt.Errorf("cannot read %s; a line is one such as RRULE:FREQ=DAILY or DTSTART:20261201T090000Z", quote(line))
	}
	if line[end] == '=' {
		return property{name: "RRULE", value: line}, nil
	}
	p := property{name: strings.ToUpper(line[:end])}
	switch p.name {
	case "RRULE", "DTSTART", "EXDATE", "RDATE":
	default:
		return p, fmt.Errorf("cannot read %s; known lines are DTSTART, RRULE, EXDATE and RDATE", quote(line[:end]))
	}
	rest := line[end:]
	for rest[0] == ';' {
		var err error
		if rest, err = p.parameter(rest[1:]); err != nil {
			return p, fmt.Errorf("cannot read %s: %w", quote(line), err)
		}
	}
	p.value = rest[1:]
	return p, nil
}

// parameter reads one of a line's parameters and gives what follows it.
func (p *property) parameter(text string) (rest string, err error) {
	name, rest, ok := strings.Cut(text, "=")
	value := ""
	if end := strings.IndexAny(rest, ":;"); ok && strings.HasPrefix(rest, `"`) {
		value, rest, ok = strings.Cut(rest[1:], `"`)
		ok = ok && rest != "" && (rest[0] == ':' || rest[0] == ';')
	} else if ok = ok && end >= 0; ok {
		value, rest = rest[:end], rest[end:]
	}
	switch name = strings.ToUpper(name); {
	case !ok:
		return "", errors.New("a parameter is a name and a value, and a colon follows the last, as in DTSTART;TZID=Europe/Berlin:20261201T090000")
	case p.name == "RRULE":
		return "", errors.New("an RRULE has no parameters; write RRULE:FREQ=…")
	case name == "TZID":
		if p.loc, err = LoadLocation(value); err != nil || value == "" {
			return "", fmt.Errorf("TZID: %s is no time zone; use an IANA name such as \"Europe/Berlin\"", quote(value))
		}
		p.zone = value
	case name == "VALUE" && strings.EqualFold(value, "DATE"):
		p.dates = true
	case name == "VALUE" && strings.EqualFold(value, "DATE-TIME"):
	case name == "VALUE":
		return "", fmt.Errorf("VALUE=%s is not known; known are DATE and DATE-TIME", shorten(value))
	default:
		return "", fmt.Errorf("there is no parameter %s; known are TZID and VALUE", quote(name))
	}
	return rest, nil
}

// moment is a point in time as iCalendar writes it.
type moment struct {
	shows int64 // what clocks show
	utc   bool  // those in UTC
	date  bool  // a day without time
}

// instant gives when clocks in loc show it.
func (m moment) instant(loc *time.Location) int64 {
	if m.utc {
		return m.shows
	}
	return instantsOf(m.shows, loc).first
}

const momentForms = "write a time as 20261201T090000Z in UTC, 20261201T090000 on the clocks of the zone, or a day as 20261201"

// readMoment reads "20261201T090000Z", "20261201T090000", "20261201".
func readMoment(text string) (m moment, err error) {
	upper := strings.ToUpper(text)
	digits, utc := strings.CutSuffix(upper, "Z")
	days, times, timed := strings.Cut(digits, "T")
	if len(days) != 8 || !isDigits(days) || timed && (len(times) != 6 || !isDigits(times)) || utc && !timed {
		return moment{}, fmt.Errorf("%s is no time; %s", quote(text), momentForms)
	}
	year, month, number := atoi(days[:4]), atoi(days[4:6]), atoi(days[6:])
	if year == 0 {
		return moment{}, fmt.Errorf("%s lies before the year 1", quote(text))
	}
	if err := checkDay(year, time.Month(month), number); err != nil {
		return moment{}, fmt.Errorf("%s: %w", quote(text), err)
	}
	m = moment{shows: dayNumber(year, month, number) * day, utc: utc, date: !timed}
	if !timed {
		return m, nil
	}
	hours, minutes, seconds := atoi(times[:2]), atoi(times[2:4]), atoi(times[4:])
	if hours > 23 || minutes > 59 || seconds > 60 {
		return moment{}, fmt.Errorf("%s: there is no time %s:%s:%s", quote(text), times[:2], times[2:4], times[4:])
	}
	m.shows += int64(hours)*hour + int64(minutes)*minute + int64(min(seconds, 59))*second // a leap second is the one before it
	return m, nil
}

// moment reads one of the times of a line.
func (p *property) moment(text string) (m moment, err error) {
	m, err = readMoment(text)
	switch {
	case err != nil:
	case p.dates && !m.date:
		err = fmt.Errorf("%s is no day, as VALUE=DATE says", quote(text))
	case m.utc && p.zone != "":
		err = fmt.Errorf("%s is in UTC and cannot have a TZID too; leave out the Z or the TZID", quote(text))
	}
	if err != nil {
		return m, fmt.Errorf("cannot read the %s: %w", p.name, err)
	}
	return m, nil
}

func (r *rruleText) readStart(p property) error {
	if p.name != "DTSTART" {
		return nil
	}
	if r.series.start != nil {
		return errors.New("DTSTART is given twice")
	}
	m, err := p.moment(p.value)
	if err != nil {
		return err
	}
	s, line := r.series, "DTSTART"
	switch {
	case m.utc:
		s.loc = time.UTC
	case p.zone != "":
		s.loc = p.loc
		line += ";TZID=" + p.zone
	}
	shape := "20060102T150405"
	if r.onDays = m.date; m.date {
		line += ";VALUE=DATE"
		shape = "20060102"
	}
	s.begin = line + ":" + time.UnixMilli(m.shows).UTC().Format(shape)
	if m.utc {
		s.begin += "Z"
	}
	s.start = &origin{at: m.instant(s.loc), shows: m.shows}
	if s.start.at <= firstReading {
		return fmt.Errorf("cannot read the DTSTART: %s does not lie after the first instant of the year 1 in UTC", quote(p.value))
	}
	r.parsed.start = time.UnixMilli(s.start.at).UTC()
	return nil
}

func (r *rruleText) readRule(p property) error {
	if p.name != "RRULE" {
		return nil
	}
	if r.rule != "" {
		return errors.New("RRULE is given twice; write several rules as {\"any\": [...]}")
	}
	r.rule = p.value
	reader := ruleReader{loc: r.series.loc, seen: make([]string, 0, 14)}
	if err := reader.read(p.value); err != nil {
		return err
	}
	r.series.rule = reader.rule
	r.parsed.count, r.parsed.until = reader.count, reader.until
	return nil
}

func (r *rruleText) readDates(p property) error {
	if p.name != "EXDATE" && p.name != "RDATE" {
		return nil
	}
	loc := r.series.loc
	if p.zone != "" {
		loc = p.loc
	}
	list := &r.parsed.except
	if p.name == "RDATE" {
		list = &r.parsed.extra
	}
	for text := range strings.SplitSeq(p.value, ",") {
		m, err := p.moment(text)
		switch {
		case err != nil:
			return err
		case m.date && !r.onDays:
			return fmt.Errorf("cannot read the %s: %s is a day, which goes with a DTSTART that is a day; give the time too, as in %sT090000", p.name, quote(text), text)
		}
		*list = append(*list, m.instant(loc))
	}
	return nil
}

// finish sorts the dates and refuses what cannot come.
func (r *rruleText) finish() (parsed, error) {
	p := &r.parsed
	slices.Sort(p.extra)
	slices.Sort(p.except)
	p.extra, p.except = slices.Compact(p.extra), slices.Compact(p.except)
	p.series = r.series
	if len(p.extra) > 0 {
		return *p, nil
	}
	if err := r.series.rule.comes(); err != nil {
		return parsed{}, err
	}
	p.comes = true
	if s := r.series.start; s != nil {
		first, ok := r.series.after(s.at, s.at-1)
		switch {
		case !ok:
			return parsed{}, fmt.Errorf("it never comes: %s has no occurrence from its DTSTART up to the year 9999", quote(r.series.rule.String()))
		case !p.until.IsZero() && first > p.until.UnixMilli():
			return parsed{}, fmt.Errorf("it never comes: the first occurrence, %s, lies after UNTIL", Format(time.UnixMilli(first)))
		}
	}
	return *p, nil
}

// comes refuses a rule that has no occurrence whatever its anchor.
func (r *recurrence) comes() error {
	if err := r.positionsCome(); err != nil {
		return err
	}
	every := *r
	every.interval = 1
	if every.freq < daily {
		every.positions = nil
	}
	anchors := int64(1)
	if len(r.weeks) > 0 && !r.hasWeekdays() {
		anchors = 7 // the weekday may be the anchor's
	}
	const year2000 = 10_957
	for first := int64(year2000); first < year2000+anchors; first++ {
		e := expand(&every, first*day, first*day, time.UTC)
		e.lastDay = year2000 + 29*366 // by then each kind of year began on each weekday
		if _, ok := e.next(first*day - 1); ok {
			return nil
		}
	}
	return fmt.Errorf("it never comes: no date is all that %s asks for", quote(r.String()))
}

// positionsCome refuses a BYSETPOS beyond what a period can hold.
func (r *recurrence) positionsCome() error {
	if len(r.positions) == 0 {
		return nil
	}
	least := 366
	for _, position := range r.positions {
		least = min(least, max(position, -position))
	}
	most := [...]int{secondly: 1, minutely: 1, hourly: 1, daily: 1, weekly: 7, monthly: 31, yearly: 366}[r.freq]
	if r.freq > secondly {
		most *= max(1, bits.OnesCount64(r.seconds))
	}
	if r.freq > minutely {
		most *= max(1, bits.OnesCount64(r.minutes))
	}
	if r.freq > hourly {
		most *= max(1, bits.OnesCount32(r.hours))
	}
	if least > most {
		return fmt.Errorf("it never comes: BYSETPOS asks for number %d, and a period of this FREQ=%s has no more than %d", least, r.freq, most)
	}
	return nil
}
