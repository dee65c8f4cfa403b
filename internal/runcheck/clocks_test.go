package runcheck_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/adlayer/after/internal/runcheck"
	"github.com/adlayer/after/internal/torture"
	"github.com/adlayer/after/when"
)

// The dates that a rule has to give, worked out slowly and by other means than those of package when: each day is looked at by itself,
// and each clock time turned into instants by asking Go's zones what the clocks show.

// zone gives a zone of the database in the binary.
func zone(name string) *time.Location {
	loc, err := when.LoadLocation(name)
	if err != nil {
		panic(err)
	}
	return loc
}

// moment gives the instant at which clocks show a time: the first of two, and the end of the gap where there is none.
func moment(year int, month time.Month, day, hour, minute, second int, loc *time.Location) time.Time {
	shows := time.Date(year, month, day, hour, minute, second, 0, time.UTC)
	var found []time.Time
	for _, near := range []time.Duration{-30 * time.Hour, 30 * time.Hour} {
		_, offset := shows.Add(near).In(loc).Zone()
		at := shows.Add(-time.Duration(offset) * time.Second)
		if shown(at, loc).Equal(shows) {
			found = append(found, at)
		}
	}
	if len(found) > 0 {
		return slices.MinFunc(found, time.Time.Compare)
	}
	low, high := shows.Add(-30*time.Hour), shows.Add(30*time.Hour)
	for high.Sub(low) > time.Millisecond { // the first instant at which the clocks show more
		middle := low.Add(high.Sub(low) / 2).Truncate(time.Millisecond)
		if shown(middle, loc).After(shows) {
			high = middle
		} else {
			low = middle
		}
	}
	return high
}

// shown is what clocks show at an instant, as if it were UTC.
func shown(at time.Time, loc *time.Location) time.Time {
	_, offset := at.In(loc).Zone()
	return at.UTC().Add(time.Duration(offset) * time.Second)
}

// clock is a time of day.
type clock struct{ hour, minute, second int }

// daily gives the dates of clock times on chosen days, none before first.
func daily(first time.Time, loc *time.Location, on func(day time.Time) bool, clocks ...clock) runcheck.Dates {
	return func(after time.Time) (time.Time, bool) {
		if after.Before(first) {
			after = first.Add(-time.Millisecond)
		}
		start := shown(after, loc).Truncate(24*time.Hour).AddDate(0, 0, -1)
		for i := range 1500 {
			day := start.AddDate(0, 0, i)
			if !on(day) {
				continue
			}
			best := time.Time{}
			for _, c := range clocks {
				at := moment(day.Year(), day.Month(), day.Day(), c.hour, c.minute, c.second, loc)
				if at.After(after) && (best.IsZero() || at.Before(best)) {
					best = at
				}
			}
			if !best.IsZero() {
				return best, true
			}
		}
		return time.Time{}, false
	}
}

// ticking gives every instant of a grid at which the clocks show something.
func ticking(first time.Time, loc *time.Location, grid time.Duration, when func(shows time.Time) bool) runcheck.Dates {
	return func(after time.Time) (time.Time, bool) {
		if after.Before(first) {
			after = first.Add(-time.Millisecond)
		}
		for at := after.Truncate(grid).Add(grid); ; at = at.Add(grid) {
			if when(shown(at, loc)) {
				return at, true
			}
		}
	}
}

// stepping gives first and what comes each so many months and days of the calendar after it, by the clock.
func stepping(first time.Time, loc *time.Location, months, days int) runcheck.Dates {
	begin := shown(first, loc)
	return func(after time.Time) (time.Time, bool) {
		for n := 0; ; n++ {
			year, month, day := begin.Date()
			if months > 0 {
				turn := time.Date(year, month+time.Month(n*months), 1, 0, 0, 0, 0, time.UTC)
				year, month = turn.Year(), turn.Month()
				day = min(day, turn.AddDate(0, 1, -1).Day())
			}
			at := moment(year, month, day+n*days, begin.Hour(), begin.Minute(), begin.Second(), loc)
			if n == 0 {
				at = first
			}
			if at.After(after) {
				return at, true
			}
		}
	}
}

// either takes the dates of several rules together.
func either(all ...runcheck.Dates) runcheck.Dates {
	return func(after time.Time) (best time.Time, ok bool) {
		for _, dates := range all {
			if at, found := dates(after); found && (!ok || at.Before(best)) {
				best, ok = at, true
			}
		}
		return best, ok
	}
}

// unless leaves dates out; until is the last instant there may be one, where it is not zero.
func unless(dates runcheck.Dates, out func(at time.Time) bool, until time.Time) runcheck.Dates {
	return func(after time.Time) (time.Time, bool) {
		for at, ok := dates(after); ; at, ok = dates(at) {
			if !ok || !until.IsZero() && at.After(until) {
				return time.Time{}, false
			}
			if out == nil || !out(at) {
				return at, true
			}
		}
	}
}

func lastOfMonth(day time.Time) bool { return day.AddDate(0, 0, 1).Day() == 1 }

func isBusiness(day time.Time) bool {
	return day.Weekday() != time.Saturday && day.Weekday() != time.Sunday
}

// TestClocks holds the slow dates to some that are known.
func TestClocks(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		got  time.Time
		want string
	}{
		"gap":              {moment(2026, 3, 29, 2, 30, 0, zone("Europe/Berlin")), "2026-03-29T01:00:00Z"},
		"overlap":          {moment(2026, 10, 25, 2, 30, 0, zone("Europe/Berlin")), "2026-10-25T00:30:00Z"},
		"half an hour":     {moment(2026, 10, 4, 2, 15, 0, zone("Australia/Lord_Howe")), "2026-10-03T15:30:00Z"},
		"a day skipped":    {moment(2011, 12, 30, 9, 0, 0, zone("Pacific/Apia")), "2011-12-30T10:00:00Z"},
		"midnight skipped": {moment(2018, 11, 4, 0, 0, 0, zone("America/Sao_Paulo")), "2018-11-04T03:00:00Z"},
	} {
		if got := c.got.UTC().Format(time.RFC3339); got != c.want {
			t.Errorf("%s: %s, not %s", name, got, c.want)
		}
	}
}

// TestMovedDates holds rules that are moved to days with business to the slow dates, from any instant on.
func TestMovedDates(t *testing.T) {
	t.Parallel()
	r := source(t)
	for range torture.Times(300) {
		loc := zone(pick(r, zones()...))
		year := 2012 + r.IntN(25)
		closed := someDays(r, year)
		raw, err := json.Marshal(map[string]any{"dates": slices.Collect(maps.Keys(closed))})
		if err != nil {
			t.Fatal(err)
		}
		calendar, err := when.ParseCalendar(raw)
		if err != nil {
			t.Fatal(err)
		}
		o := adjusted(clock{4 + r.IntN(20), r.IntN(60), 0})
		raw, err = json.Marshal(o.repeat)
		if err != nil {
			t.Fatal(err)
		}
		rule, err := when.ParseRule(raw, when.Scope{Zone: loc, Calendar: func(string) (*when.Calendar, error) { return calendar, nil }})
		if err != nil {
			t.Fatal(err)
		}
		first := time.Date(year, 1, 1, 0, 0, r.IntN(300*86_400), 0, time.UTC)
		dates := o.dates(first, loc, closed.has)
		at := first.Add(time.Duration(r.IntN(60*86_400)) * time.Second)
		for range 12 {
			want, _ := dates(at)
			got, ok := rule.After(first, at)
			if !ok || !got.Equal(want) {
				t.Fatalf("%s in %s, first %s: after %s comes %s, not %s", raw, loc, first, at, got, want)
			}
			at = at.Add(time.Duration(r.IntN(20*86_400)) * time.Second)
		}
	}
}
