package when

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Calendar is a parsed calendar document: days on which the rules that name it do not fire. It is immutable.
type Calendar struct {
	entries exclusions
	digest  string // of what the document says, to see that it changed
}

// ParseCalendar reads a calendar document: {"type": "calendar", "timezone": zone, "dates": [...], "rules": [...]}. A date is a day
// ("2026-12-25"), an instant, or a range {"from", "until"} or "2026-12-24/2027-01-01", both ends inclusive. A rule is a
// repeat; the whole day of each of its occurrences is meant; an interval among them has to say from. Days are those of the
// calendar's timezone, or where it names none, of the zone of the rule that uses it. Other fields are not looked at.
func ParseCalendar(raw []byte) (*Calendar, error) {
	var doc struct {
		Timezone string            `json:"timezone"`
		Dates    []json.RawMessage `json:"dates"`
		Rules    []json.RawMessage `json:"rules"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("it is no calendar: %w", err)
	}
	c := &Calendar{}
	loc, err := LoadLocation(doc.Timezone)
	if err != nil {
		return nil, fmt.Errorf("timezone: %w", err)
	}
	if doc.Timezone != "" {
		c.entries.loc = loc
	}
	for i, date := range doc.Dates {
		if err := c.entries.addDate(date, loc); err != nil {
			return nil, fmt.Errorf("dates[%d]: %w", i, err)
		}
	}
	for i, text := range doc.Rules {
		rule, err := ParseRule(text, Scope{Zone: loc})
		if err == nil && !rule.sameDays() {
			err = errors.New("its days depend on a first date; give it a from")
		}
		if err != nil {
			return nil, fmt.Errorf("rules[%d]: %w", i, err)
		}
		rule.zoned = rule.zoned || doc.Timezone == "" && namesUTC(text)
		c.entries.rules = append(c.entries.rules, rule)
	}
	c.entries.sort()
	c.digest = digest(doc.Timezone, doc.Dates, doc.Rules)
	return c, nil
}

// namesUTC says whether the text of a rule itself says that it is in UTC: read elsewhere, it stays there.
func namesUTC(text json.RawMessage) bool {
	elsewhere, err := LoadLocation("Etc/GMT+12")
	if err != nil {
		return false
	}
	rule, err := ParseRule(text, Scope{Zone: elsewhere})
	return err == nil && rule.loc == time.UTC
}

// sameDays says whether a rule has the same days whatever its first date, told by a few.
func (r *Rule) sameDays() bool {
	if !r.Anchored() {
		return true
	}
	var days [3][4]int64
	for i, first := range [3]civil{{1990, 1, 1}, {1991, 6, 18}, {1993, 11, 5}} {
		anchor := instantsOf(dayNumber(first.year, first.month, first.day)*day, r.loc).first
		at := instantsOf(dayNumber(2026, 1, 1)*day, r.loc).first
		for n := range days[i] {
			next, ok := r.after(anchor, at)
			if !ok {
				break
			}
			days[i][n], at = r.dayAt(next), next
		}
	}
	return days[0] == days[1] && days[0] == days[2]
}

// Equal says whether two calendars say the same.
func (c *Calendar) Equal(other *Calendar) bool { return c.digest == other.digest }

// digest is the same for documents that say the same, whatever revision they have.
func digest(zone string, dates, rules []json.RawMessage) string {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%s|%s|%s", zone, dates, rules)
	return strconv.FormatUint(h.Sum64(), 36)
}

// Covers says whether an instant lies on one of the calendar's days; those without a zone are read in loc.
func (c *Calendar) Covers(t time.Time, loc *time.Location) bool {
	_, _, out := c.entries.at(t.UnixMilli(), orUTC(loc))
	return out
}

// exclusions is what a rule leaves out.
type exclusions struct {
	loc       *time.Location // nil: that of the rule that asks
	days      []span         // of day numbers, sorted, apart from each other
	instants  []span         // of instants, sorted, apart
	rules     []*Rule        // the whole day of each of their occurrences
	nested    []*Calendar
	calendars []string // ids of nested
	text      []string // canonical, for the rule's text
}

// span is a range with both ends.
type span struct{ from, to int64 }

func (e *exclusions) sort() {
	e.days = merged(e.days)
	e.instants = merged(e.instants)
}

// merged sorts spans and joins those that touch.
func merged(all []span) []span {
	slices.SortFunc(all, func(a, b span) int { return compare(a.from, b.from) })
	kept := all[:0]
	for _, s := range all {
		if n := len(kept); n > 0 && s.from <= kept[n-1].to+1 {
			kept[n-1].to = max(kept[n-1].to, s.to)
			continue
		}
		kept = append(kept, s)
	}
	return kept
}

func compare(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// holding finds the span that holds a value.
func holding(all []span, value int64) (span, bool) {
	i, exact := slices.BinarySearchFunc(all, value, func(s span, v int64) int { return compare(s.from, v) })
	if exact {
		return all[i], true
	}
	if i > 0 && all[i-1].to >= value {
		return all[i-1], true
	}
	return span{}, false
}

// at says whether an instant is excluded, and from where to before where the reason holds.
func (e *exclusions) at(instant int64, loc *time.Location) (start, end int64, out bool) {
	if e.loc != nil {
		loc = e.loc
	}
	if s, ok := holding(e.instants, instant); ok {
		return s.from, s.to + 1, true
	}
	number, _ := dayOf(reading(instant, loc))
	if s, ok := holding(e.days, number); ok {
		return instantsOf(s.from*day, loc).first, instantsOf((s.to+1)*day, loc).first, true
	}
	from, to := instantsOf(number*day, loc).first, instantsOf((number+1)*day, loc).first
	for _, rule := range e.rules {
		lower, upper := from, to
		if e.loc == nil && rule.loc == time.UTC && !rule.zoned { // it was read without a zone: its instants are readings
			lower, upper = number*day, (number+1)*day
		}
		if at, ok := rule.after(firstReading, lower-1); ok && at < upper {
			return from, to, true
		}
	}
	for _, c := range e.nested {
		if start, end, out := c.entries.at(instant, loc); out {
			return start, end, true
		}
	}
	return 0, 0, false
}

// touch says whether something from one instant to another is excluded, a day apart at most.
func (e *exclusions) touch(from, to int64, loc *time.Location) bool {
	if i, _ := slices.BinarySearchFunc(e.instants, from, func(s span, v int64) int { return compare(s.to, v) }); i < len(e.instants) && e.instants[i].from <= to {
		return true
	}
	if _, _, out := e.at(from, loc); out {
		return true
	}
	if _, _, out := e.at(to, loc); out {
		return true
	}
	return slices.ContainsFunc(e.nested, func(c *Calendar) bool { return c.entries.touch(from, to, loc) })
}

// addDate takes a day, an instant or a range.
func (e *exclusions) addDate(raw json.RawMessage, loc *time.Location) error {
	if kindOf(raw) == kindObject {
		return e.addRange(raw, loc)
	}
	if text, err := unquote(raw); err == nil && kindOf(raw) == kindString {
		text = strings.TrimSpace(text)
		if first, last, ok := strings.Cut(text, "/"); ok {
			return e.addSpan(first, last, loc)
		}
		if year, month, dayOfMonth, ok := isoDay(text); ok && len(text) == len("2026-12-25") {
			if err := e.addDays(year, int(month), dayOfMonth, year, int(month), dayOfMonth); err != nil {
				return fmt.Errorf("cannot read the date %s: %w", quote(text), err)
			}
			return nil
		}
	}
	d, err := fixedDate(raw, loc)
	if err != nil {
		return err
	}
	e.instants = append(e.instants, span{d.UnixMilli(), d.UnixMilli()})
	e.text = append(e.text, Format(d))
	return nil
}

func (e *exclusions) addRange(raw json.RawMessage, loc *time.Location) error {
	var ends struct {
		From  string `json:"from"`
		Until string `json:"until"`
	}
	decoder := json.NewDecoder(strings.NewReader(string(raw)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&ends); err != nil {
		return fmt.Errorf("a range is written {\"from\": date, \"until\": date}: %w", err)
	}
	return e.addSpan(ends.From, ends.Until, loc)
}

// addSpan takes a range of two days or two instants; a day alone as its end is that whole day.
func (e *exclusions) addSpan(first, last string, loc *time.Location) error {
	y1, m1, d1, day1 := isoDay(first)
	y2, m2, d2, day2 := isoDay(last)
	if day1 && day2 && len(first) == 10 && len(last) == 10 {
		return e.addDays(y1, int(m1), d1, y2, int(m2), d2)
	}
	from, err := fixedDate([]byte(strconv.Quote(first)), loc)
	if err != nil {
		return fmt.Errorf("from: %w", err)
	}
	to, err := lastOf([]byte(strconv.Quote(last)), loc)
	if err != nil {
		return fmt.Errorf("until: %w", err)
	}
	if to.Before(from) {
		return fmt.Errorf("the range ends (%s) before it begins (%s)", Format(to), Format(from))
	}
	e.instants = append(e.instants, span{from.UnixMilli(), to.UnixMilli()})
	e.text = append(e.text, Format(from)+"/"+Format(to))
	return nil
}

func (e *exclusions) addDays(y1, m1, d1, y2, m2, d2 int) error {
	for _, c := range []civil{{y1, m1, d1}, {y2, m2, d2}} {
		if err := checkDay(c.year, time.Month(c.month), c.day); err != nil {
			return err
		}
	}
	s := span{dayNumber(y1, m1, d1), dayNumber(y2, m2, d2)}
	if s.to < s.from {
		return fmt.Errorf("the range ends before it begins: %s/%s", dayText(s.from), dayText(s.to))
	}
	e.days = append(e.days, s)
	text := dayText(s.from)
	if s.to != s.from {
		text += "/" + dayText(s.to)
	}
	e.text = append(e.text, text)
	return nil
}

func dayText(number int64) string {
	c := civilOf(number)
	return fmt.Sprintf("%04d-%02d-%02d", c.year, c.month, c.day)
}

// fixedDate reads a date that is no words.
func fixedDate(raw []byte, loc *time.Location) (time.Time, error) {
	d, err := ParseDateJSON(raw, time.Time{}, loc)
	switch {
	case err != nil:
		return time.Time{}, err
	case d.Words:
		return time.Time{}, errors.New("words would move with every reading; write a date such as \"2026-12-01 09:00\"")
	case kindOf(raw) == kindNothing:
		return time.Time{}, errors.New("the date is missing")
	}
	return d.Time, nil
}

// lastOf reads a date that is an inclusive end: a day alone is its last millisecond.
func lastOf(raw []byte, loc *time.Location) (time.Time, error) {
	t, err := fixedDate(raw, loc)
	if err != nil {
		return time.Time{}, err
	}
	if text, err := unquote(raw); err == nil && len(strings.TrimSpace(text)) == len("2026-12-01") && kindOf(raw) == kindString {
		number, _ := dayOf(reading(t.UnixMilli(), orUTC(loc)))
		return time.UnixMilli(instantsOf((number+1)*day, orUTC(loc)).first - 1).UTC(), nil
	}
	return t, nil
}
