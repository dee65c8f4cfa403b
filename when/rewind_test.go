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
		first                string // of the dates from to on
	}{
		{"0 9 * * *", "", "2026-11-22T09:00:00Z", "2025-01-01T00:00:00Z", "2025-01-01T09:00:00Z"},
		{"P1D", "Europe/Berlin", "2026-11-22T08:00:00Z", "2025-07-01T00:00:00Z", "2025-07-01T07:00:00Z"},
		{"PT7H", "", "2026-11-22T09:00:00Z", "2026-11-22T00:00:00Z", "2026-11-22T02:00:00Z"},
		{"P1M", "Europe/Berlin", "2026-12-31T09:00:00Z", "2025-04-02T00:00:00Z", "2025-04-30T08:00:00Z"},
		{"P1M", "", "2026-02-28T09:00:00Z", "2026-01-01T00:00:00Z", "2026-01-28T09:00:00Z"},
		{"P1Y", "", "2024-02-29T09:00:00Z", "2021-02-02T00:00:00Z", "2021-02-28T09:00:00Z"},
		{"every other friday at 15:00", "America/New_York", "2026-11-22T09:00:00Z", "2026-11-01T00:00:00Z", "2026-11-06T20:00:00Z"},
		{"FREQ=MONTHLY;INTERVAL=5;BYMONTHDAY=13", "", "2026-11-30T09:00:00Z", "2026-01-01T00:00:00Z", "2026-01-13T09:00:00Z"},
		{"P1MT1H", "", "2026-12-31T09:00:00Z", "2026-09-01T00:00:00Z", "2026-09-30T06:00:00Z"},
		{"P1M2DT1H", "Europe/Berlin", "2026-06-30T10:00:00Z", "2026-03-01T00:00:00Z", "2026-03-24T08:00:00Z"},
		{"P1DT1H", "Europe/Berlin", "2026-03-29T08:00:00Z", "2026-03-27T00:00:00Z", "2026-03-27T07:00:00Z"},
		{"every day in Asia/Tokyo", "Europe/Berlin", "2026-03-29T08:00:00Z", "2026-03-27T00:00:00Z", "2026-03-27T08:00:00Z"},
		{"P1D", "", "2026-11-22T09:00:00Z", "2026-12-01T00:00:00Z", "2026-12-01T09:00:00Z"}, // nothing to rewind
		{`{"any":["P2D","PT36H"]}`, "", "2026-11-22T09:00:00Z", "2026-11-18T10:00:00Z", "2026-11-19T09:00:00Z"},
		{`{"any":["P2D","0 12 * * *"],"except":"2026-11-18"}`, "", "2026-11-22T09:00:00Z", "2026-11-18T00:00:00Z", "2026-11-19T12:00:00Z"},
		{`{"days":2,"from":"2026-11-20T09:00:00Z"}`, "", "2026-11-22T09:00:00Z", "2026-11-01T00:00:00Z", "2026-11-20T09:00:00Z"},
		{"P4000Y", "", "2026-11-22T09:00:00Z", "0001-01-01T00:00:00Z", "2026-11-22T09:00:00Z"},
	} {
		loc := zone(t, c.zone)
		r, err := when.ParseRuleText(c.text, when.Scope{Zone: loc})
		if err != nil {
			t.Fatal(err)
		}
		from, to := at(t, c.from), at(t, c.to)
		back := r.Rewind(from, to)
		if first, ok := back.First(to); !ok || !first.Equal(at(t, c.first)) {
			t.Errorf("%s from %s, rewound to %s, begins at %s, want %s", c.text, c.from, c.to, first, c.first)
		}
		end := from.AddDate(3, 0, 0)
		before := from.Add(-time.Millisecond)
		if to.After(from) {
			before = to
		}
		want, got := slices.Collect(r.Between(from, before, end)), slices.Collect(back.Between(to, before, end))
		if !slices.EqualFunc(got, want, time.Time.Equal) {
			t.Errorf("%s from %s, rewound to %s, has %v, want %v", c.text, c.from, c.to, got, want)
		}
	}
}
