package when

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	rrulego "github.com/teambition/rrule-go"

	"github.com/adlayer/after/internal/torture"
)

// randomRule makes the text of a rule that the standard allows: any, or one that is not known to part us from the library, see the table in
// the documentation.
func randomRule(r *rand.Rand, all bool) string {
	freq := frequency(r.IntN(7))
	parts := []string{"FREQ=" + freq.String()}
	add := func(chance float64, name string, count, low, high int, signs bool) {
		if r.Float64() >= chance {
			return
		}
		numbers := make([]string, 1+r.IntN(count))
		for i := range numbers {
			n := low + r.IntN(high-low+1)
			if signs && r.IntN(2) == 0 {
				n = -n
			}
			numbers[i] = strconv.Itoa(n)
		}
		slices.Sort(numbers) // the library fires twice for what is written twice
		parts = append(parts, name+"="+strings.Join(slices.Compact(numbers), ","))
	}
	if r.IntN(2) == 0 {
		parts = append(parts, fmt.Sprintf("INTERVAL=%d", 1+r.IntN([...]int{400, 400, 50, 40, 8, 15, 5}[freq])))
	}
	add(0.3, "BYMONTH", 4, 1, 12, false)
	weeks := freq == yearly && r.IntN(5) == 0
	if weeks {
		most := 51 // the library misses days of the others near New Year
		if all {
			most = 53
		}
		add(1, "BYWEEKNO", 3, 1, most, true)
	}
	if freq == yearly || freq < daily {
		add(0.15, "BYYEARDAY", 5, 1, 366, true)
	}
	if freq != weekly {
		add(0.25, "BYMONTHDAY", 4, 1, 31, true)
	}
	if r.IntN(3) == 0 || weeks && (!all || r.IntN(2) == 0) {
		parts = append(parts, "BYDAY="+randomDays(r, freq, all, weeks, strings.Contains(strings.Join(parts, ";"), "BYMONTH=")))
	}
	add(0.3, "BYHOUR", 3, 0, 23, false)
	add(0.3, "BYMINUTE", 3, 0, 59, false)
	add(0.3, "BYSECOND", 3, 0, 59, false)
	if len(parts) > 2 && r.IntN(5) == 0 {
		add(1, "BYSETPOS", 2, 1, 5, true)
	}
	if r.IntN(4) == 0 {
		parts = append(parts, "WKST="+weekdayCode(r.IntN(7)))
	}
	return strings.Join(parts, ";")
}

func randomDays(r *rand.Rand, freq frequency, all, weeks, months bool) string {
	numbers := freq >= monthly && !weeks && r.IntN(2) == 0
	days := make([]string, 1+r.IntN(3))
	for i := range days {
		days[i] = weekdayCode(r.IntN(7))
		if numbers && (!all || r.IntN(3) > 0) { // the library wants days of both kinds to be both
			most := 5
			if freq == yearly && !months { // the library panics at a sixth Monday of a month
				most = 53
			}
			n := 1 + r.IntN(most)
			if r.IntN(2) == 0 {
				n = -n
			}
			days[i] = strconv.Itoa(n) + days[i]
		}
	}
	return strings.Join(days, ",")
}

// firstFew gives the first occurrences of the library's rule.
func firstFew(rule *rrulego.RRule, most int) (list []int64) {
	next := rule.Iterator()
	for len(list) < most {
		at, ok := next()
		if !ok {
			break
		}
		list = append(list, at.UnixMilli())
	}
	return list
}

func TestRRuleAgainstLibrary(t *testing.T) {
	t.Parallel()
	const workers = 4
	cases := torture.Times(100_000)
	for w := range workers {
		t.Run(strconv.Itoa(w), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(uint64(w), 5545))
			failed, few := 0, 0
			for range cases / workers {
				if err := compareWithLibrary(r, &few); err != nil {
					t.Error(err)
					if failed++; failed > 10 {
						break
					}
				}
			}
			t.Logf("nothing to compare in %d of %d", few, cases/workers)
		})
	}
}

// mostCompared is how many occurrences of a rule are compared, and reach how far it is followed: the library looks for them one period after the
// other.
const mostCompared = 6

var reach = [...]int64{
	secondly: hour, minutely: 20 * hour, hourly: 20 * day, daily: 200 * day, weekly: 500 * day, monthly: 3 * 366 * day, yearly: 5 * 366 * day,
}

// compareWithLibrary holds one random rule against the library. It follows ours first, since the library looks up to the year 9999, for minutes or
// for ever, where nothing more comes; what ours says of that is for the test by brute force.
func compareWithLibrary(r *rand.Rand, few *int) error {
	text := randomRule(r, false)
	start := time.UnixMilli(day*(365*20+r.Int64N(365*40)) + r.Int64N(day/second)*second).UTC()
	anchor := start.UnixMilli()
	p, err := parseRRule(text, Scope{})
	if err != nil {
		if strings.HasPrefix(err.Error(), "it never comes") {
			*few++
			return nil
		}
		return fmt.Errorf("%s: %w", text, err)
	}
	option, err := rrulego.StrToROption(text)
	if err != nil {
		return fmt.Errorf("%s: the library: %w", text, err)
	}
	if s, ok := p.series.(*recurSeries); ok && s.rule.freq == weekly && len(s.rule.positions) > 0 {
		// The library counts positions in the first week from the start; ours in the whole of it.
		start = start.AddDate(0, 0, -(int(start.Weekday())-s.rule.weekStart+7)%7)
		anchor = start.UnixMilli()
	}
	end := anchor + reach[frequencyIn(option)]
	if r.IntN(20) == 0 {
		end += 4 * (end - anchor)
	}
	got := follow(p.series, anchor, end, mostCompared)
	if len(got) == 0 {
		*few++
		return nil
	}
	option.Dtstart, option.Count = start, len(got)
	theirs, err := rrulego.NewRRule(*option)
	if err != nil {
		return fmt.Errorf("%s: the library: %w", text, err)
	}
	if want := firstFew(theirs, len(got)); !slices.Equal(got, want) {
		return fmt.Errorf("%s from %s:\n got %s\nwant %s", text, Format(start), showAll(got), showAll(want))
	}
	if len(got) == mostCompared {
		end = got[len(got)-1]
	}
	return checkLatest(p.series, anchor, end, got, r)
}

// follow gives the first occurrences up to an end.
func follow(s series, anchor, end int64, most int) (list []int64) {
	for at := anchor - 1; len(list) < most; {
		next, ok := s.after(anchor, at)
		if !ok || next > end {
			break
		}
		list = append(list, next)
		at = next
	}
	return list
}

// checkLatest asks for the last occurrence before a few instants, all occurrences up to an end being known.
func checkLatest(s series, anchor, end int64, all []int64, r *rand.Rand) error {
	for range 3 {
		at := anchor + r.Int64N(end-anchor+1)
		i, found := slices.BinarySearch(all, at)
		if !found {
			i--
		}
		before, ok := s.latest(anchor, at)
		if ok != (i >= 0) || ok && before != all[i] {
			return fmt.Errorf("%s from %s: latest(%s) = %s of %s", s, show(anchor, true), show(at, true), show(before, ok), showAll(all))
		}
	}
	return nil
}

// frequencyIn is the library's frequency as ours.
func frequencyIn(o *rrulego.ROption) frequency { return yearly - frequency(o.Freq) }

func showAll(list []int64) string {
	var b strings.Builder
	for i, at := range list {
		if i == 12 {
			b.WriteString("…")
			break
		}
		b.WriteString(show(at, true) + " ")
	}
	return b.String()
}
