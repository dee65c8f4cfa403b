package when

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestRepeating(t *testing.T) {
	t.Parallel()
	const anchor = "2026-11-22T10:00:00Z"
	tests := []struct{ text, zone, want string }{
		{"R5/2026-12-01T00:00:00Z/P1M", "UTC", "2026-12-01T00:00:00Z 2027-01-01T00:00:00Z 2027-02-01T00:00:00Z 2027-03-01T00:00:00Z 2027-04-01T00:00:00Z"},
		{"R/2026-12-31T00:00:00Z/P1M", "UTC", "2026-12-31T00:00:00Z 2027-01-31T00:00:00Z 2027-02-28T00:00:00Z 2027-03-31T00:00:00Z …"},
		{"R2/P1D", "UTC", "2026-11-22T10:00:00Z 2026-11-23T10:00:00Z"},
		{"R/PT5M", "UTC", "2026-11-22T10:00:00Z 2026-11-22T10:05:00Z …"},
		{"r1/pt5m", "UTC", "2026-11-22T10:00:00Z"},
		{"R2/2026-12-01/P1D", "Europe/Berlin", "2026-11-30T23:00:00Z 2026-12-01T23:00:00Z"},
		{"R2/20261201T090000Z/P1D", "Europe/Berlin", "2026-12-01T09:00:00Z 2026-12-02T09:00:00Z"},
		{"R3/2027-03-27T02:30/P1D", "Europe/Berlin", "2027-03-27T01:30:00Z 2027-03-28T01:00:00Z 2027-03-29T00:30:00Z"},
		{"R3/2027-03-28T02:30/P1D", "Europe/Berlin", "2027-03-28T01:00:00Z 2027-03-29T00:30:00Z 2027-03-30T00:30:00Z"}, // begins in the gap
		{"R3/2027-03-27/2027-03-28", "Europe/Berlin", "2027-03-26T23:00:00Z 2027-03-27T23:00:00Z 2027-03-28T22:00:00Z"},
		{"R3/2027-03-27T00:00:00+01:00/2027-03-28T00:00:00+01:00", "Europe/Berlin", "2027-03-26T23:00:00Z 2027-03-27T23:00:00Z 2027-03-28T23:00:00Z"},
		{"R2/2027-03-27T09:00/2027-03-28T10:30", "Europe/Berlin", "2027-03-27T08:00:00Z 2027-03-28T08:30:00Z"},
		{"R3/P1M/2027-03-31T09:00", "Europe/Berlin", "2027-01-31T08:00:00Z 2027-02-28T08:00:00Z 2027-03-31T07:00:00Z"},
		{"R/P1M/2027-01-31T09:00:00Z", "UTC", "2026-11-30T09:00:00Z 2026-12-31T09:00:00Z 2027-01-31T09:00:00Z"},
		{"R4/2011-12-29/P1D", "Pacific/Apia", "2011-12-29T10:00:00Z 2011-12-30T10:00:00Z 2011-12-31T10:00:00Z 2012-01-01T10:00:00Z"}, // the lost day
		{"R3/P1D/2012-01-01", "Pacific/Apia", "2011-12-29T10:00:00Z 2011-12-30T10:00:00Z 2011-12-31T10:00:00Z"},
		{"R2/P1D/2011-12-31", "Pacific/Apia", "2011-12-29T10:00:00Z 2011-12-30T10:00:00Z"},
		{"R4/P1D/2012-01-01", "Pacific/Apia", "2011-12-28T10:00:00Z 2011-12-29T10:00:00Z 2011-12-30T10:00:00Z 2011-12-31T10:00:00Z"},
		{"R2/P1DT1H/2027-01-31T09:00:00Z", "UTC", "2027-01-30T08:00:00Z 2027-01-31T09:00:00Z"},
	}
	for _, tt := range tests {
		p, err := parseRepeating(tt.text, Scope{Zone: mustZone(t, tt.zone)})
		if err != nil {
			t.Error(err)
			continue
		}
		if got := occurrences(p, millis(t, anchor), strings.Count(tt.want, "Z")); got != tt.want {
			t.Errorf("%s in %s:\n got %s\nwant %s", tt.text, tt.zone, got, tt.want)
		}
	}
}

// occurrences shows the first few of what a text says, as a rule with this first date gives them.
func occurrences(p parsed, anchor int64, most int) string {
	if !p.start.IsZero() {
		anchor = p.start.UnixMilli()
	}
	var b strings.Builder
	count := int64(0)
	for at := anchor - 1; p.count == 0 || count < p.count; count++ {
		next, ok := p.series.after(anchor, at)
		if !ok || !p.until.IsZero() && next > p.until.UnixMilli() {
			break
		}
		if count == int64(most) {
			b.WriteString(" …")
			break
		}
		at = next
		b.WriteString(" " + show(at, true))
	}
	return strings.TrimPrefix(b.String(), " ")
}

func TestRepeatingErrors(t *testing.T) {
	t.Parallel()
	for text, part := range map[string]string{
		"R0/P1D": "never comes", "R/": "nothing comes after the /", "R": "write R5/", "Rx/P1D": "Rx", "R-1/P1D": "R-1", "R5/2026-12-01": "no duration",
		"R5/P1D/P1D": "two durations", "R5/2026-13-01/P1D": "no month 13", "R5/2026-12-01/PT0S": "never advances", "R5/2026-12-01/P": "nothing comes after the P",
		"R5/2026-12-02/2026-12-01": "does not lie after", "R5/2026-12-01/2026-12-01": "does not lie after", "R5/tomorrow/P1D": "no date",
		"R5/2026-12-01/P1D/P1D": "write R5/", "R99999999999999999999/P1D": "whole number", "R9999/P10Y/2026-12-01": "before the year 1",
		"R/-P1D": "understood", "5/P1D": "write R5/", "R5/" + strings.Repeat("P", 2000): "longer than",
	} {
		if _, err := parseRepeating(text, Scope{}); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v, want %q", shorten(text), err, part)
		}
	}
}

// TestCountdownToTheFirstYears: counting back ends where the calendar begins.
func TestCountdownToTheFirstYears(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"R/P5Y/0003-03-15": "0003-03-15T00:00:00Z", "R/P1Y/0003-03-15": "0001-03-15T00:00:00Z", "R/P7M/0001-03-15": "0001-03-15T00:00:00Z",
		"R/P1M/0001-03-31": "0001-01-31T00:00:00Z", "R/P9000Y1D/2026-01-01": "2026-01-01T00:00:00Z", "R/P1D/0001-01-02": "0001-01-02T00:00:00Z",
	} {
		p, err := parseRepeating(text, Scope{})
		if err != nil {
			t.Fatal(err)
		}
		if got := show(p.series.after(firstReading, firstReading)); got != want {
			t.Errorf("the first of %s is %s, want %s", text, got, want)
		}
		if at, ok := p.series.latest(firstReading, firstReading); ok && at != firstReading {
			t.Errorf("%s has %s before the year 1", text, show(at, ok))
		}
	}
}

func TestCountdownLaws(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(someZones).Draw(t, "zone")
		loc, err := LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		every := interval{months: rapid.Int64Range(0, 15).Draw(t, "months"), days: rapid.Int64Range(0, 20).Draw(t, "days"), ms: rapid.Int64Range(0, 3).Draw(t, "hours") * hour}
		if every.zero() {
			every.days = 1
		}
		end := drawInstant(t, loc, "end")
		s := &countdownSeries{every: every, loc: loc, end: origin{end, reading(end, loc)}}
		checkSeries(t, s, drawInstant(t, loc, "anchor"), drawInstant(t, loc, "t"))
		p, err := parseRepeating(s.String(), Scope{Zone: loc})
		if err != nil {
			t.Fatal(err)
		}
		if p.series.String() != s.String() || !p.until.Equal(time.UnixMilli(end)) {
			t.Fatalf("%s reads back as %s, until %s", s, p.series, p.until)
		}
	})
}

func FuzzParseRepeating(f *testing.F) {
	for _, text := range []string{"R5/2026-12-01T00:00:00Z/P1M", "R/PT5M", "R3/2026-12-01/2026-12-02", "R2/P1D/20261201T000000Z", "R0/P1D", "R/P1Y/0001-01-01", "R//"} {
		f.Add(text, int64(1796115600123))
	}
	berlin := mustZone(f, "Europe/Berlin")
	f.Fuzz(func(t *testing.T, text string, at int64) {
		p, err := parseRepeating(text, Scope{Zone: berlin})
		if err != nil {
			if len(err.Error()) > 1000 {
				t.Fatalf("the error is nothing to show: %q", err)
			}
			return
		}
		at %= lastReading
		anchor := at - 1
		if !p.start.IsZero() {
			anchor = p.start.UnixMilli()
		}
		if next, ok := p.series.after(anchor, at); ok && next <= at {
			t.Fatalf("%s: after(%d) = %d", text, at, next)
		}
		p.series.latest(anchor, at)
	})
}
