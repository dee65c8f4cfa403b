package when

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Rule is a parsed repeat. Its occurrences are counted from a first date: the one of index 0. It is immutable and safe for
// concurrent use.
type Rule struct {
	every interval
	limit int64
	until time.Time
	loc   *time.Location
}

// ParseRule reads a repeat from JSON:
//   - an object with one or more of years, months, weeks, days, hours, minutes, seconds, milliseconds (also singular, or y M w d h m
//     s ms), each a whole number above zero, and optionally limit (how many times it fires in all) and until (a date as
//     ParseDate takes it, without words, inclusive; a day alone includes that day);
//   - an ISO 8601 duration such as "P1M2DT1H10M5S";
//   - a number of milliseconds.
//
// Dates are computed in loc (nil is UTC). Errors name the key.
func ParseRule(raw []byte, now time.Time, loc *time.Location) (*Rule, error) {
	loc = orUTC(loc)
	raw = bytes.TrimSpace(raw)
	var rule *Rule
	var err error
	switch kindOf(raw) {
	case kindObject:
		rule, err = parseObject(raw, now, loc)
	case kindString:
		rule, err = parseText(raw)
	case kindNumber:
		rule, err = parseNumber(raw)
	default:
		err = fmt.Errorf("%s must be an object such as {\"days\": 1}, an ISO 8601 duration or a number of milliseconds", shorten(string(raw)))
	}
	if err != nil {
		return nil, err
	}
	if rule.every.zero() {
		return nil, errors.New("it never advances: give at least one of years, months, weeks, days, hours, minutes, seconds, milliseconds")
	}
	rule.loc = loc
	return rule, nil
}

func parseText(raw []byte) (*Rule, error) {
	text, err := unquote(raw)
	if err != nil {
		return nil, err
	}
	text = strings.TrimSpace(text)
	switch {
	case text != "" && (text[0] == 'P' || text[0] == 'p') && len(text) <= longestDate:
		every, err := parseISO(text)
		if err != nil {
			return nil, fmt.Errorf("cannot read the duration %s: %w", quote(text), err)
		}
		return &Rule{every: every}, nil
	case strings.HasPrefix(text, "-P"):
		return nil, fmt.Errorf("cannot read the duration %s: it is negative", quote(text))
	case text != "" && looksLikeCron(text):
		return parseCron(text)
	}
	return nil, fmt.Errorf("cannot read %s: use an object such as {\"days\": 1}, an ISO 8601 duration such as \"P1D\" or a number of milliseconds (cron lines are not supported yet)", quote(text))
}

func parseNumber(raw []byte) (*Rule, error) {
	ms, err := wholeNumber(raw)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s milliseconds: %w", shorten(string(raw)), err)
	}
	if ms > longest {
		return nil, fmt.Errorf("cannot read %d milliseconds: %w", ms, errTooLong)
	}
	return &Rule{every: interval{ms: ms}}, nil
}

func parseObject(raw []byte, now time.Time, loc *time.Location) (*Rule, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if _, err := dec.Token(); err != nil {
		return nil, notJSON(err)
	}
	rule := &Rule{}
	seen := map[string]bool{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, notJSON(err)
		}
		key, _ := token.(string)
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, notJSON(err)
		}
		if err := rule.set(key, value, seen, now, loc); err != nil {
			return nil, fmt.Errorf("%s: %w", shorten(key), err)
		}
	}
	if _, err := dec.Token(); err != nil {
		return nil, notJSON(err)
	}
	return rule, nil
}

func notJSON(err error) error { return fmt.Errorf("it is no JSON: %w", err) }

func (r *Rule) set(key string, value json.RawMessage, seen map[string]bool, now time.Time, loc *time.Location) error {
	u, long, isUnit := keyUnit(key)
	if !isUnit {
		long = key
	}
	if seen[long] {
		return fmt.Errorf("%s is given twice", shorten(long))
	}
	seen[long] = true
	switch {
	case key == "until":
		return r.setUntil(value, now, loc)
	case key != "limit" && !isUnit:
		return errors.New("unknown key; known are years, months, weeks, days, hours, minutes, seconds, milliseconds, limit, until")
	case key == "limit" && kindOf(value) == kindNothing:
		return nil
	}
	n, err := wholeNumber(value)
	if err != nil {
		return err
	}
	if key == "limit" {
		r.limit = n
		return nil
	}
	if float64(n)*u.mean() > float64(longest) {
		return errTooLong
	}
	var ok bool
	if r.every, ok = r.every.plus(interval{n * u.months, n * u.days, n * u.ms}); !ok {
		return errTooLong
	}
	return nil
}

func (r *Rule) setUntil(value json.RawMessage, now time.Time, loc *time.Location) error {
	if kindOf(value) == kindNothing {
		return nil
	}
	d, err := ParseDateJSON(value, now, loc)
	if err != nil {
		return err
	}
	if d.Words {
		return errors.New("words would move with every reading; write a date such as \"2026-12-01 09:00\"")
	}
	r.until = d.Time
	if text, err := unquote(value); err == nil && len(strings.TrimSpace(text)) == len("2026-12-01") {
		w := wallOf(d.Time, loc)
		r.until = cut(wallDate(w.Year(), w.Month(), w.Day()+1, 0, 0, 0, 0).instant(loc).Add(-time.Millisecond))
	}
	return nil
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
		return 0, errors.New("is zero, so it never advances; it must be above zero")
	}
	return n, nil
}

// Limit is how many times the rule fires in all; 0 is no limit. The Rule itself does not count.
func (r *Rule) Limit() int64 { return r.limit }

// Until is the last instant at which the rule may fire; zero where there is none.
func (r *Rule) Until() time.Time { return r.until }

// String gives the interval as an ISO 8601 duration, the same for all ways to write the same one. It says nothing of limit, until
// and zone.
func (r *Rule) String() string { return r.every.String() }

// First gives the occurrence of index 0 for a task with this date: intervals start at the date itself. ok is false
// where that is past Until.
func (r *Rule) First(date time.Time) (first time.Time, ok bool) {
	return r.At(date, 0)
}

// At gives the occurrence of an index counted from the first date: index 0 is from itself, cut to the millisecond. Each is computed
// from the first, so that nothing drifts: the 31st becomes the 30th in a month without one and is the 31st again after it. Dates
// grow strictly with the index, except that a rule of days gives one instant twice where its zone skips a whole day. ok is
// false past Until, beyond the year 9999 and below index 0.
func (r *Rule) At(from time.Time, index int64) (date time.Time, ok bool) {
	date, ok = r.at(from, index)
	if ok && !r.until.IsZero() && date.After(r.until) {
		return time.Time{}, false
	}
	return date, ok
}

func (r *Rule) at(from time.Time, index int64) (date time.Time, ok bool) {
	if index < 0 {
		return time.Time{}, false
	}
	return r.every.after(cut(from.UTC()), index, r.loc)
}

// After gives the first occurrence strictly after t. It costs the same however much time lies between from and t. ok is false
// where none comes any more.
func (r *Rule) After(from, t time.Time) (index int64, date time.Time, ok bool) {
	index = r.search(from, t)
	date, ok = r.At(from, index)
	return index, date, ok
}

// Latest gives the last occurrence at or before t. ok is false where there is none: t lies before from.
func (r *Rule) Latest(from, t time.Time) (index int64, date time.Time, ok bool) {
	if !r.until.IsZero() && t.After(r.until) {
		t = r.until
	}
	index = r.search(from, t) - 1
	date, ok = r.At(from, index)
	return index, date, ok
}

// search gives the smallest index whose date lies after t or beyond the calendar's end: a guess from the interval's mean length, then
// a few steps around it.
func (r *Rule) search(from, t time.Time) int64 {
	later := func(index int64) bool {
		date, ok := r.at(from, index)
		return index >= 0 && (!ok || date.After(t))
	}
	guess := int64(max(0, float64(t.UnixMilli()-from.UnixMilli())/r.every.mean()))
	low, high := guess-1, guess+1 // low is not later, high is
	for step := int64(1); low >= 0 && later(low); step *= 2 {
		low, high = low-step, low
	}
	for step := int64(1); !later(high); step *= 2 {
		low, high = high, high+step
	}
	for high-low > 1 {
		if middle := low + (high-low)/2; later(middle) {
			high = middle
		} else {
			low = middle
		}
	}
	return max(high, 0)
}
