package when

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/adlayer/after/internal/torture"
)

// naive is a second reading of the standard, in UTC: it walks over all periods and all days and seconds in them. It is for what the library gets
// wrong or never finds.
type naive struct {
	freq      frequency
	interval  int
	weekStart time.Weekday
	numbers   map[string][]int
	days      []string
	start     time.Time
}

func readNaive(text string, start time.Time) *naive {
	n := &naive{interval: 1, weekStart: time.Monday, numbers: map[string][]int{}, start: start}
	for part := range strings.SplitSeq(text, ";") {
		name, value, _ := strings.Cut(part, "=")
		switch name {
		case "FREQ":
			n.freq, _ = frequencyOf(value)
		case "INTERVAL":
			n.interval, _ = strconv.Atoi(value)
		case "WKST":
			n.weekStart = weekdayNamed(value)
		case "BYDAY":
			n.days = strings.Split(value, ",")
		default:
			for number := range strings.SplitSeq(value, ",") {
				k, _ := strconv.Atoi(number)
				n.numbers[name] = append(n.numbers[name], k)
			}
		}
	}
	return n
}

func weekdayNamed(code string) time.Weekday {
	return time.Weekday(slices.Index([]string{"SU", "MO", "TU", "WE", "TH", "FR", "SA"}, code))
}

// any says whether a part is not given or holds one of the numbers.
func (n *naive) any(part string, numbers ...int) bool {
	list, given := n.numbers[part]
	return !given || slices.ContainsFunc(list, func(k int) bool { return slices.Contains(numbers, k) })
}

// weekStartOf gives the first day of the week of a day.
func (n *naive) weekStartOf(t time.Time) time.Time {
	for t.Weekday() != n.weekStart {
		t = t.AddDate(0, 0, -1)
	}
	return t
}

// weeks counts the week of a day within the year that has most of its days, from the beginning and from the end.
func (n *naive) weeks(t time.Time) (fromStart, fromEnd int) {
	start := n.weekStartOf(t)
	year := start.AddDate(0, 0, 3).Year()
	for w := start; w.AddDate(0, 0, 3).Year() == year; w = w.AddDate(0, 0, -7) {
		fromStart++
	}
	for w := start; w.AddDate(0, 0, 3).Year() == year; w = w.AddDate(0, 0, 7) {
		fromEnd--
	}
	return fromStart, fromEnd
}

// isDay says whether a day is one of BYDAY's.
func (n *naive) isDay(t time.Time) bool {
	same := func(o time.Time) bool {
		return o.Year() == t.Year() && (n.freq == yearly && n.numbers["BYMONTH"] == nil || o.Month() == t.Month())
	}
	before, after := 0, 0
	for o := t; same(o); o = o.AddDate(0, 0, -7) {
		before++
	}
	for o := t; same(o); o = o.AddDate(0, 0, 7) {
		after--
	}
	for _, day := range n.days {
		at := len(day) - 2
		if weekdayNamed(day[at:]) != t.Weekday() {
			continue
		}
		if k, err := strconv.Atoi(day[:at]); at == 0 || err == nil && (k == before || k == after) {
			return true
		}
	}
	return n.days == nil
}

// has says whether the rule means a day.
func (n *naive) has(t time.Time) bool {
	monthDays := time.Date(t.Year(), t.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
	yearDays := time.Date(t.Year(), 12, 31, 0, 0, 0, 0, time.UTC).YearDay()
	if !n.any("BYMONTH", int(t.Month())) || !n.any("BYMONTHDAY", t.Day(), t.Day()-monthDays-1) || !n.any("BYYEARDAY", t.YearDay(), t.YearDay()-yearDays-1) || !n.isDay(t) {
		return false
	}
	if n.numbers["BYWEEKNO"] != nil {
		if a, b := n.weeks(t); !n.any("BYWEEKNO", a, b) {
			return false
		}
	}
	if n.freq < weekly || n.days != nil || n.numbers["BYMONTHDAY"] != nil || n.numbers["BYYEARDAY"] != nil {
		return true
	}
	switch { // the rest comes from the start
	case n.freq == weekly, n.numbers["BYWEEKNO"] != nil:
		return t.Weekday() == n.start.Weekday()
	case n.freq == monthly:
		return t.Day() == n.start.Day()
	}
	return t.Day() == n.start.Day() && (n.numbers["BYMONTH"] != nil || t.Month() == n.start.Month())
}

// or gives the numbers of a part, sorted, or where it is not given, others.
func (n *naive) or(part string, others ...int) []int {
	if list := n.numbers[part]; list != nil {
		list = slices.Clone(list)
		slices.Sort(list)
		return slices.Compact(list)
	}
	return others
}

// periodOf gives where a period begins and where the next one does.
func (n *naive) periodOf(k int) (from, to time.Time) {
	s := n.start
	k *= n.interval
	switch n.freq {
	case yearly:
		from = time.Date(s.Year()+k, 1, 1, 0, 0, 0, 0, time.UTC)
		return from, from.AddDate(1, 0, 0)
	case monthly:
		from = time.Date(s.Year(), s.Month()+time.Month(k), 1, 0, 0, 0, 0, time.UTC)
		return from, from.AddDate(0, 1, 0)
	case weekly:
		from = n.weekStartOf(s.Truncate(24*time.Hour)).AddDate(0, 0, 7*k)
		return from, from.AddDate(0, 0, 7)
	default:
	}
	unit := [...]time.Duration{secondly: time.Second, minutely: time.Minute, hourly: time.Hour, daily: 24 * time.Hour}[n.freq]
	from = s.Truncate(unit).Add(time.Duration(k) * unit)
	return from, from.Add(unit)
}

// inPeriod gives all times of a period that the rule means, before BYSETPOS.
func (n *naive) inPeriod(from, to time.Time) (all []int64) {
	s := n.start
	hours, minutes, seconds := n.or("BYHOUR", s.Hour()), n.or("BYMINUTE", s.Minute()), n.or("BYSECOND", s.Second())
	switch n.freq { // what is shorter than a period filters it
	case secondly:
		hours, minutes, seconds = []int{from.Hour()}, []int{from.Minute()}, []int{from.Second()}
	case minutely:
		hours, minutes = []int{from.Hour()}, []int{from.Minute()}
	case hourly:
		hours = []int{from.Hour()}
	default:
	}
	for d := from.Truncate(24 * time.Hour); d.Before(to); d = d.AddDate(0, 0, 1) {
		if !n.has(d) {
			continue
		}
		for _, h := range hours {
			for _, m := range minutes {
				for _, s := range seconds {
					if n.any("BYHOUR", h) && n.any("BYMINUTE", m) && n.any("BYSECOND", s) {
						all = append(all, d.Add(time.Duration(h)*time.Hour+time.Duration(m)*time.Minute+time.Duration(s)*time.Second).UnixMilli())
					}
				}
			}
		}
	}
	return all
}

// until gives the occurrences up to an end.
func (n *naive) until(end int64) (list []int64) {
	for k := 0; ; k++ {
		from, to := n.periodOf(k)
		if from.UnixMilli() > end {
			return list
		}
		all := n.inPeriod(from, to)
		for i, at := range all {
			if at >= n.start.UnixMilli() && at <= end && n.any("BYSETPOS", i+1, i-len(all)) {
				list = append(list, at)
			}
		}
	}
}

func TestRRuleAgainstNaive(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 5545))
	none, failed := 0, 0
	for range torture.Times(800) {
		text := randomRule(r, true)
		start := time.UnixMilli(day*(365*20+r.Int64N(365*40)) + r.Int64N(day/second)*second).UTC()
		if err := compareWithNaive(text, start, r, &none); err != nil {
			t.Error(err)
			if failed++; failed > 10 {
				break
			}
		}
	}
	t.Logf("none in %d", none)
}

func compareWithNaive(text string, start time.Time, r *rand.Rand, none *int) error {
	n := readNaive(text, start)
	anchor := start.UnixMilli()
	end := anchor + reach[n.freq]/2
	want := n.until(end)
	if len(want) == 0 {
		*none++
	}
	p, err := parseRRule(text, Scope{})
	if err != nil {
		if len(want) == 0 && strings.HasPrefix(err.Error(), "it never comes") {
			return nil
		}
		return fmt.Errorf("%s: %w, but it comes at %s", text, err, showAll(want))
	}
	if got := follow(p.series, anchor, end, 1<<20); !slices.Equal(got, want) {
		return fmt.Errorf("%s from %s:\n got %s\nwant %s", text, Format(start), showAll(got), showAll(want))
	}
	return checkLatest(p.series, anchor, end, want, r)
}
