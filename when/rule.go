package when

import (
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"iter"
	"strings"
	"time"
)

// Rule is a parsed repeat. Occurrences are asked for from a first date, the date of the task: intervals count from it, and no rule has
// an occurrence before it. A Rule is immutable and safe for concurrent use.
type Rule struct {
	members []member // what it is made of: one, or several whose occurrences are taken together
	loc     *time.Location
	zoned   bool // the zone is named by the rule itself
	limit   int64
	from    int64 // no occurrence before; where it is set, intervals count from it
	until   int64 // no occurrence after
	bounded bool  // from is set
	jitter  time.Duration
	except  *exclusions // nil excludes nothing
	adjust  adjustment
}

// member is one of the recurrences that a rule takes together.
type member struct {
	series series
	extra  []int64 // further occurrences, sorted
	except []int64 // occurrences that are left out, sorted
	start  int64   // where the series begins by itself: its anchor; only where begun
	until  int64   // its own last instant
	begun  bool
	comes  bool // it was looked at that there is an occurrence
}

// longestRule bounds the text of a rule, in bytes: room for lists of dates.
const longestRule = 64 << 10

// ParseRule reads a repeat from JSON:
//   - a text as [ParseRuleText] takes it, but an object;
//   - a number of milliseconds;
//   - an object with one of: the units years, months, weeks, days, hours, minutes, seconds, milliseconds (also singular, or y M w d h m s
//     ms), each a whole number above zero; cron; rrule; every (a text in any grammar, or a number of milliseconds); any (an array of
//     repeats, taken together). Beside it: timezone, from and until (dates without words, inclusive; a day alone is that whole
//     day), limit (how many times it fires in all), jitter (a duration), except (a date, a day, a range {"from", "until"}, the id
//     of a calendar document, {"calendar": id}, or an array of these), adjust ("next", "previous" or "skip": what becomes of an
//     occurrence on Saturday, Sunday or a day in except).
//
// Errors name the key, say what is wrong and what to write.
func ParseRule(raw []byte, scope Scope) (*Rule, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) > longestRule {
		return nil, fmt.Errorf("it is longer than %d bytes", longestRule)
	}
	switch kindOf(raw) {
	case kindObject:
		return parseObject(raw, scope)
	case kindString:
		text, err := unquote(raw)
		if err != nil {
			return nil, err
		}
		return parseText(text, scope)
	case kindNumber:
		p, err := parseMillisecondsIn(raw, scope)
		if err != nil {
			return nil, err
		}
		return newRule(p, scope)
	case kindNothing, kindOther:
	}
	return nil, fmt.Errorf("%s must be a cron line, a phrase, an ISO 8601 duration, an object such as {\"days\": 1} or a number of milliseconds",
		shorten(string(raw)))
}

// ParseRuleText reads a repeat as a person types it: a cron line ("0 9 * * MON-FRI"), an ISO 8601 duration ("P1D") or repeating interval
// ("R5/2026-12-01T00:00:00Z/P1M"), an iCalendar rule ("FREQ=WEEKLY;BYDAY=FR"), a phrase ("every weekday at 9:00"), a number of
// milliseconds, or an object as [ParseRule] takes it.
func ParseRuleText(text string, scope Scope) (*Rule, error) {
	trimmed := strings.TrimSpace(text)
	switch {
	case len(trimmed) > longestRule:
		return nil, fmt.Errorf("it is longer than %d bytes", longestRule)
	case strings.HasPrefix(trimmed, "{"):
		return ParseRule([]byte(trimmed), scope)
	case isDigits(trimmed):
		return ParseRule([]byte(trimmed), scope)
	}
	return parseText(trimmed, scope)
}

func parseText(text string, scope Scope) (*Rule, error) {
	p, err := parseGrammar(strings.TrimSpace(text), scope)
	if err != nil {
		return nil, err
	}
	return newRule(p, scope)
}

// parseGrammar tells the grammars of a text apart.
func parseGrammar(text string, scope Scope) (parsed, error) {
	upper := strings.ToUpper(text[:min(len(text), 8)])
	switch {
	case text == "":
		return parsed{}, errors.New("it is empty; write a rule such as \"every 5 minutes\", \"0 9 * * *\" or \"P1D\"")
	case strings.HasPrefix(upper, "P") && looksLikeISO(text):
		every, err := parseISO(text)
		if err != nil {
			return parsed{}, fmt.Errorf("cannot read the duration %s: %w", quote(text), err)
		}
		return intervalOf(every, scope)
	case strings.HasPrefix(upper, "-P"):
		return parsed{}, fmt.Errorf("cannot read the duration %s: it is negative", quote(text))
	case strings.HasPrefix(upper, "R") && strings.Contains(text, "/") && !strings.Contains(text, "="):
		return parseRepeating(text, scope)
	case strings.HasPrefix(upper, "FREQ="), strings.HasPrefix(upper, "RRULE"), strings.HasPrefix(upper, "DTSTART"),
		strings.HasPrefix(upper, "EXDATE"), strings.HasPrefix(upper, "RDATE"), strings.Contains(strings.ToUpper(text), "FREQ="):
		return parseRRule(text, scope)
	case LooksLikeCron(text):
		return parseCron(text, scope)
	}
	return parsePhrase(text, scope)
}

// looksLikeISO says whether text is meant as an ISO 8601 duration and not as a word that begins with P.
func looksLikeISO(text string) bool {
	return len(text) == 1 || len(text) <= longestDate && strings.ContainsAny(text[1:2], "0123456789Tt-.,")
}

// intervalOf is the recurrence of an interval that is counted from the first date.
func intervalOf(every interval, scope Scope) (parsed, error) {
	if every.zero() {
		return parsed{}, errNeverAdvances
	}
	return parsed{series: &intervalSeries{every: every, loc: scope.zone()}}, nil
}

var errNeverAdvances = errors.New("it never advances: give at least one of years, months, weeks, days, hours, minutes, seconds, milliseconds")

// newRule makes a rule of one recurrence.
func newRule(p parsed, scope Scope) (*Rule, error) {
	r := &Rule{loc: scope.zone(), from: firstReading, until: lastReading}
	if err := r.add(p); err != nil {
		return nil, err
	}
	return r.checked()
}

// mostCounted bounds a count of occurrences that has to be walked through.
const mostCounted = 100_000

// add makes a recurrence the rule's only one. What it says of its own beginning and end becomes the rule's.
func (r *Rule) add(p parsed) error {
	m := member{series: p.series, extra: p.extra, except: p.except, start: firstReading, until: lastReading, comes: p.comes}
	if !r.zoned {
		r.loc = m.series.zone()
		if p.zone != nil {
			r.loc = p.zone
		}
	}
	if !p.start.IsZero() {
		m.start, m.begun = p.start.UnixMilli(), true
	}
	if !p.until.IsZero() {
		m.until = p.until.UnixMilli()
	}
	switch begun := m.begun || r.bounded; {
	case p.count == 0:
	case !begun && len(p.extra) == 0:
		if r.limit == 0 || p.count < r.limit {
			r.limit = p.count
		}
	case !begun:
		return errors.New("a COUNT beside RDATE needs a DTSTART to count from")
	case p.count > mostCounted:
		return fmt.Errorf("a count of %d is too large: at most %d, or use until", p.count, mostCounted)
	default:
		m.until = min(m.until, r.countFrom(&m, p.count))
	}
	if len(p.extra) == 0 { // its bounds are the rule's
		if m.begun && (!r.bounded || r.from == m.start) {
			r.from, r.bounded, m.begun = m.start, true, false
		}
		r.until, m.until = min(r.until, m.until), lastReading
	}
	r.members = []member{m}
	return nil
}

// countFrom gives the occurrence of a number, counted from the first.
func (r *Rule) countFrom(m *member, count int64) int64 {
	start := r.anchor(firstReading, m)
	last := start - 1
	for range count {
		next, ok := m.series.after(start, last)
		if !ok {
			break
		}
		last = next
	}
	return last
}

// checked refuses a rule that never comes, whatever the first date.
func (r *Rule) checked() (*Rule, error) {
	if r.until < r.from {
		return nil, fmt.Errorf("it never comes: until (%s) lies before from (%s)", Format(time.UnixMilli(r.until)), Format(time.UnixMilli(r.from)))
	}
	if (r.adjust == toNext || r.adjust == toPrevious) && r.dense() {
		return nil, errors.New("adjust: \"next\" and \"previous\" move days, and go with a rule of a minute or longer; use \"skip\"")
	}
	if r.until < lastReading || r.except != nil || r.adjust != noAdjustment {
		return r, nil // whether there is an occurrence depends on the first date
	}
	for i := range r.members {
		m := &r.members[i]
		if m.comes || m.series.anchored() || len(m.extra) > 0 {
			return r, nil // intervals always come
		}
		if _, ok := m.series.after(firstReading, firstReading); ok {
			return r, nil
		}
	}
	return nil, fmt.Errorf("it never comes: %s has no occurrence up to the year 9999", quote(r.String()))
}

// Limit is how many times the rule fires in all; 0 is no limit. The Rule itself does not count.
func (r *Rule) Limit() int64 { return r.limit }

// Until is the last instant at which the rule may fire; zero where none is set.
func (r *Rule) Until() time.Time {
	if r.until == lastReading {
		return time.Time{}
	}
	return time.UnixMilli(r.until).UTC()
}

// Zone is the zone that the rule is read in.
func (r *Rule) Zone() *time.Location { return r.loc }

// Anchored says whether the occurrences depend on the first date beyond beginning with it, as those of intervals do; those of a
// cron line do not.
func (r *Rule) Anchored() bool {
	for i := range r.members {
		if r.members[i].series.anchored() && !r.members[i].begun && !r.bounded {
			return true
		}
	}
	return false
}

// Calendars gives the ids of the calendar documents that the rule was read with.
func (r *Rule) Calendars() []string {
	if r.except == nil {
		return nil
	}
	return r.except.calendars
}

// Jitter gives how long after its nominal date the firing with this key starts: the same for the same key, spread evenly from zero up
// to the rule's jitter, in milliseconds.
func (r *Rule) Jitter(key string) time.Duration {
	if r.jitter <= 0 {
		return 0
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(key)) // a hash never fails
	mixed := h.Sum64()
	mixed ^= mixed >> 33
	mixed *= 0xff51afd7ed558ccd
	mixed ^= mixed >> 33
	steps := uint64(r.jitter/time.Millisecond) + 1
	return time.Duration(mixed%steps) * time.Millisecond //nolint:gosec // below the jitter
}

// First gives the first occurrence at or after the first date. ok is false where none comes.
func (r *Rule) First(from time.Time) (date time.Time, ok bool) {
	from = cut(from)
	return r.After(from, from.Add(-time.Millisecond))
}

// After gives the first occurrence after t, for a task with the first date from. The cost does not grow with the time between them.
// ok is false where none comes any more.
func (r *Rule) After(from, t time.Time) (date time.Time, ok bool) {
	at, ok := r.after(from.UnixMilli(), t.UnixMilli())
	if !ok {
		return time.Time{}, false
	}
	return time.UnixMilli(at).UTC(), true
}

// Latest gives the last occurrence at or before t. ok is false where there is none since from.
func (r *Rule) Latest(from, t time.Time) (date time.Time, ok bool) {
	at, ok := r.latest(from.UnixMilli(), t.UnixMilli())
	if !ok {
		return time.Time{}, false
	}
	return time.UnixMilli(at).UTC(), true
}

// Count gives how many occurrences lie after a and up to b, but counts no further than most.
func (r *Rule) Count(from, a, b time.Time, most int64) int64 {
	n, at := int64(0), a.UnixMilli()
	if counts, ok := r.plain(); ok {
		if n, ok := counts.count(r.anchor(from.UnixMilli(), &r.members[0]), max(at, from.UnixMilli()-1), min(b.UnixMilli(), r.until)); ok {
			return max(0, min(n, most))
		}
	}
	for n < most {
		next, ok := r.after(from.UnixMilli(), at)
		if !ok || next > b.UnixMilli() {
			break
		}
		at = next
		n++
	}
	return n
}

// counting is a series that counts without a walk.
type counting interface {
	// count gives how many occurrences lie after a and up to b.
	count(anchor, a, b int64) (int64, bool)
}

// plain gives the rule's only series where nothing takes from it or adds to it.
func (r *Rule) plain() (counting, bool) {
	if len(r.members) != 1 || r.except != nil || r.adjust != noAdjustment || r.bounded {
		return nil, false
	}
	m := &r.members[0]
	counts, ok := m.series.(counting)
	return counts, ok && !m.begun && len(m.extra) == 0 && len(m.except) == 0
}

// Between gives the occurrences after a and up to b, in order.
func (r *Rule) Between(from, a, b time.Time) iter.Seq[time.Time] {
	return func(yield func(time.Time) bool) {
		for at := a; ; {
			next, ok := r.After(from, at)
			if !ok || next.After(b) || !yield(next) {
				return
			}
			at = next
		}
	}
}
