package when

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// longestRepeating bounds the text of a repeating interval, in bytes.
const longestRepeating = 1024

const repeatingForms = "write R5/2026-12-01T00:00:00Z/P1M, R/2026-12-01/P1D, R5/P1D, R3/start/end or R/P1D/end"

// parseRepeating reads an ISO 8601 repeating interval. The number after R is how many occurrences there are in all, the first one being
// the start:
//
//	R5/2026-12-01T00:00:00Z/P1M  from a start, every month
//	R5/P1D, R/PT5M               from the anchor, which is the task's date
//	R3/start/end                 from the start, every time the length between the two
//	R5/P1D/end                   the last one at the end, the others counted back from it
//
// Dates without a zone are on the clocks of the scope's. Between two of those whole days are counted as days and the rest exactly;
// else the length is exact.
func parseRepeating(text string, scope Scope) (parsed, error) {
	p, err := readRepeating(strings.TrimSpace(text), scope)
	if err != nil {
		return parsed{}, fmt.Errorf("cannot read the repeating interval %s: %w", quote(text), err)
	}
	return p, nil
}

func readRepeating(text string, scope Scope) (p parsed, err error) {
	if len(text) > longestRepeating {
		return p, fmt.Errorf("it is longer than %d bytes", longestRepeating)
	}
	parts := strings.Split(text, "/")
	if len(parts) < 2 || len(parts) > 3 || parts[0] == "" || parts[0][0]|0x20 != 'r' {
		return p, errors.New(repeatingForms)
	}
	if p.count, err = times(parts[0][1:]); err != nil {
		return p, err
	}
	first, second := parts[1], ""
	if len(parts) == 3 {
		second = parts[2]
	}
	switch loc := scope.zone(); {
	case len(parts) == 2 && isDuration(first):
		p.series, err = repeatingEvery(first, nil, loc)
	case len(parts) == 2 && first == "":
		err = fmt.Errorf("nothing comes after the /; %s", repeatingForms)
	case len(parts) == 2:
		err = fmt.Errorf("after %s there is no duration; %s", quote(first), repeatingForms)
	case isDuration(first) && isDuration(second):
		err = fmt.Errorf("it has two durations, %s and %s; %s", quote(first), quote(second), repeatingForms)
	case isDuration(second):
		err = p.fromStart(first, second, loc)
	case isDuration(first):
		err = p.toEnd(first, second, loc)
	default:
		err = p.between(first, second, loc)
	}
	return p, err
}

func isDuration(text string) bool {
	return strings.HasPrefix(strings.TrimLeft(text, "+-"), "P") || strings.HasPrefix(text, "p")
}

// times reads how many occurrences there are; 0 is no limit, as nothing is.
func times(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case !isDigits(text) || err != nil:
		return 0, fmt.Errorf("there is no whole number above zero in %s, as in R5; leave the number out for no limit", quote("R"+text))
	case n == 0:
		return 0, errors.New("it never comes: R0 is no times; leave the number out for no limit")
	}
	return n, nil
}

func repeatingEvery(text string, start *origin, loc *time.Location) (*intervalSeries, error) {
	every, err := parseISO(text)
	if err == nil && every.zero() {
		err = errors.New("it never advances")
	}
	if err != nil {
		return nil, fmt.Errorf("the duration %s: %w", quote(text), err)
	}
	return &intervalSeries{every: every, loc: loc, start: start}, nil
}

// written is a date of the text.
type written struct {
	origin
	local bool // without a zone
}

func readWritten(name, text string, loc *time.Location) (w written, err error) {
	if m, err := readMoment(text); err == nil { // the basic form, without separators
		return written{origin{at: m.instant(loc), shows: m.shownIn(loc)}, !m.utc}, nil
	}
	t, ok, err := parseMachine(text, loc)
	if err == nil && !ok {
		err = errors.New("it is no date; write one such as 2026-12-01T09:00:00Z or 2026-12-01T09:00")
	}
	if err == nil && (!inYears(t) || t.UnixMilli() == firstReading) {
		err = errors.New("it lies outside the years 1 to 9999, or is their first instant")
	}
	if err != nil {
		return w, fmt.Errorf("the %s %s: %w", name, quote(text), err)
	}
	w.at = cut(t.UTC()).UnixMilli()
	w.shows = reading(w.at, loc)
	asUTC, _, _ := parseMachine(text, time.UTC) // the same text was read above
	elsewhere, _, _ := parseMachine(text, time.FixedZone("", 60*60))
	if w.local = !asUTC.Equal(elsewhere); w.local {
		w.shows = cut(asUTC.UTC()).UnixMilli()
	}
	return w, nil
}

// shownIn gives what clocks in loc show, or in a gap would have shown, at a moment.
func (m moment) shownIn(loc *time.Location) int64 {
	if m.utc {
		return reading(m.shows, loc)
	}
	return m.shows
}

func (p *parsed) fromStart(start, duration string, loc *time.Location) error {
	from, err := readWritten("start", start, loc)
	if err != nil {
		return err
	}
	p.start = time.UnixMilli(from.at).UTC()
	p.series, err = repeatingEvery(duration, &from.origin, loc)
	return err
}

func (p *parsed) between(start, end string, loc *time.Location) error {
	from, err := readWritten("start", start, loc)
	if err != nil {
		return err
	}
	to, err := readWritten("end", end, loc)
	if err != nil {
		return err
	}
	every := interval{ms: to.at - from.at}
	if from.local && to.local {
		every = interval{days: (to.shows - from.shows) / day, ms: (to.shows - from.shows) % day}
	}
	if every.days < 0 || every.ms < 0 || every.zero() {
		return fmt.Errorf("the end %s does not lie after the start %s", quote(end), quote(start))
	}
	p.start = time.UnixMilli(from.at).UTC()
	p.series = &intervalSeries{every: every, loc: loc, start: &from.origin}
	return nil
}

func (p *parsed) toEnd(duration, end string, loc *time.Location) error {
	to, err := readWritten("end", end, loc)
	if err != nil {
		return err
	}
	forward, err := repeatingEvery(duration, nil, loc)
	if err != nil {
		return err
	}
	s := &countdownSeries{every: forward.every, loc: loc, end: to.origin}
	p.series, p.until = s, time.UnixMilli(to.at).UTC()
	if p.count == 0 {
		return nil
	}
	first, ok := s.at(p.count - 1)
	if more := s.every.together(first-1, to.at, loc, s.index); ok && more > 0 {
		first, ok = s.at(p.count - 1 + more)
	}
	if !ok || first == firstReading {
		return fmt.Errorf("%d times %s before the end lies before the year 1", p.count-1, quote(duration))
	}
	p.start = time.UnixMilli(first).UTC()
	return nil
}
