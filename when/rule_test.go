package when_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/adlayer/after/when"
)

func rule(tb testing.TB, raw, zoneName string) *when.Rule {
	tb.Helper()
	r, err := when.ParseRule([]byte(raw), when.Scope{Now: at(tb, "2026-11-18T09:30:15Z"), Zone: zone(tb, zoneName)})
	if err != nil {
		tb.Fatalf("ParseRule(%s): %v", raw, err)
	}
	return r
}

// after and latest are Rule's, with the index of what they give.
func after(r *when.Rule, from, t time.Time) (index int64, date time.Time, ok bool) {
	date, ok = r.After(from, t)
	return indexOf(r, from, date), date, ok
}

func latest(r *when.Rule, from, t time.Time) (index int64, date time.Time, ok bool) {
	date, ok = r.Latest(from, t)
	return indexOf(r, from, date), date, ok
}

func indexOf(r *when.Rule, from, date time.Time) int64 {
	return r.Count(from, from.Add(-time.Millisecond), date, math.MaxInt64) - 1
}

func TestParseRuleForms(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ raw, want string }{
		{`{"years":1}`, "P1Y"},
		{`{"year":1}`, "P1Y"},
		{`{"y":2}`, "P2Y"},
		{`{"months":1}`, "P1M"},
		{`{"month":1}`, "P1M"},
		{`{"M":14}`, "P1Y2M"},
		{`{"weeks":1}`, "P7D"},
		{`{"week":1}`, "P7D"},
		{`{"w":2}`, "P14D"},
		{`{"days":7,"months":1}`, "P1M7D"},
		{`{"day":1}`, "P1D"},
		{`{"d":1}`, "P1D"},
		{`{"hours":1}`, "PT1H"},
		{`{"hour":24}`, "PT24H"},
		{`{"h":1}`, "PT1H"},
		{`{"minutes":5}`, "PT5M"},
		{`{"minute":5}`, "PT5M"},
		{`{"m":90}`, "PT1H30M"},
		{`{"seconds":5}`, "PT5S"},
		{`{"second":5}`, "PT5S"},
		{`{"s":5}`, "PT5S"},
		{`{"milliseconds":250}`, "PT0.25S"},
		{`{"millisecond":1}`, "PT0.001S"},
		{`{"ms":1500}`, "PT1.5S"},
		{`{ "days" : 1.0 , "hours" : 2e0 }`, "P1DT2H"},
		{`{"y":1,"M":2,"w":1,"d":3,"h":4,"m":5,"s":6,"ms":7}`, "P1Y2M10DT4H5M6.007S"},
		{`"P1M2DT1H10M5S"`, "P1M2DT1H10M5S"},
		{`"p1w"`, "P7D"},
		{`"P1Y2M3W4D"`, "P1Y2M25D"},
		{`"PT0.5S"`, "PT0.5S"},
		{`"PT0,5S"`, "PT0.5S"},
		{`"PT1.5H"`, "PT1H30M"},
		{`"P0.5D"`, "PT12H"},
		{`"P1.5W"`, "P7DT84H"},
		{`"P0Y1M"`, "P1M"},
		{`60000`, "PT1M"},
		{`1`, "PT0.001S"},
	} {
		if got := rule(t, c.raw, "").String(); got != c.want {
			t.Errorf("%s = %s, want %s", c.raw, got, c.want)
		}
	}
}

func TestParseRuleBounds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		raw, zone, until string
		limit            int64
	}{
		{`{"days":1}`, "", "", 0},
		{`{"days":1,"limit":3}`, "", "", 3},
		{`{"days":1,"limit":null,"until":null}`, "", "", 0},
		{`{"days":1,"until":"2026-12-01T09:00:00Z"}`, "", "2026-12-01T09:00:00Z", 0},
		{`{"days":1,"until":1796115600000}`, "", "2026-12-01T09:00:00Z", 0},
		{`{"days":1,"until":"2026-12-01 09:00"}`, "Europe/Berlin", "2026-12-01T08:00:00Z", 0},
		{`{"days":1,"until":"2026-12-01"}`, "", "2026-12-01T23:59:59.999Z", 0},
		{`{"days":1,"until":"2026-12-01"}`, "Europe/Berlin", "2026-12-01T22:59:59.999Z", 0},
		{`{"days":1,"until":"2026-10-25"}`, "Europe/Berlin", "2026-10-25T22:59:59.999Z", 0},
	} {
		r := rule(t, c.raw, c.zone)
		until := ""
		if !r.Until().IsZero() {
			until = when.Format(r.Until())
		}
		if r.Limit() != c.limit || until != c.until {
			t.Errorf("%s: limit %d, until %s; want %d, %s", c.raw, r.Limit(), until, c.limit, c.until)
		}
	}
}

func TestParseRuleErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ raw, want string }{
		{``, "must be a cron line"},
		{`null`, "must be a cron line"},
		{`true`, "must be a cron line"},
		{`[1]`, "must be a cron line"},
		{`{}`, "never advances"},
		{`{"limit":3}`, "never advances"},
		{`{"days":0}`, "days: is zero"},
		{`{"hours":1,"days":0}`, "days: is zero"},
		{`{"days":-1}`, "days: must be above zero, not -1"},
		{`{"days":1.5}`, "days: must be a whole number, not 1.5"},
		{`{"days":"1"}`, `days: must be a whole number, not "1"`},
		{`{"days":null}`, "days: must be a whole number"},
		{`{"days":true}`, "days: must be a whole number"},
		{`{"days":{}}`, "days: must be a whole number"},
		{`{"days":9999999}`, "days: more than ten thousand years"},
		{`{"years":10001}`, "years: more than ten thousand years"},
		{`{"years":6000,"months":60000}`, "months: more than ten thousand years"},
		{`{"ms":9223372036854775808}`, "ms: 9223372036854775808 is too large"},
		{`{"ms":1e400}`, "ms: 1e400 is too large"},
		{`{"ms":9223372036854775807}`, "ms: more than ten thousand years"},
		{`{"fortnights":1}`, "fortnights: unknown key; known are years"},
		{`{"Days":1}`, "Days: unknown key"},
		{`{"days":1,"day":2}`, "days is given twice"},
		{`{"d":1,"d":2}`, "days is given twice"},
		{`{"days":1,"limit":0}`, "limit: is zero, so it never fires"},
		{`{"days":1,"limit":-3}`, "limit: must be above zero"},
		{`{"days":1,"limit":1.5}`, "limit: must be a whole number"},
		{`{"days":1,"limit":"3"}`, "limit: must be a whole number"},
		{`{"days":1,"until":"in 3 weeks"}`, "until: words would move"},
		{`{"days":1,"until":"whenever"}`, `until: cannot read the date "whenever"`},
		{`{"days":1,"until":true}`, "until: cannot read the date true"},
		{`{"days":1`, "it is no JSON: it ends too early"},
		{`{"days":1,"except":["2026-12-25"`, "it is no JSON: it ends too early"},
		{`{"days":1,"except":"2026-13-01"}`, `except: cannot read the date "2026-13-01": there is no month 13`},
		{`{"days":1}}`, ""},
		{`0`, "zero"},
		{`-5`, "above zero"},
		{`1.5`, "whole number"},
		{`1e30`, "too large"},
		{`999999999999999`, "ten thousand years"},
		{`""`, "it is empty"},
		{`"P"`, "nothing comes after the P"},
		{`"PT0S"`, "never advances"},
		{`"P1.5M"`, "whole numbers"},
		{`"P1D2D"`, "not understood"},
		{`"P1Y1Y"`, "not understood"},
		{`"-P1D"`, "negative"},
		{`"P-1D"`, "not understood"},
		{`"PT0.0001S"`, "smaller than a millisecond"},
		{`"P99999Y"`, "ten thousand years"},
		{`{"days":1,"cron":"0 9 * * *"}`, "cron: it is given beside"},
		{`{"days":1,"from":"2027-01-01","until":"2026-12-31"}`, "it never comes: until"},
		{`{"days":1,"timezone":"Mars"}`, "timezone: "},
		{`{"days":1,"timezone":5}`, "timezone: must be an IANA name"},
		{`{"days":1,"jitter":"soon"}`, "jitter: "},
		{`{"days":1,"adjust":"sideways"}`, "adjust: must be"},
		{`{"days":1,"except":"holidays"}`, `except: the calendar "holidays" cannot be looked up here`},
		{`{"days":1,"except":["2026-12-25","2026-13-01"]}`, "except: [1]: "},
		{`{"days":1,"except":{"from":"2026-12-25","to":"2026-12-26"}}`, "except: a range is written"},
		{`{"days":1,"except":{"from":"2026-12-27","until":"2026-12-26"}}`, "ends before it begins"},
		{`{"any":[]}`, "any: is empty"},
		{`{"any":"P1D"}`, "any: must be an array"},
		{`{"any":["P1D",{"days":0}]}`, "any: [1]: days: is zero"},
		{strings.Repeat(`{"any":[`, 9) + `"P1D"` + strings.Repeat(`]}`, 9), "any: lies within 8 others"},
		{`{"any":["P1D",{"days":1,"limit":3}]}`, "any: [1]: limit, jitter"},
		{`"` + strings.Repeat("P1D", 1000) + `"`, "cannot read"},
	} {
		r, err := when.ParseRule([]byte(c.raw), when.Scope{})
		if c.want == "" { // trailing bytes are not looked at: whoever cut the value out of a document has done that
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s = %v, %v; want an error with %q", c.raw, r, err, c.want)
		}
	}
}

func TestRuleDates(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, raw, zone, from string
		want                  []string
	}{
		{"the 31st comes back", `{"months":1}`, "", "2026-01-31T09:00:00Z", []string{
			"2026-01-31T09:00:00Z", "2026-02-28T09:00:00Z", "2026-03-31T09:00:00Z", "2026-04-30T09:00:00Z", "2026-05-31T09:00:00Z",
		}},
		{"leap day", `{"years":1}`, "", "2024-02-29T09:00:00Z", []string{
			"2024-02-29T09:00:00Z", "2025-02-28T09:00:00Z", "2026-02-28T09:00:00Z", "2027-02-28T09:00:00Z", "2028-02-29T09:00:00Z",
		}},
		{"months before days", `{"months":1,"days":1}`, "", "2026-01-31T09:00:00Z", []string{
			"2026-01-31T09:00:00Z", "2026-03-01T09:00:00Z", "2026-04-02T09:00:00Z", "2026-05-03T09:00:00Z",
		}},
		{"days keep the wall time", `{"days":1}`, "Europe/Berlin", "2026-03-28T08:00:00Z", []string{
			"2026-03-28T08:00:00Z", "2026-03-29T07:00:00Z", "2026-03-30T07:00:00Z",
		}},
		{"a gap, and back", `{"days":1}`, "Europe/Berlin", "2026-03-28T01:30:00Z", []string{
			"2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z",
		}},
		{"an overlap, the first", `{"days":1}`, "Europe/Berlin", "2026-10-24T00:30:00Z", []string{
			"2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z",
		}},
		{"from the second of an overlap", `{"days":1}`, "Europe/Berlin", "2026-10-25T01:30:00Z", []string{
			"2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z",
		}},
		{"hours are exact", `{"hours":24}`, "Europe/Berlin", "2026-03-28T08:00:00Z", []string{
			"2026-03-28T08:00:00Z", "2026-03-29T08:00:00Z", "2026-03-30T08:00:00Z",
		}},
		{"hours through an overlap", `{"hours":1}`, "Europe/Berlin", "2026-10-24T23:30:00Z", []string{
			"2026-10-24T23:30:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z",
		}},
		{"days, then hours", `{"days":1,"hours":1}`, "Europe/Berlin", "2026-03-28T08:00:00Z", []string{
			"2026-03-28T08:00:00Z", "2026-03-29T08:00:00Z", "2026-03-30T09:00:00Z",
		}},
		{"milliseconds", `{"ms":333}`, "", "2026-11-18T09:00:00Z", []string{
			"2026-11-18T09:00:00Z", "2026-11-18T09:00:00.333Z", "2026-11-18T09:00:00.666Z", "2026-11-18T09:00:00.999Z",
		}},
		{"ISO 8601", `"P1M2DT1H"`, "", "2026-01-31T09:00:00Z", []string{
			"2026-01-31T09:00:00Z", "2026-03-02T10:00:00Z", "2026-04-04T11:00:00Z",
		}},
		{"until is inclusive", `{"days":1,"until":"2026-11-20T09:00:00Z"}`, "", "2026-11-18T09:00:00Z", []string{
			"2026-11-18T09:00:00Z", "2026-11-19T09:00:00Z", "2026-11-20T09:00:00Z", "",
		}},
		{"until a day includes it", `{"hours":12,"until":"2026-11-18"}`, "", "2026-11-18T09:00:00Z", []string{
			"2026-11-18T09:00:00Z", "2026-11-18T21:00:00Z", "",
		}},
		{"until before the first", `{"days":1,"until":"2026-11-17"}`, "", "2026-11-18T09:00:00Z", []string{""}},
		{"the calendar ends", `{"years":4000}`, "", "2026-11-18T09:00:00Z", []string{
			"2026-11-18T09:00:00Z", "6026-11-18T09:00:00Z", "",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, from := rule(t, c.raw, c.zone), at(t, c.from)
			for i, want := range c.want {
				got := ""
				if date, ok := r.At(from, int64(i)); ok {
					got = when.Format(date)
				}
				if got != want {
					t.Errorf("At(%d) = %q, want %q", i, got, want)
				}
			}
			first, ok := r.First(from)
			if ok != (c.want[0] != "") || (ok && !first.Equal(from)) {
				t.Errorf("First = %s, %t", first, ok)
			}
		})
	}
}

func TestRuleSearch(t *testing.T) {
	t.Parallel()
	from := at(t, "2026-01-31T09:00:00Z")
	for _, c := range []struct {
		raw, t        string
		after, latest int64 // -1: none
	}{
		{`{"months":1}`, "2026-01-31T08:59:59Z", 0, -1},
		{`{"months":1}`, "2026-01-31T09:00:00Z", 1, 0},
		{`{"months":1}`, "2026-02-28T08:59:59.999Z", 1, 0},
		{`{"months":1}`, "2026-02-28T09:00:00Z", 2, 1},
		{`{"months":1}`, "2526-02-28T09:00:00Z", 6002, 6001},
		{`{"ms":1}`, "2526-01-31T09:00:00Z", 15778454400000 + 1, 15778454400000},
		{`{"days":1,"until":"2026-02-02"}`, "2026-02-01T10:00:00Z", 2, 1},
		{`{"days":1,"until":"2026-02-02"}`, "2026-02-02T10:00:00Z", -1, 2},
		{`{"days":1,"until":"2026-02-02"}`, "2099-02-02T10:00:00Z", -1, 2},
		{`{"years":7000}`, "2099-02-02T10:00:00Z", 1, 0},
		{`{"years":7000}`, "9099-02-02T10:00:00Z", -1, 1},
	} {
		r := rule(t, c.raw, "")
		index, date, ok := after(r, from, at(t, c.t))
		if ok != (c.after >= 0) || (ok && (index != c.after || !date.After(at(t, c.t)))) {
			t.Errorf("%s: After(%s) = %d, %s, %t; want %d", c.raw, c.t, index, date, ok, c.after)
		}
		index, date, ok = latest(r, from, at(t, c.t))
		if ok != (c.latest >= 0) || (ok && (index != c.latest || date.After(at(t, c.t)))) {
			t.Errorf("%s: Latest(%s) = %d, %s, %t; want %d", c.raw, c.t, index, date, ok, c.latest)
		}
	}
}

func TestRuleOddIndexes(t *testing.T) {
	t.Parallel()
	r, from := rule(t, `{"days":1}`, "Europe/Berlin"), at(t, "2026-01-31T09:00:00Z")
	for _, index := range []int64{-1, math.MinInt64, math.MaxInt64, 4_000_000} {
		if date, ok := r.At(from, index); ok {
			t.Errorf("At(%d) = %s", index, date)
		}
	}
}

// TestRuleOverSkippedDay has the one case in which two indexes give the same instant: After still goes past it.
func TestRuleOverSkippedDay(t *testing.T) {
	t.Parallel()
	r, from := rule(t, `{"days":1}`, "Pacific/Apia"), at(t, "2011-12-29T10:00:00Z") // midnight of the 29th
	seen := from
	for range 4 {
		date, ok := r.After(from, seen)
		if !ok || !date.After(seen) {
			t.Fatalf("After(%s) = %s, %t", seen, date, ok)
		}
		seen = date
	}
	if want := "2012-01-02T10:00:00Z"; when.Format(seen) != want {
		t.Errorf("four dates on it is %s, want %s", when.Format(seen), want)
	}
	for after, want := range map[string]int64{
		"2011-12-29T09:00:00Z": 5, "2011-12-29T10:00:00Z": 4, "2011-12-30T09:59:59Z": 4, "2011-12-30T10:00:00Z": 3, "2011-12-31T10:00:00Z": 2,
	} {
		if n := r.Count(from, at(t, after), seen, 100); n != want {
			t.Errorf("%d dates after %s, want %d", n, after, want)
		}
	}
}

// anyRule draws a rule with its zone and a first date.
func anyRule(t *rapid.T) (*when.Rule, time.Time) {
	parts := map[string]int64{}
	for key, most := range map[string]int64{
		"years": 3, "months": 30, "weeks": 60, "days": 400, "hours": 1000, "minutes": 5000, "seconds": 100000, "milliseconds": 1e9,
	} {
		if rapid.IntRange(0, 3).Draw(t, "has "+key) == 0 {
			parts[key] = rapid.Int64Range(1, most).Draw(t, key)
		}
	}
	if len(parts) == 0 {
		parts["days"] = 1
	}
	raw, err := json.Marshal(parts)
	if err != nil {
		t.Fatal(err)
	}
	name := rapid.SampledFrom([]string{
		"", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Asia/Kathmandu", "Africa/Casablanca", "Asia/Beirut",
	}).Draw(t, "zone")
	loc, err := when.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	r, err := when.ParseRule(raw, when.Scope{Zone: loc})
	if err != nil {
		t.Fatal(err)
	}
	// From 2015 on: no zone has skipped a whole day since.
	return r, time.UnixMilli(rapid.Int64Range(1420070400000, 4102444800000).Draw(t, "from"))
}

func TestRuleLaws(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r, from := anyRule(t)
		index := rapid.Int64Range(0, 3000).Draw(t, "index")
		date, ok := r.At(from, index)
		next, more := r.At(from, index+1)
		if !ok || !more {
			t.Skip("beyond the calendar")
		}
		if !next.After(date) {
			t.Fatalf("At(%d) = %s, then %s", index, date, next)
		}
		if date.Nanosecond()%1e6 != 0 {
			t.Fatalf("%s is not cut to the millisecond", date)
		}
		for _, c := range []struct {
			t                 time.Time
			latest, following int64
		}{{date, index, index + 1}, {date.Add(-time.Millisecond), index - 1, index}, {next.Add(-time.Millisecond), index, index + 1}} {
			if i, d, ok := after(r, from, c.t); !ok || i != c.following || !d.After(c.t) {
				t.Fatalf("After(%s) = %d, %s; want %d", c.t, i, d, c.following)
			}
			i, d, ok := latest(r, from, c.t)
			if ok != (c.latest >= 0) || (ok && (i != c.latest || d.After(c.t))) {
				t.Fatalf("Latest(%s) = %d, %s, %t; want %d", c.t, i, d, ok, c.latest)
			}
		}
	})
}

// TestRuleStringReadsBack checks that the canonical form is the same rule.
func TestRuleStringReadsBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r, _ := anyRule(t)
		again, err := when.ParseRule([]byte(`"`+r.String()+`"`), when.Scope{})
		if err != nil || again.String() != r.String() {
			t.Fatalf("%s reads back as %v, %v", r, again, err)
		}
	})
}

// TestFormatReadsBack checks that what is written is read as the same instant.
func TestFormatReadsBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		at := time.UnixMilli(rapid.Int64Range(-62135596800000, 253402300799999).Draw(t, "ms"))
		text := when.Format(at)
		if std, err := time.Parse(time.RFC3339, text); err != nil || !std.Equal(at) {
			t.Fatalf("the standard library reads %s as %s, %v", text, std, err)
		}
		got, err := when.ParseDateJSON(fmt.Appendf(nil, "%q", text), time.Time{}, nil)
		if err != nil || got.Words || !got.Time.Equal(at) {
			t.Fatalf("%s reads back as %s, %v", text, got.Time, err)
		}
	})
}

// TestWallTimeReadsBack checks over many zones that a local date gives an instant that clocks show as written, or the end of a gap.
func TestWallTimeReadsBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{
			"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Africa/Casablanca", "Asia/Beirut", "Asia/Tehran", "Pacific/Apia",
		}).Draw(t, "zone")
		loc, err := when.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		shown := time.UnixMilli(rapid.Int64Range(0, 4102444800000).Draw(t, "ms")).UTC()
		const layout = "2006-01-02 15:04:05.000"
		got, err := when.ParseDate(shown.Format(layout), time.Time{}, loc)
		if err != nil {
			t.Fatal(err)
		}
		if got.Time.In(loc).Format(layout) == shown.Format(layout) {
			if earlier := got.Time.Add(-time.Hour); earlier.In(loc).Format(layout) == shown.Format(layout) {
				t.Fatalf("%s is the second of two", got.Time)
			}
			return
		}
		_, before := got.Time.Add(-1).In(loc).Zone()
		_, after := got.Time.In(loc).Zone()
		if after <= before {
			t.Fatalf("%s in %s became %s, which is no gap's end", shown.Format(layout), name, got.Time.In(loc))
		}
	})
}

func BenchmarkRuleAfter(b *testing.B) {
	for _, raw := range []string{`{"minutes":5}`, `{"days":1}`, `{"months":1,"days":2}`} {
		b.Run(raw, func(b *testing.B) {
			r, from, now := rule(b, raw, "Europe/Berlin"), at(b, "2016-01-31T09:00:00Z"), at(b, "2026-11-18T09:30:15Z")
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := r.After(from, now); !ok {
					b.Fatal("none")
				}
			}
		})
	}
}
