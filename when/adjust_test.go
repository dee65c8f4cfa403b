package when_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/adlayer/after/when"
)

// workdays says again what business days are, of days and times as they are written.
type workdays struct {
	loc    *time.Location
	days   []string // that are excluded
	ranges [][2]time.Time
}

func (w *workdays) instant(day time.Time, clock string) time.Time {
	date, err := when.ParseDate(day.Format(time.DateOnly)+" "+clock, time.Time{}, w.loc)
	if err != nil {
		panic(err)
	}
	return date.Time
}

func (w *workdays) closed(day time.Time, clock string) bool {
	at := w.instant(day, clock)
	return day.Weekday() == time.Saturday || day.Weekday() == time.Sunday || slices.Contains(w.days, day.Format(time.DateOnly)) ||
		slices.ContainsFunc(w.ranges, func(r [2]time.Time) bool { return !at.Before(r[0]) && !at.After(r[1]) })
}

// TestAdjustLaws holds adjusted rules of fixed times against days that are looked at one by one.
func TestAdjustLaws(t *testing.T) {
	t.Parallel()
	clocks := []string{"00:00", "02:30", "03:00", "12:00", "12:30", "23:30"}
	rapid.Check(t, func(t *rapid.T) {
		loc, err := when.LoadLocation(rapid.SampledFrom([]string{"", "Europe/Berlin", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Beirut"}).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Date(2010, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, rapid.IntRange(0, 20*365).Draw(t, "begin"))
		if changed := begin; rapid.Bool().Draw(t, "near a change") {
			_, end := changed.In(loc).ZoneBounds()
			if !end.IsZero() {
				begin = end.UTC().Truncate(24*time.Hour).AddDate(0, 0, -rapid.IntRange(1, 20).Draw(t, "days before it"))
			}
		}
		w := &workdays{loc: loc}
		var except []string
		for range rapid.IntRange(0, 6).Draw(t, "exceptions") {
			day := begin.AddDate(0, 0, rapid.IntRange(0, 30).Draw(t, "day"))
			if rapid.Bool().Draw(t, "whole") {
				w.days = append(w.days, day.Format(time.DateOnly))
				except = append(except, fmt.Sprintf("%q", day.Format(time.DateOnly)))
				continue
			}
			r := [2]time.Time{w.instant(day, "12:00"), w.instant(day, "13:00")}
			w.ranges = append(w.ranges, r)
			except = append(except, fmt.Sprintf("%q", when.Format(r[0])+"/"+when.Format(r[1])))
		}
		chosen := slices.Compact(slices.Sorted(slices.Values(rapid.SliceOfN(rapid.SampledFrom(clocks), 1, 3).Draw(t, "clocks"))))
		weekday := rapid.IntRange(-1, 6).Draw(t, "weekday")
		var lines []string
		for _, clock := range chosen {
			line := strings.TrimPrefix(clock[3:], "0") + " " + strings.TrimPrefix(clock[:2], "0")
			day := "*"
			if weekday >= 0 {
				day = strconv.Itoa(weekday)
			}
			lines = append(lines, fmt.Sprintf("%q", line+" * * "+day))
		}
		adjust := rapid.SampledFrom([]string{"next", "previous"}).Draw(t, "adjust")
		raw := fmt.Sprintf(`{"any":[%s],"adjust":%q,"except":[%s]}`, strings.Join(lines, ","), adjust, strings.Join(except, ","))
		r, err := when.ParseRule([]byte(raw), when.Scope{Zone: loc})
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		var want []time.Time
		for n := range 80 {
			day := begin.AddDate(0, 0, n-40)
			if weekday >= 0 && int(day.Weekday()) != weekday {
				continue
			}
			for _, clock := range chosen {
				to := day
				for w.closed(to, clock) {
					if to = to.AddDate(0, 0, 1); adjust == "previous" {
						to = to.AddDate(0, 0, -2)
					}
				}
				want = append(want, w.instant(to, clock))
			}
		}
		first, last := begin, begin.AddDate(0, 0, 30)
		want = slices.DeleteFunc(want, func(d time.Time) bool { return !d.After(first) || d.After(last) })
		slices.SortFunc(want, time.Time.Compare)
		want = slices.CompactFunc(want, time.Time.Equal)
		from := begin.AddDate(-1, 0, 0)
		got := slices.Collect(r.Between(from, first, last))
		if !slices.EqualFunc(got, want, time.Time.Equal) {
			t.Fatalf("%s in %s from %s:\n got %v\nwant %v", raw, loc, begin, got, want)
		}
		for i, date := range got {
			if latest, ok := r.Latest(from, date.Add(time.Millisecond)); !ok || !latest.Equal(date) {
				t.Fatalf("%s in %s: the latest after %s (%d) is %s, %t", raw, loc, date, i, latest, ok)
			}
		}
	})
}
