package when

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/adlayer/after/internal/jsonscan"
)

// objectReader gathers what an object says before the rule is made of it.
type objectReader struct {
	rule   *Rule
	scope  Scope
	seen   map[string]bool
	every  interval
	source string                     // the key that says the recurrence: "cron", "rrule", "every", "any" or "days" for units
	values map[string]json.RawMessage // of the keys that need the zone, which may come last
}

func parseObject(raw []byte, scope Scope) (*Rule, error) {
	o := objectReader{
		rule: &Rule{from: firstReading, until: lastReading}, scope: scope,
		seen: map[string]bool{}, values: map[string]json.RawMessage{},
	}
	if err := eachMember(raw, o.key); err != nil {
		return nil, err
	}
	if zone, ok := o.values["timezone"]; ok {
		if err := o.timezone(zone); err != nil {
			return nil, fmt.Errorf("timezone: %w", err)
		}
	}
	o.rule.loc = o.scope.zone()
	for _, read := range []struct {
		key string
		set func(json.RawMessage) error
	}{{"from", o.from}, {"until", o.until}, {"jitter", o.jitter}, {"except", o.except}, {"adjust", o.adjust}, {o.source, o.recurrence}} {
		value := o.values[read.key]
		if read.key == o.source || kindOf(value) != kindNothing {
			if err := read.set(value); err != nil {
				return nil, under(read.key, err)
			}
		}
	}
	return o.rule.checked()
}

// under names the key of an error; the units of an interval need none.
func under(key string, err error) error {
	if key == "" || key == "units" {
		return err
	}
	return fmt.Errorf("%s: %w", key, err)
}

// eachMember calls visit with every key of an object and its value, in order. An error names the key.
func eachMember(raw []byte, visit func(key string, value json.RawMessage) error) error {
	if !json.Valid(raw) {
		return notJSON(json.Unmarshal(raw, new(json.RawMessage)))
	}
	for at := jsonscan.Space(raw, bytes.IndexByte(raw, '{')+1); raw[at] != '}'; {
		end := jsonscan.StringEnd(raw, at)
		key, err := unquote(raw[at:end])
		if err != nil {
			return notJSON(err)
		}
		from := jsonscan.Space(raw, end) + 1 // behind the colon
		from = jsonscan.Space(raw, from)
		to := jsonscan.ValueEnd(raw, from)
		if err := visit(key, bytes.Clone(raw[from:to])); err != nil { // a decoder that reads into it must not write over the rule
			return fmt.Errorf("%s: %w", shorten(key), err)
		}
		if at = jsonscan.Space(raw, to); raw[at] == ',' {
			at = jsonscan.Space(raw, at+1)
		}
	}
	return nil
}

func notJSON(err error) error {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok && syntax.Error() == "unexpected end of JSON input" {
		return errors.New("it is no JSON: it ends too early")
	}
	return fmt.Errorf("it is no JSON: %w", err)
}

var errZero = errors.New("is zero, so it never advances; it must be above zero")

const knownKeys = "years, months, weeks, days, hours, minutes, seconds, milliseconds, or cron, rrule, every or any; " +
	"and limit, from, until, timezone, jitter, except, adjust"

// key takes one member of the object: units and limit at once, the rest is kept.
func (o *objectReader) key(key string, value json.RawMessage) error {
	u, long, isUnit := keyUnit(key)
	if !isUnit {
		long = key
	}
	if o.seen[long] {
		return fmt.Errorf("%s is given twice", shorten(long))
	}
	o.seen[long] = true
	switch {
	case isUnit:
		return o.unit(u, value)
	case key == "limit":
		return o.limit(value)
	}
	switch key {
	case "cron", "rrule", "every", "any":
		return o.sourceIs(key, value)
	case "timezone", "from", "until", "jitter", "except", "adjust":
		o.values[key] = value
		return nil
	}
	return errors.New("unknown key; known are " + knownKeys)
}

func (o *objectReader) sourceIs(key string, value json.RawMessage) error {
	if o.source != "" && o.source != key {
		return fmt.Errorf("it is given beside %s: a repeat has one recurrence; use \"any\": [...] for several", o.source)
	}
	o.source = key
	o.values[key] = value
	return nil
}

func (o *objectReader) unit(u unit, value json.RawMessage) error {
	if err := o.sourceIs("units", nil); err != nil {
		return err
	}
	n, err := wholeNumber(value)
	if err != nil {
		return err
	}
	if float64(n)*u.mean() > float64(longest) {
		return errTooLong
	}
	var ok bool
	if o.every, ok = o.every.plus(interval{n * u.months, n * u.days, n * u.ms}); !ok {
		return errTooLong
	}
	return nil
}

func (o *objectReader) limit(value json.RawMessage) error {
	if kindOf(value) == kindNothing {
		return nil
	}
	n, err := wholeNumber(value)
	switch {
	case errors.Is(err, errZero):
		return errors.New("is zero, so it never fires; it must be above zero")
	case err != nil:
		return err
	}
	if o.rule.limit == 0 || n < o.rule.limit {
		o.rule.limit = n
	}
	return nil
}

func (o *objectReader) timezone(value json.RawMessage) error {
	if kindOf(value) == kindNothing {
		return nil
	}
	name, err := unquote(value)
	if err != nil || kindOf(value) != kindString {
		return errors.New("must be an IANA name such as \"Europe/Berlin\"")
	}
	loc, err := LoadLocation(name)
	if err != nil {
		return err
	}
	o.scope.Zone, o.rule.zoned = loc, true
	return nil
}

func (o *objectReader) from(value json.RawMessage) error {
	t, err := fixedDate(value, o.rule.loc)
	if err != nil {
		return err
	}
	o.rule.from, o.rule.bounded = t.UnixMilli(), true
	return nil
}

func (o *objectReader) until(value json.RawMessage) error {
	t, err := lastOf(value, o.rule.loc)
	if err != nil {
		return err
	}
	o.rule.until = t.UnixMilli()
	return nil
}

func (o *objectReader) jitter(value json.RawMessage) (err error) {
	o.rule.jitter, err = ParseDurationJSON(value)
	return err
}

func (o *objectReader) adjust(value json.RawMessage) error {
	switch text, _ := unquote(value); text {
	case "next":
		o.rule.adjust = toNext
	case "previous":
		o.rule.adjust = toPrevious
	case "skip":
		o.rule.adjust = dropped
	default:
		return fmt.Errorf("must be \"next\", \"previous\" or \"skip\", not %s", shorten(string(value)))
	}
	return nil
}

// recurrence reads the key that says when.
func (o *objectReader) recurrence(value json.RawMessage) error {
	var p parsed
	var err error
	switch o.source {
	case "":
		return errNeverAdvances
	case "units":
		p, err = intervalOf(o.every, o.scope)
	case "any":
		return o.any(value)
	case "every":
		p, err = o.parseEvery(value)
	default:
		p, err = o.parseNamed(value)
	}
	if err != nil {
		return err
	}
	return o.rule.add(p)
}

// parseEvery reads a text in any grammar or a number of milliseconds. "5 minutes" is "every 5 minutes".
func (o *objectReader) parseEvery(value json.RawMessage) (parsed, error) {
	if kindOf(value) == kindNumber {
		return parseMillisecondsIn(value, o.scope)
	}
	text, err := unquote(value)
	if err != nil || kindOf(value) != kindString {
		return parsed{}, errors.New("must be a text such as \"5 minutes\" or a number of milliseconds")
	}
	return parseGrammar(strings.TrimSpace(text), o.scope)
}

func (o *objectReader) parseNamed(value json.RawMessage) (parsed, error) {
	text, err := unquote(value)
	if err != nil || kindOf(value) != kindString {
		return parsed{}, fmt.Errorf("must be a text, not %s", shorten(string(value)))
	}
	if o.source == "cron" {
		return parseCron(strings.TrimSpace(text), o.scope)
	}
	return parseRRule(strings.TrimSpace(text), o.scope)
}

// mostMembers bounds the repeats in an any, and deepest how often one can lie in another: each is read once for all around it.
const (
	mostMembers = 100
	deepest     = 8
)

// any takes several recurrences together. Their own limits and exclusions would not be told apart any more, so they have none.
func (o *objectReader) any(value json.RawMessage) error {
	var all []json.RawMessage
	if err := json.Unmarshal(value, &all); err != nil {
		return errors.New("must be an array of repeats")
	}
	if len(all) == 0 {
		return errors.New("is empty: give it at least one repeat")
	}
	if len(all) > mostMembers {
		return fmt.Errorf("has more than %d repeats", mostMembers)
	}
	scope := o.scope
	if scope.depth++; scope.depth > deepest {
		return fmt.Errorf("lies within %d others; put its repeats into one of them", deepest)
	}
	for i, one := range all {
		rule, err := ParseRule(one, scope)
		switch {
		case err != nil:
			return fmt.Errorf("[%d]: %w", i, err)
		case rule.limit > 0, rule.jitter > 0, rule.except != nil, rule.adjust != noAdjustment:
			return fmt.Errorf("[%d]: limit, jitter, except and adjust belong beside \"any\", not into it", i)
		}
		for _, m := range rule.members {
			if rule.bounded && !m.begun {
				m.start, m.begun = rule.from, true
			}
			m.until = min(m.until, rule.until)
			o.rule.members = append(o.rule.members, m)
		}
	}
	return nil
}

func (o *objectReader) except(value json.RawMessage) error {
	all := []json.RawMessage{value}
	if value[0] == '[' {
		if err := json.Unmarshal(value, &all); err != nil {
			return notJSON(err)
		}
	}
	e := &exclusions{}
	for i, one := range all {
		if err := o.exclude(e, one); err != nil {
			if len(all) == 1 {
				return err
			}
			return fmt.Errorf("[%d]: %w", i, err)
		}
	}
	e.sort()
	o.rule.except = e
	return nil
}

// exclude takes a date, a range, or the id of a calendar.
func (o *objectReader) exclude(e *exclusions, value json.RawMessage) error {
	var named struct {
		Calendar string `json:"calendar"`
	}
	text, err := unquote(value)
	switch {
	case kindOf(value) == kindObject && json.Unmarshal(value, &named) == nil && named.Calendar != "":
		return o.excludeCalendar(e, named.Calendar)
	case kindOf(value) == kindString && err == nil && text != "" && (text[0] < '0' || text[0] > '9'):
		return o.excludeCalendar(e, text)
	}
	return e.addDate(value, o.rule.loc)
}

func (o *objectReader) excludeCalendar(e *exclusions, id string) error {
	if o.scope.Calendar == nil {
		return fmt.Errorf("the calendar %s cannot be looked up here", quote(id))
	}
	c, err := o.scope.Calendar(id)
	if err != nil {
		return fmt.Errorf("the calendar %s: %w", quote(id), err)
	}
	e.nested = append(e.nested, c)
	e.calendars = append(e.calendars, id)
	return nil
}

// parseMilliseconds reads an interval as a number.
func parseMilliseconds(raw []byte) (interval, error) {
	ms, err := wholeNumber(raw)
	if err != nil {
		return interval{}, fmt.Errorf("cannot read %s milliseconds: %w", shorten(string(raw)), err)
	}
	if ms > longest {
		return interval{}, fmt.Errorf("cannot read %d milliseconds: %w", ms, errTooLong)
	}
	return interval{ms: ms}, nil
}

func parseMillisecondsIn(raw []byte, scope Scope) (parsed, error) {
	every, err := parseMilliseconds(raw)
	if err != nil {
		return parsed{}, err
	}
	return intervalOf(every, scope)
}

// wholeNumber reads a JSON number that is whole and above zero.
func wholeNumber(raw []byte) (int64, error) {
	if kindOf(raw) != kindNumber {
		return 0, fmt.Errorf("must be a whole number, not %s", shorten(string(raw)))
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil {
		f, ferr := strconv.ParseFloat(string(raw), 64)
		switch {
		case ferr != nil || math.Abs(f) > 1<<53:
			return 0, fmt.Errorf("%s is too large", shorten(string(raw)))
		case f != math.Trunc(f):
			return 0, fmt.Errorf("must be a whole number, not %s", shorten(string(raw)))
		}
		n = int64(f)
	}
	switch {
	case n < 0:
		return 0, fmt.Errorf("must be above zero, not %d", n)
	case n == 0:
		return 0, errZero
	}
	return n, nil
}
