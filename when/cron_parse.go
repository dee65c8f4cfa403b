package when

import (
	"fmt"
	"strings"
	"time"
)

// cronField is one of the fields of a cron line.
type cronField int

const (
	cronSecond cronField = iota
	cronMinute
	cronHour
	cronDay
	cronMonth
	cronWeekday
	cronYear
)

func (f cronField) String() string {
	return [...]string{"second", "minute", "hour", "day", "month", "weekday", "year"}[f]
}

// bounds gives the lowest and highest value that a field means. (A weekday may be written as 7 too.)
func (f cronField) bounds() (low, high int) {
	return [...]int{0, 0, 0, 1, 1, 0, 1}[f], [...]int{59, 59, 23, 31, 12, 6, 9999}[f]
}

// allowed says what may be written in a field.
func (f cronField) allowed() string {
	const signs = ", *, ranges, lists, steps, H and ~"
	switch f {
	case cronHour:
		return "0 to 23" + signs
	case cronDay:
		return "1 to 31, L, L-3, LW, 15W, ?" + signs
	case cronMonth:
		return "1 to 12, JAN to DEC" + signs
	case cronWeekday:
		return "0 to 7 (0 and 7 are Sunday), SUN to SAT, 5L, MON#2, ?" + signs
	case cronYear:
		return "years of four digits, *, ranges, lists and steps"
	default:
		return "0 to 59" + signs
	}
}

func (f cronField) fail(part, format string, a ...any) error {
	return fmt.Errorf("%s field, %s: %s; allowed are %s", f, quote(part), fmt.Sprintf(format, a...), f.allowed())
}

// cronSet is a field of numbers below 64.
type cronSet struct {
	bits uint64
	// star: the field begins with * or ?, so that it leaves the choice of the day to the other one.
	star bool
	// steps: the field has a star or a step, so that it is meant as an interval.
	steps bool
}

// cronParser reads the parts of one field.
type cronParser struct {
	field cronField
	seed  string
	set   cronSet
	days  cronDays   // what only the day field has
	week  cronWeek   // what only the weekday field has
	years *cronYears // what only the year field has
}

// parseCronLine reads five to seven fields.
func parseCronLine(text, seed string) (*cronLine, error) {
	var fields [8]string
	n := 0
	for field := range strings.FieldsSeq(strings.ToUpper(text)) {
		if fields[min(n, 7)] = field; n < 8 {
			n++
		}
	}
	if n < 5 || n > 7 {
		return nil, fmt.Errorf("it has %d fields; it needs five (minute, hour, day, month, weekday), six (second first) or seven (year last)", len(strings.Fields(text)))
	}
	line := &cronLine{second: cronSet{bits: 1}}
	first := cronMinute
	if n > 5 {
		first = cronSecond
	}
	for i, text := range fields[:n] {
		p := cronParser{field: first + cronField(i), seed: seed}
		if err := p.parse(text); err != nil {
			return nil, err
		}
		line.take(&p)
	}
	line.prepare()
	return line, nil
}

func (p *cronParser) parse(text string) error {
	if p.field == cronYear && text != "*" {
		p.years = &cronYears{text: text}
	}
	p.set.star = text[0] == '*' || text[0] == '?'
	for part := range strings.SplitSeq(text, ",") {
		body, every, stepped := strings.Cut(part, "/")
		step := 0
		if stepped {
			var err error
			if step, err = p.step(part, every); err != nil {
				return err
			}
			p.set.steps = true
		}
		if err := p.part(text, part, body, step); err != nil {
			return err
		}
	}
	return nil
}

func (p *cronParser) step(part, text string) (int, error) {
	low, high := p.field.bounds()
	most := high - low + 1
	step := 0
	if isDigits(text) && len(text) <= 4 {
		step = atoi(text)
	}
	if step < 1 || step > most {
		hint := ""
		if step > most && p.field < cronDay {
			hint = fmt.Sprintf(" (for every %d %ss use \"@every %d%c\")", step, p.field, step, p.field.String()[0])
		}
		return 0, p.field.fail(part, "the step must be 1 to %d%s", most, hint)
	}
	return step, nil
}

// part reads one element of the list in a field, text; step is 0 where none is written.
func (p *cronParser) part(text, part, body string, step int) error {
	low, high := p.field.bounds()
	switch {
	case body == "":
		return p.field.fail(part, "a part of the list is empty")
	case body == "*":
		p.set.steps = true
		if p.field == cronYear { // steps count from 1970, backwards too
			step = max(step, 1)
			low = (1970-1)%step + 1
		}
		p.add(low, high, max(step, 1))
		return nil
	case body == "?":
		if p.field != cronDay && p.field != cronWeekday || text != "?" {
			return p.field.fail(part, "? stands alone, in the day and weekday fields only")
		}
		p.add(low, high, 1)
		return nil
	case body[0] == 'H' || strings.IndexByte(body, '~') >= 0:
		return p.spread(part, body, step)
	}
	if special, err := p.special(part, body, step); special || err != nil {
		return err
	}
	return p.span(part, body, step)
}

// span reads a value or a range of them.
func (p *cronParser) span(part, body string, step int) error {
	_, high := p.field.bounds()
	first, last, isRange := strings.Cut(body, "-")
	a, err := p.value(part, first)
	if err != nil {
		return err
	}
	b := a
	switch {
	case isRange:
		if b, err = p.value(part, last); err != nil {
			return err
		}
	case step > 0:
		if a > high {
			a = 0 // 7 is Sunday, with which the week begins
		}
		b = high
	}
	if a > b {
		if p.field == cronYear {
			return p.field.fail(part, "the range ends before it begins")
		}
		low, high := p.field.bounds()
		b += high - low + 1 // round the end of the field: FRI-MON, 22-2
	}
	p.add(a, b, max(step, 1))
	return nil
}

// add puts every step-th value from a to b into the set; values above the field's highest begin anew at its lowest.
func (p *cronParser) add(a, b, step int) {
	if p.field == cronYear {
		p.years.add(a, b, step)
		return
	}
	low, high := p.field.bounds()
	for v := a; v <= b; v += step {
		if v > high {
			p.set.bits |= 1 << (v - (high - low + 1))
		} else {
			p.set.bits |= 1 << v
		}
	}
}

// value reads a number or a name.
func (p *cronParser) value(part, text string) (int, error) {
	low, high := p.field.bounds()
	if p.field == cronWeekday {
		high = 7
	}
	if !isDigits(text) {
		if v := cronName(p.field, text); v >= 0 {
			return v, nil
		}
		if text == "" {
			return 0, p.field.fail(part, "a number is missing")
		}
		return 0, p.field.fail(part, "%s is not known here", quote(text))
	}
	if p.field == cronYear && len(text) != 4 {
		return 0, p.field.fail(part, "%s has not four digits", text)
	}
	if len(text) > 4 || atoi(text) < low || atoi(text) > high {
		return 0, p.field.fail(part, "%s is not within %d to %d", shorten(text), low, high)
	}
	return atoi(text), nil
}

// cronName gives the number of the name of a month or weekday, short or in full, in upper case; -1 where it is none.
func cronName(field cronField, text string) int {
	if len(text) < 3 {
		return -1
	}
	var at int
	var name string
	switch field {
	case cronMonth:
		if at = strings.Index("JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC", text[:3]); at%3 == 0 {
			at = at/3 + 1
			name = time.Month(at).String()
		} else {
			return -1
		}
	case cronWeekday:
		if at = strings.Index("SUNMONTUEWEDTHUFRISAT", text[:3]); at%3 == 0 {
			at /= 3
			name = time.Weekday(at).String()
		} else {
			return -1
		}
	default:
		return -1
	}
	if len(text) > 3 && !strings.EqualFold(text, name) {
		return -1
	}
	return at
}

// special reads what only the day fields have; ok says whether body is such.
func (p *cronParser) special(part, body string, step int) (ok bool, err error) {
	switch {
	case p.field == cronDay && (body[0] == 'L' || body[len(body)-1] == 'W'):
		err = p.specialDay(part, body)
	case p.field == cronWeekday && (body[len(body)-1] == 'L' || strings.IndexByte(body, '#') >= 0):
		err = p.specialWeekday(part, body)
	default:
		return false, nil
	}
	if err == nil && step > 0 {
		err = p.field.fail(part, "L, W and # take no step")
	}
	return true, err
}

// specialDay reads L, L-3, LW, L-3W and 15W.
func (p *cronParser) specialDay(part, body string) error {
	rest, working := strings.CutSuffix(body, "W")
	before, fromEnd := strings.CutPrefix(rest, "L")
	if !fromEnd {
		if strings.ContainsAny(rest, "-") {
			return p.field.fail(part, "W takes one day, such as 15W")
		}
		d, err := p.value(part, rest)
		if err != nil {
			return err
		}
		p.days.near |= 1 << d
		return nil
	}
	back := 0
	if before != "" {
		digits, ok := strings.CutPrefix(before, "-")
		if !ok || !isDigits(digits) || len(digits) > 2 || atoi(digits) < 1 || atoi(digits) > 30 {
			return p.field.fail(part, "L is followed by nothing, W, or -1 to -30")
		}
		back = atoi(digits)
	}
	if working {
		p.days.nearLast |= 1 << back
	} else {
		p.days.last |= 1 << back
	}
	return nil
}

// specialWeekday reads 5L, FRIL, MON#2 and MON#L.
func (p *cronParser) specialWeekday(part, body string) error {
	name, nth, numbered := strings.Cut(body, "#")
	if !numbered {
		name, nth = strings.TrimSuffix(body, "L"), "L"
	}
	if name == "" {
		return p.field.fail(part, "a weekday is missing; 5L is the last Friday, 6 every Saturday, and L in the day field the last day of the month")
	}
	w, err := p.value(part, name)
	if err != nil {
		return err
	}
	switch {
	case nth == "L":
		p.week.last |= 1 << (w % 7)
	case len(nth) == 1 && nth[0] >= '1' && nth[0] <= '5':
		p.week.nth[nth[0]-'1'] |= 1 << (w % 7)
	default:
		return p.field.fail(part, "# is followed by 1 to 5, or L")
	}
	return nil
}

// spread reads H, H(0-29), ~ and 0~29: one value that depends on the seed, or with a step one of the ways to take every step-th.
func (p *cronParser) spread(part, body string, step int) error {
	if p.field == cronYear {
		return p.field.fail(part, "years are not spread")
	}
	a, b, err := p.spreadRange(part, body)
	if err != nil {
		return err
	}
	if a > b {
		return p.field.fail(part, "the range ends before it begins")
	}
	n := b - a + 1
	if step > 0 {
		n = min(n, step)
	}
	start := a + int(spreadOf(p.seed, p.field)%uint64(n)) //nolint:gosec // n is 1 to 60
	if step == 0 {
		b, step = start, 1
	}
	p.add(start, b, step)
	return nil
}

func (p *cronParser) spreadRange(part, body string) (a, b int, err error) {
	a, b = p.field.bounds()
	if p.field == cronDay {
		b = 28 // so that it comes in every month
	}
	if body == "H" || body == "~" {
		return a, b, nil
	}
	var first, last string
	var ok bool
	if body[0] == 'H' {
		inner, open := strings.CutPrefix(body, "H(")
		inner, closed := strings.CutSuffix(inner, ")")
		first, last, ok = strings.Cut(inner, "-")
		if !open || !closed || !ok {
			return 0, 0, p.field.fail(part, "H stands alone or takes a range, such as H(0-29)")
		}
	} else {
		first, last, _ = strings.Cut(body, "~")
		if last == "" {
			_, b = p.field.bounds()
		}
	}
	if first != "" || body[0] == 'H' {
		if a, err = p.value(part, first); err != nil {
			return 0, 0, err
		}
	}
	if last != "" || body[0] == 'H' {
		b, err = p.value(part, last)
	}
	return a, b, err
}

// spreadOf is the hash behind H and ~: FNV-1a (64 bits) of the seed, a zero byte and the name of the field, its bits then mixed as
// MurmurHash3 ends. It never changes, since the dates of tasks depend on it.
func spreadOf(seed string, field cronField) uint64 {
	h := uint64(14_695_981_039_346_656_037)
	add := func(text string) {
		for i := range len(text) {
			h = (h ^ uint64(text[i])) * 1_099_511_628_211
		}
	}
	add(seed)
	add("\x00")
	add(field.String())
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
