package when

import (
	"math/bits"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// frequency is the FREQ of a recurrence, from the shortest period to the longest.
type frequency int8

const (
	secondly frequency = iota
	minutely
	hourly
	daily
	weekly
	monthly
	yearly
)

func (f frequency) String() string {
	return [...]string{"SECONDLY", "MINUTELY", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"}[f]
}

// recurrence is an iCalendar RRULE as written, but for COUNT and UNTIL. Sets of numbers are bits; an empty one was not given.
type recurrence struct {
	freq      frequency
	interval  int64
	weekStart int // WKST, 0 is Sunday
	months    uint16
	weeks     []int // BYWEEKNO, sorted; below zero from the end of the year
	yearDays  []int // BYYEARDAY, likewise
	monthDays uint32
	lastDays  uint32 // bit n is the n-th day from the end of the month
	weekdays  uint8
	nth       []nthWeekday
	hours     uint32
	minutes   uint64
	seconds   uint64
	positions []int // BYSETPOS
}

// nthWeekday is a weekday with a number, as in BYDAY=-1FR: the last Friday.
type nthWeekday struct{ n, weekday int }

// hasDays says whether the recurrence says which days of its period it means.
func (r *recurrence) hasDays() bool {
	return len(r.weeks) > 0 || len(r.yearDays) > 0 || r.monthDays|r.lastDays != 0 || r.hasWeekdays()
}

func (r *recurrence) hasWeekdays() bool { return r.weekdays != 0 || len(r.nth) > 0 }

// weekMatters says whether the rule means something else with weeks that begin on another day.
func (r *recurrence) weekMatters() bool {
	return len(r.weeks) > 0 || r.freq == weekly && (r.interval > 1 || len(r.positions) > 0)
}

// String writes the rule in one way for all ways to write the same one.
func (r *recurrence) String() string {
	b := append([]byte("FREQ="), r.freq.String()...)
	part := func(name string, values []string) {
		if len(values) > 0 {
			b = append(append(append(b, ';'), name...), '=')
			b = append(b, strings.Join(values, ",")...)
		}
	}
	if r.interval > 1 {
		part("INTERVAL", []string{strconv.FormatInt(r.interval, 10)})
	}
	part("BYMONTH", numbersOf(uint64(r.months), ""))
	part("BYWEEKNO", decimals(r.weeks))
	part("BYYEARDAY", decimals(r.yearDays))
	part("BYMONTHDAY", append(numbersOf(uint64(r.monthDays), ""), numbersOf(uint64(r.lastDays), "-")...))
	part("BYDAY", r.weekdayCodes())
	part("BYHOUR", numbersOf(uint64(r.hours), ""))
	part("BYMINUTE", numbersOf(r.minutes, ""))
	part("BYSECOND", numbersOf(r.seconds, ""))
	part("BYSETPOS", decimals(r.positions))
	if r.weekStart != int(time.Monday) && r.weekMatters() {
		part("WKST", []string{weekdayCode(r.weekStart)})
	}
	return string(b)
}

func (r *recurrence) weekdayCodes() []string {
	var codes []string
	for i := range 7 {
		if weekday := (i + 1) % 7; r.weekdays>>weekday&1 != 0 {
			codes = append(codes, weekdayCode(weekday))
		}
	}
	for _, d := range r.nth {
		codes = append(codes, strconv.Itoa(d.n)+weekdayCode(d.weekday))
	}
	return codes
}

// weekdayCode is how iCalendar writes a weekday.
func weekdayCode(weekday int) string { return "SUMOTUWETHFRSA"[weekday*2 : weekday*2+2] }

func numbersOf(set uint64, sign string) []string {
	var all []string
	for ; set != 0; set &= set - 1 {
		all = append(all, sign+strconv.Itoa(bits.TrailingZeros64(set)))
	}
	return all
}

func decimals(numbers []int) []string {
	all := make([]string, len(numbers))
	for i, n := range numbers {
		all[i] = strconv.Itoa(n)
	}
	return all
}

// origin is a beginning that a text gives itself: the instant, and what clocks showed or, in a gap, would have shown.
type origin struct{ at, shows int64 }

// shownAt gives the reading from which to count for an anchor.
func (o *origin) shownAt(anchor int64, loc *time.Location) int64 {
	if o != nil && o.at == anchor {
		return o.shows
	}
	return reading(anchor, loc)
}

// recurSeries is a recurrence on the clocks of a zone. What the recurrence leaves open comes from the anchor: FREQ=DAILY is at the anchor's
// time of day. Rules of days and longer are clock readings, those of hours and below exact time since the anchor.
type recurSeries struct {
	rule  recurrence
	loc   *time.Location
	begin string  // the DTSTART line of the text; or ""
	start *origin // what begin says
	// latestUse is the rule as it applies to the anchor that was asked for last. A task has one first date, so that it is
	// worked out once. It changes nothing in what the series gives.
	latestUse atomic.Pointer[expansion]
}

func (s *recurSeries) String() string {
	if s.begin == "" {
		return s.rule.String()
	}
	return s.begin + "\nRRULE:" + s.rule.String()
}

// anchored says whether something is counted from the anchor or taken from it.
func (s *recurSeries) anchored() bool {
	r := &s.rule
	switch {
	case r.interval > 1, r.freq >= minutely && r.seconds == 0, r.freq >= hourly && r.minutes == 0, r.freq >= daily && r.hours == 0:
		return true
	case r.freq == weekly:
		return !r.hasWeekdays()
	case r.freq == yearly && len(r.weeks) > 0:
		return len(r.yearDays) == 0 && r.monthDays|r.lastDays == 0 && !r.hasWeekdays()
	}
	return r.freq == secondly || r.freq > daily && !r.hasDays()
}

// from gives the rule as it applies to an anchor.
func (s *recurSeries) from(anchor int64) *expansion {
	if e := s.latestUse.Load(); e != nil && e.anchor == anchor {
		return e
	}
	e := expand(&s.rule, anchor, s.start.shownAt(anchor, s.loc), s.loc)
	s.latestUse.Store(e)
	return e
}

func (s *recurSeries) after(anchor, t int64) (int64, bool) {
	e := s.from(anchor)
	switch {
	case e.freq < daily:
		return e.exactAfter(max(t, anchor-1))
	case e.second && t < anchor:
		return anchor, true
	}
	return e.clocks.after(anchor, t)
}

func (s *recurSeries) latest(anchor, t int64) (int64, bool) {
	if t < anchor {
		return 0, false
	}
	e := s.from(anchor)
	if e.freq < daily {
		return e.exactLatest(min(t, lastReading))
	}
	at, ok := e.clocks.latest(anchor, t)
	if !ok && e.second {
		return anchor, true
	}
	return at, ok
}
