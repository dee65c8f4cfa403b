package when_test

import (
	"slices"
	"testing"
	"time"

	"github.com/adlayer/after/when"
)

func TestRewind(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text, zone, from, to string
		moves                bool
	}{
		{"0 9 * * *", "", "2026-11-22T09:00:00Z", "2025-01-01T00:00:00Z", true},
		{"P1D", "Europe/Berlin", "2026-11-22T09:00:00Z", "2025-01-01T00:00:00Z", true},
		{"PT7H", "", "2026-11-22T09:00:00Z", "2025-01-01T00:00:00Z", true},
		{"P1M", "Europe/Berlin", "2026-12-31T09:00:00Z", "2025-04-02T00:00:00Z", true},
		{"P1Y", "", "2024-02-29T09:00:00Z", "2021-04-02T00:00:00Z", true},
		{"every other friday at 15:00", "America/New_York", "2026-11-22T09:00:00Z", "2025-01-01T00:00:00Z", true},
		{"FREQ=MONTHLY;INTERVAL=5;BYMONTHDAY=13", "", "2026-11-30T09:00:00Z", "2025-01-01T00:00:00Z", true},
		{"P1MT1H", "", "2026-12-31T09:00:00Z", "2025-04-02T00:00:00Z", false},
		{"P1D", "", "2026-11-22T09:00:00Z", "2026-12-01T00:00:00Z", false},
		{`{"any":["P1D","P2D"]}`, "", "2026-11-22T09:00:00Z", "2025-01-01T00:00:00Z", false},
	} {
		loc := zone(t, c.zone)
		r, err := when.ParseRuleText(c.text, when.Scope{Zone: loc})
		if err != nil {
			t.Fatal(err)
		}
		from, to := at(t, c.from), at(t, c.to)
		back := r.Rewind(from, to)
		if moves := !back.Equal(from); moves != c.moves || moves && back.After(to) {
			t.Errorf("%s from %s to %s: %s", c.text, c.from, c.to, back)
			continue
		}
		end := from.AddDate(3, 0, 0)
		before := from.Add(-time.Millisecond)
		want, got := slices.Collect(r.Between(from, before, end)), slices.Collect(r.Between(back, before, end))
		if !slices.EqualFunc(got, want, time.Time.Equal) {
			t.Errorf("%s from %s, rewound to %s, has %v, want %v", c.text, c.from, back, got, want)
		}
		if first, ok := r.First(back); c.moves && (!ok || !first.Before(from)) {
			t.Errorf("%s, rewound to %s, begins at %s", c.text, back, first)
		}
	}
}
