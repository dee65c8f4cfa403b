package when

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func mustZone(tb testing.TB, name string) *time.Location {
	tb.Helper()
	loc, err := LoadLocation(name)
	if err != nil {
		tb.Fatal(err)
	}
	return loc
}

// someZones have what zones can have: nothing, an hour, half an hour, changes at midnight, a lost day, two changes in a month.
var someZones = []string{
	"UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo", "Pacific/Apia", "Africa/Casablanca", "America/New_York", "Asia/Kathmandu",
}

// millis reads RFC 3339.
func millis(tb testing.TB, text string) int64 {
	tb.Helper()
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		tb.Fatal(err)
	}
	return at.UnixMilli()
}

func show(ms int64, ok bool) string {
	if !ok {
		return "none"
	}
	return Format(time.UnixMilli(ms))
}

func TestIntervalSeries(t *testing.T) {
	t.Parallel()
	tests := []struct{ every, zone, anchor, after, want, latest string }{
		{"PT5M", "UTC", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "2026-01-01T00:05:00Z", "2026-01-01T00:00:00Z"},
		{"PT5M", "UTC", "2026-01-01T00:00:00Z", "2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "none"},
		{"PT5M", "UTC", "2026-01-01T00:00:00Z", "2036-01-01T00:04:59.999Z", "2036-01-01T00:05:00Z", "2036-01-01T00:00:00Z"},
		{"P1M", "UTC", "2026-01-31T12:00:00Z", "2026-02-01T00:00:00Z", "2026-02-28T12:00:00Z", "2026-01-31T12:00:00Z"},
		{"P1M", "UTC", "2026-01-31T12:00:00Z", "2026-02-28T12:00:00Z", "2026-03-31T12:00:00Z", "2026-02-28T12:00:00Z"},
		{"P1Y", "UTC", "2024-02-29T12:00:00Z", "2027-03-01T00:00:00Z", "2028-02-29T12:00:00Z", "2027-02-28T12:00:00Z"},
		{"P1D", "Europe/Berlin", "2026-03-28T01:30:00Z", "2026-03-28T02:00:00Z", "2026-03-29T01:00:00Z", "2026-03-28T01:30:00Z"}, // the gap
		{"PT24H", "Europe/Berlin", "2026-03-28T01:30:00Z", "2026-03-28T02:00:00Z", "2026-03-29T01:30:00Z", "2026-03-28T01:30:00Z"},
		{"P1D", "Europe/Berlin", "2026-10-24T00:30:00Z", "2026-10-25T00:29:00Z", "2026-10-25T00:30:00Z", "2026-10-24T00:30:00Z"}, // the overlap
		{"P1D", "Europe/Berlin", "2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z", "2026-10-25T00:30:00Z"},
		{"P1D", "Europe/Berlin", "2026-10-25T01:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z", "none"}, // the second pass
		{"P1D", "Europe/Berlin", "2026-10-24T00:30:00Z", "2026-10-25T01:10:00Z", "2026-10-26T01:30:00Z", "2026-10-25T00:30:00Z"},
		{"P1D", "Pacific/Apia", "2011-12-28T20:00:00Z", "2011-12-30T05:00:00Z", "2011-12-30T10:00:00Z", "2011-12-29T20:00:00Z"}, // the lost day
		{"P1D", "Pacific/Apia", "2011-12-28T20:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T20:00:00Z", "2011-12-30T10:00:00Z"},
		{"P1MT1H", "UTC", "2026-01-31T00:00:00Z", "2026-02-28T01:00:00Z", "2026-03-31T02:00:00Z", "2026-02-28T01:00:00Z"},
		{"P5000Y", "UTC", "2026-01-31T00:00:00Z", "2027-01-31T00:00:00Z", "7026-01-31T00:00:00Z", "2026-01-31T00:00:00Z"},
		{"P5000Y", "UTC", "2026-01-31T00:00:00Z", "7026-01-31T00:00:00Z", "none", "7026-01-31T00:00:00Z"},
	}
	for _, tt := range tests {
		every, err := parseISO(tt.every)
		if err != nil {
			t.Fatal(err)
		}
		s := &intervalSeries{every: every, loc: mustZone(t, tt.zone)}
		anchor, after := millis(t, tt.anchor), millis(t, tt.after)
		if got := show(s.after(anchor, after)); got != tt.want {
			t.Errorf("%s in %s from %s: after(%s) = %s, want %s", tt.every, tt.zone, tt.anchor, tt.after, got, tt.want)
		}
		if got := show(s.latest(anchor, after)); got != tt.latest {
			t.Errorf("%s in %s from %s: latest(%s) = %s, want %s", tt.every, tt.zone, tt.anchor, tt.after, got, tt.latest)
		}
	}
}

func TestIntervalWords(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"PT5M": "every 5 minutes", "P1M": "every month", "P17D": "every 2 weeks and 3 days", "P10D": "every 10 days", "P7D": "every week",
		"P2W": "every 2 weeks", "P30D": "every 30 days", "PT1H30M": "every 1 hour and 30 minutes", "P1Y2M3DT4H5M6.007S": "every 1 year, 2 months, 3 days, 4 hours, 5 minutes, 6 seconds and 7 milliseconds",
		"P1D": "every day", "PT0.5S": "every 500 milliseconds", "P100D": "every 100 days", "P24M": "every 2 years",
	} {
		every, err := parseISO(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := (&intervalSeries{every: every, loc: time.UTC}).words(); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// drawInstant gives instants of the years 1900 to 2200, half of them near a change of the zone.
func drawInstant(t *rapid.T, loc *time.Location, label string) int64 {
	at := rapid.Int64Range(-2_208_988_800_000, 7_258_118_400_000).Draw(t, label)
	if _, end := time.UnixMilli(at).In(loc).ZoneBounds(); !end.IsZero() && rapid.Bool().Draw(t, label+" near a change") {
		at = end.UnixMilli() + rapid.Int64Range(-2*day, 2*day).Draw(t, label+" off")
	}
	if rapid.Bool().Draw(t, label+" whole") {
		at -= at % (15 * minute)
	}
	return at
}

// checkSeries holds a series to its laws around an instant.
func checkSeries(t *rapid.T, s series, anchor, at int64) {
	next, ok := s.after(anchor, at)
	if ok && (next <= at || next < anchor) {
		t.Fatalf("after(%s) = %s from %s", show(at, true), show(next, true), show(anchor, true))
	}
	last, had := s.latest(anchor, at)
	if had && (last > at || last < anchor) {
		t.Fatalf("latest(%s) = %s from %s", show(at, true), show(last, true), show(anchor, true))
	}
	if had {
		if again, found := s.after(anchor, last); found != ok || ok && again != next {
			t.Fatalf("latest(%s) = %s, after that %s, but after(%[1]s) = %[4]s", show(at, true), show(last, true), show(again, found), show(next, ok))
		}
		if same, found := s.latest(anchor, last); !found || same != last {
			t.Fatalf("latest(%s) = %s", show(last, true), show(same, found))
		}
		if same, found := s.after(anchor, last-1); !found || same != last {
			t.Fatalf("latest(%s) = %s, but after(%s) = %s", show(at, true), show(last, true), show(last-1, true), show(same, found))
		}
	}
	if !ok {
		return
	}
	if same, found := s.latest(anchor, next); !found || same != next {
		t.Fatalf("after(%s) = %s, latest of that %s", show(at, true), show(next, true), show(same, found))
	}
	if before, found := s.latest(anchor, next-1); found != had || had && before != last {
		t.Fatalf("after(%s) = %s, before that %s, but latest(%[1]s) = %[4]s", show(at, true), show(next, true), show(before, found), show(last, had))
	}
	if later, found := s.after(anchor, next); found && later <= next {
		t.Fatalf("after(%s) = %s", show(next, true), show(later, true))
	}
}

func drawInterval(t *rapid.T) interval {
	every := interval{
		months: rapid.Int64Range(0, 30).Draw(t, "months") * rapid.Int64Range(0, 1).Draw(t, "with months"),
		days:   rapid.Int64Range(0, 40).Draw(t, "days") * rapid.Int64Range(0, 1).Draw(t, "with days"),
		ms:     rapid.Int64Range(0, 100*hour).Draw(t, "ms") * rapid.Int64Range(0, 1).Draw(t, "exact"),
	}
	if every.zero() {
		every.days = 1
	}
	return every
}

func TestIntervalLaws(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		loc, err := LoadLocation(rapid.SampledFrom(someZones).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		every := drawInterval(t)
		s := &intervalSeries{every: every, loc: loc}
		anchor := drawInstant(t, loc, "anchor")
		checkSeries(t, s, anchor, drawInstant(t, loc, "t"))
		index := rapid.Int64Range(0, 10_000).Draw(t, "index")
		got, ok := s.at(anchor, index)
		want, wantOK := every.after(time.UnixMilli(anchor).UTC(), index, loc)
		if ok != wantOK || ok && got != want.UnixMilli() {
			t.Fatalf("at(%d) = %s, want %s, %t", index, show(got, ok), want, wantOK)
		}
	})
}

// TestRewoundIntervalLaws: counted back, an interval has the dates that lie a negative number of times after the first, those after it
// stay as they were, and counting from either end agrees.
func TestRewoundIntervalLaws(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		loc, err := LoadLocation(rapid.SampledFrom(someZones).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		every := drawInterval(t)
		anchor := drawInstant(t, loc, "anchor")
		reach := rapid.Int64Range(0, 60).Draw(t, "intervals back")
		s := &intervalSeries{every: every, loc: loc}
		m := member{series: s}
		m.rewind(anchor, anchor-int64(float64(reach)*every.mean()))
		checkSeries(t, m.series, m.start, drawInstant(t, loc, "t"))
		earlier, ok := m.series.(*intervalSeries)
		if !ok {
			t.Fatalf("it became %T", m.series)
		}
		back := earlier.back
		if every.exact() {
			back = (anchor - m.start) / every.ms
		}
		for n := range int64(20) {
			want, wantOK := s.at(anchor, n)
			if got, ok := earlier.at(m.start, back+n); ok != wantOK || ok && got != want {
				t.Fatalf("%d after the first date: %s, want %s", n, show(got, ok), show(want, wantOK))
			}
		}
		dates, last := []int64(nil), anchor // backwards
		for n := int64(1); n <= back; n++ {
			at, ok := every.after(time.UnixMilli(anchor).UTC(), -n, loc)
			if !ok {
				t.Fatalf("%d before the first date is no date", n)
			}
			if at.UnixMilli() != last { // where a zone skips a day two are the same
				last = at.UnixMilli()
				dates = append(dates, last)
			}
		}
		at := anchor - 1
		for _, want := range dates {
			got, ok := m.series.latest(m.start, at)
			if !ok || got != want {
				t.Fatalf("before %s: %s, want %s", show(at, true), show(got, ok), show(want, true))
			}
			at = got - 1
		}
		if back < reach-3 {
			t.Fatalf("it goes back %d intervals of %d", back, reach)
		}
		if got, ok := m.series.latest(m.start, at); ok {
			t.Fatalf("before the last of %d there is %s", len(dates), show(got, ok))
		}
		slices.Reverse(dates)
		at = m.start - 1
		for _, want := range dates {
			got, ok := m.series.after(m.start, at)
			if !ok || got != want {
				t.Fatalf("after %s: %s, want %s", show(at, true), show(got, ok), show(want, true))
			}
			at = got
		}
	})
}

func BenchmarkInterval(b *testing.B) {
	berlin := mustZone(b, "Europe/Berlin")
	anchor, now := millis(b, "2016-01-31T09:00:00Z"), millis(b, "2026-05-05T05:05:05Z")
	for _, text := range []string{"PT5M", "P1D", "P1M", "P1Y", "P1M2DT1H"} {
		every, err := parseISO(text)
		if err != nil {
			b.Fatal(err)
		}
		for _, loc := range []*time.Location{time.UTC, berlin} {
			s := &intervalSeries{every: every, loc: loc}
			b.Run(text+"/"+loc.String(), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					s.after(anchor, now)
				}
			})
		}
	}
}
