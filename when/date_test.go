package when_test

import (
	"strings"
	"testing"
	"time"

	"github.com/adlayer/after/when"
)

// zone loads a zone that must exist.
func zone(tb testing.TB, name string) *time.Location {
	tb.Helper()
	loc, err := when.LoadLocation(name)
	if err != nil {
		tb.Fatal(err)
	}
	return loc
}

// at reads an instant that a table gives as RFC 3339.
func at(tb testing.TB, text string) time.Time {
	tb.Helper()
	parsed, err := time.Parse(time.RFC3339, text)
	if err != nil {
		tb.Fatal(err)
	}
	return parsed
}

func TestParseDateMachineForms(t *testing.T) {
	t.Parallel()
	now := at(t, "2026-11-18T09:30:15.123456Z")
	for _, c := range []struct{ text, zone, want string }{
		{"2026-12-01T09:00:00Z", "", "2026-12-01T09:00:00Z"},
		{"2026-12-01T09:00:00z", "", "2026-12-01T09:00:00Z"},
		{"2026-12-01t09:00:00Z", "", "2026-12-01T09:00:00Z"},
		{"2026-12-01T09:00:00+01:00", "America/New_York", "2026-12-01T08:00:00Z"},
		{"2026-12-01T09:00:00+0100", "", "2026-12-01T08:00:00Z"},
		{"2026-12-01T09:00:00+01", "", "2026-12-01T08:00:00Z"},
		{"2026-12-01T09:00:00-03:30", "", "2026-12-01T12:30:00Z"},
		{"2026-12-01 09:00:00 -03:30", "", "2026-12-01T12:30:00Z"},
		{"2026-12-01T09:00Z", "", "2026-12-01T09:00:00Z"},
		{"2026-12-01T09:00:00.5Z", "", "2026-12-01T09:00:00.5Z"},
		{"2026-12-01T09:00:00,250Z", "", "2026-12-01T09:00:00.25Z"},
		{"2026-12-01T09:00:00.123999999Z", "", "2026-12-01T09:00:00.123Z"},
		{"2026-12-01", "", "2026-12-01T00:00:00Z"},
		{"2026-12-01", "Europe/Berlin", "2026-11-30T23:00:00Z"},
		{"2026-12-01 09:00", "", "2026-12-01T09:00:00Z"},
		{"2026-12-01  09:00", "", "2026-12-01T09:00:00Z"},
		{"2026-12-01 09:00:05", "Europe/Berlin", "2026-12-01T08:00:05Z"},
		{"2026-07-01T09:00:05.040", "Europe/Berlin", "2026-07-01T07:00:05.04Z"},
		{" 2026-12-01 ", "", "2026-12-01T00:00:00Z"},
		{"2028-02-29", "", "2028-02-29T00:00:00Z"},
		{"0001-01-01", "", "0001-01-01T00:00:00Z"},
		{"9999-12-31T23:59:59.999Z", "", "9999-12-31T23:59:59.999Z"},
		{"1796115600000", "Europe/Berlin", "2026-12-01T09:00:00Z"},
		{"1796115600001", "", "2026-12-01T09:00:00.001Z"},
		// In a gap: at its end. In an overlap: the first.
		{"2026-03-29 02:30", "Europe/Berlin", "2026-03-29T01:00:00Z"},
		{"2026-03-29 02:00", "Europe/Berlin", "2026-03-29T01:00:00Z"},
		{"2026-03-29 03:00", "Europe/Berlin", "2026-03-29T01:00:00Z"},
		{"2026-03-29 01:59:59.999", "Europe/Berlin", "2026-03-29T00:59:59.999Z"},
		{"2026-10-25 02:30", "Europe/Berlin", "2026-10-25T00:30:00Z"},
		{"2026-10-25 02:00", "Europe/Berlin", "2026-10-25T00:00:00Z"},
		{"2026-10-25 03:00", "Europe/Berlin", "2026-10-25T02:00:00Z"},
		{"2026-03-08 02:30", "America/New_York", "2026-03-08T07:00:00Z"},
		{"2026-11-01 01:30", "America/New_York", "2026-11-01T05:30:00Z"},
		{"2026-10-04 02:15", "Australia/Lord_Howe", "2026-10-03T15:30:00Z"}, // a gap of half an hour
		{"2026-04-05 01:45", "Australia/Lord_Howe", "2026-04-04T14:45:00Z"},
		{"2026-09-06", "America/Santiago", "2026-09-06T04:00:00Z"},   // a day that starts at one
		{"2011-12-30 12:00", "Pacific/Apia", "2011-12-30T10:00:00Z"}, // a day that never was
	} {
		got, err := when.ParseDate(c.text, now, zone(t, c.zone))
		switch {
		case err != nil:
			t.Errorf("%q in %q: %v", c.text, c.zone, err)
		case got.Words || !got.Time.Equal(at(t, c.want)):
			t.Errorf("%q in %q = %s (words %t), want %s", c.text, c.zone, when.Format(got.Time), got.Words, c.want)
		}
	}
}

func TestParseDateWords(t *testing.T) {
	t.Parallel()
	berlin := zone(t, "Europe/Berlin")
	now := time.Date(2026, 11, 18, 10, 30, 15, 123e6, berlin) // a Wednesday
	for _, c := range []struct{ text, want string }{          // instants as clocks in Berlin show them
		{"now", "2026-11-18 10:30:15.123"},
		{"  NOW ", "2026-11-18 10:30:15.123"},
		{"in 5 minutes", "2026-11-18 10:35:15.123"},
		{"In 5 Minutes", "2026-11-18 10:35:15.123"},
		{"in 1 minute", "2026-11-18 10:31:15.123"},
		{"in five minutes", "2026-11-18 10:35:15.123"},
		{"in 90s", "2026-11-18 10:31:45.123"},
		{"in 90 s", "2026-11-18 10:31:45.123"},
		{"in 90 secs", "2026-11-18 10:31:45.123"},
		{"in 500ms", "2026-11-18 10:30:15.623"},
		{"in 1h30m", "2026-11-18 12:00:15.123"},
		{"in 1h 30m", "2026-11-18 12:00:15.123"},
		{"in 1.5 hours", "2026-11-18 12:00:15.123"},
		{"in an hour", "2026-11-18 11:30:15.123"},
		{"in a minute", "2026-11-18 10:31:15.123"},
		{"in half an hour", "2026-11-18 11:00:15.123"},
		{"half an hour from now", "2026-11-18 11:00:15.123"},
		{"5 minutes from now", "2026-11-18 10:35:15.123"},
		{"in 24 hours", "2026-11-19 10:30:15.123"},
		{"in a day", "2026-11-19 10:30:15.123"},
		{"in 1.5 days", "2026-11-19 22:30:15.123"},
		{"in 2 weeks and 3 days", "2026-12-05 10:30:15.123"},
		{"in 2 weeks, 3 days and 4 hours", "2026-12-05 14:30:15.123"},
		{"in 3 months", "2027-02-18 10:30:15.123"},
		{"in a year", "2027-11-18 10:30:15.123"},
		{"in 200 days", "2027-06-06 10:30:15.123"}, // over the change to summer time
		{"in 3 days at 9am", "2026-11-21 09:00"},
		{"in 2 weeks at noon", "2026-12-02 12:00"},
		{"today", "2026-11-18 00:00"},
		{"today at 17:00", "2026-11-18 17:00"},
		{"today at 8am", "2026-11-18 08:00"},
		{"today 17:00:30", "2026-11-18 17:00:30"},
		{"tomorrow", "2026-11-19 00:00"},
		{"tomorrow at 9:30", "2026-11-19 09:30"},
		{"Tomorrow, 9:30", "2026-11-19 09:30"},
		{"tomorrow at 9:30pm", "2026-11-19 21:30"},
		{"tomorrow at 9:30 p.m.", "2026-11-19 21:30"},
		{"tomorrow at noon", "2026-11-19 12:00"},
		{"noon tomorrow", "2026-11-19 12:00"},
		{"tomorrow at midnight", "2026-11-19 00:00"},
		{"midnight tomorrow", "2026-11-19 00:00"},
		{"tomorrow 12am", "2026-11-19 00:00"},
		{"tomorrow 12pm", "2026-11-19 12:00"},
		{"tomorrow 12:01am", "2026-11-19 00:01"},
		{"9am tomorrow", "2026-11-19 09:00"},
		{"at 9am tomorrow", "2026-11-19 09:00"},
		{"day after tomorrow", "2026-11-20 00:00"},
		{"the day after tomorrow at 8 am", "2026-11-20 08:00"},
		{"midnight", "2026-11-19 00:00"},
		{"noon", "2026-11-18 12:00"},
		{"at noon", "2026-11-18 12:00"},
		{"at 18:00", "2026-11-18 18:00"},
		{"18:00", "2026-11-18 18:00"},
		{"at 10:30", "2026-11-19 10:30"},
		{"at 10:31", "2026-11-18 10:31"},
		{"9am", "2026-11-19 09:00"},
		{"at 9 pm", "2026-11-18 21:00"},
		{"monday", "2026-11-23 00:00"},
		{"on monday", "2026-11-23 00:00"},
		{"mon 9am", "2026-11-23 09:00"},
		{"thurs 9am", "2026-11-19 09:00"},
		{"friday 9am", "2026-11-20 09:00"},
		{"on friday at 9am", "2026-11-20 09:00"},
		{"9am on friday", "2026-11-20 09:00"},
		{"this friday at 9am", "2026-11-20 09:00"},
		{"next friday at 9am", "2026-11-20 09:00"},
		{"next friday", "2026-11-20 00:00"},
		{"sunday", "2026-11-22 00:00"},
		{"wednesday", "2026-11-25 00:00"},
		{"wednesday 11am", "2026-11-18 11:00"},
		{"wednesday 10am", "2026-11-25 10:00"},
		{"next wednesday 11am", "2026-11-25 11:00"},
		{"december 31", "2026-12-31 00:00"},
		{"december 31 at 9pm", "2026-12-31 21:00"},
		{"dec 31st at 9pm", "2026-12-31 21:00"},
		{"December 31, 2027, 9pm", "2027-12-31 21:00"},
		{"31 december 2026 21:00", "2026-12-31 21:00"},
		{"31st of december at 21:00", "2026-12-31 21:00"},
		{"the 1st of may", "2027-05-01 00:00"},
		{"may the 4th", "2027-05-04 00:00"},
		{"sept 3 at noon", "2027-09-03 12:00"},
		{"november 18 at 11:00", "2026-11-18 11:00"},
		{"november 18 at 10:00", "2027-11-18 10:00"},
		{"november 18 2026 at 10:00", "2026-11-18 10:00"},
		{"feb 29 at 1:00", "2028-02-29 01:00"},
		{"2026-12-24 at 9pm", "2026-12-24 21:00"},
		{"2026-12-24 9pm", "2026-12-24 21:00"},
		{"9pm on 2026-12-24", "2026-12-24 21:00"},
		{"march 28 2027 at 2:30", "2027-03-28 03:00"}, // a gap
	} {
		want, err := time.ParseInLocation(layoutOf(c.want), c.want, berlin)
		if err != nil {
			t.Fatal(err)
		}
		got, err := when.ParseDate(c.text, now, berlin)
		switch {
		case err != nil:
			t.Errorf("%q: %v", c.text, err)
		case !got.Words || !got.Time.Equal(want):
			t.Errorf("%q = %s (words %t), want %s", c.text, got.Time.In(berlin), got.Words, want)
		}
	}
}

func TestParseDateWordsAcrossDaylightSaving(t *testing.T) {
	t.Parallel()
	berlin := zone(t, "Europe/Berlin")
	for _, c := range []struct{ now, text, want string }{
		{"2026-10-24T22:30:00Z", "tomorrow at 9am", "2026-10-26T08:00:00Z"}, // half past midnight of the day with 25 hours
		{"2026-10-24T22:30:00Z", "tomorrow", "2026-10-25T23:00:00Z"},
		{"2026-03-28T22:30:00Z", "tomorrow at 9am", "2026-03-29T07:00:00Z"}, // the evening before the day with 23
		{"2026-03-28T22:30:00Z", "next sunday", "2026-03-28T23:00:00Z"},
		{"2026-03-28T22:30:00Z", "in a day", "2026-03-29T21:30:00Z"},
		{"2026-03-28T22:30:00Z", "in 24 hours", "2026-03-29T22:30:00Z"},
		{"2026-10-25T00:30:00Z", "at 2:30", "2026-10-26T01:30:00Z"}, // its first half past two is now
	} {
		got, err := when.ParseDate(c.text, at(t, c.now), berlin)
		if err != nil || !got.Time.Equal(at(t, c.want)) {
			t.Errorf("%q at %s = %s, %v, want %s", c.text, c.now, when.Format(got.Time), err, c.want)
		}
	}
}

func TestParseDateErrors(t *testing.T) {
	t.Parallel()
	now := at(t, "2026-11-18T09:30:15Z")
	for _, c := range []struct{ text, want string }{
		{"", "is empty"},
		{"   ", "is empty"},
		{"garbage words", `"garbage" is not understood`},
		{"now now", `"now" is not understood after "now"`},
		{"tomorrow at noonish", `"noonish" is not understood after "tomorrow at"`},
		{"tomorrow at", `ends too early, after "tomorrow at"`},
		{"in", `ends too early, after "in"`},
		{"in 5", `"5" of what?`},
		{"in five", `"five" of what?`},
		{"in 5 parsecs", `"parsecs" is not understood after "in 5"`},
		{"in 5M", `"M" could be minutes or months`},
		{"in 1h30", `"1h30" is not understood after "in"`},
		{"in -5 minutes", `"-5" is not understood after "in"`},
		{"in 1.5 months", "whole numbers"},
		{"in 99999 years", "more than ten thousand years"},
		{"in 9000 years", "beyond the year 9999"},
		{"in 99999999999999999999 days", "more than ten thousand years"},
		{"in 5 minutes and", `ends too early`},
		{"in 5 minutes or so", `"or" is not understood after "in 5 minutes"`},
		{"in 5 minutes at 9am", `"at" is not understood after "in 5 minutes"`},
		{"at 9", `"9" could be morning or evening`},
		{"tomorrow at 9", `"9" could be morning or evening`},
		{"friday at 25:00", "there is no time 25:00:00"},
		{"friday at 9:75", "there is no time 09:75:00"},
		{"friday at 13pm", "there is no 13 pm"},
		{"friday at 0am", "there is no 0 am"},
		{"next week", `"week" is not understood after "next"`},
		{"last friday", `"last" is not understood`},
		{"yesterday", `"yesterday" is not understood`},
		{"5 minutes ago", `"ago" is not understood`},
		{"june 31", "there is no 31 June"},
		{"february 29 2027", "there is no 29 February 2027"},
		{"june", `ends too early, after "june"`},
		{"june 2027", `"2027" is not understood after "june"`},
		{"2026-02-30", "there is no 30 February 2026"},
		{"2026-13-01", "there is no month 13"},
		{"2026-13-01 9am", "there is no month 13"},
		{"0000-01-01", "there is no year 0"},
		{"2026-12-01 24:00", "there is no time 24:00:00"},
		{"2026-12-01T09:00:61Z", "there is no time 09:00:61"},
		{"2026-12-31T23:59:60Z", "there is no time 23:59:60"},
		{"2026-12-01T09:00:00+25:00", "is not understood"},
		{"0001-01-01T00:00:00+01:00", "outside the years"},
		{"9999-12-31T23:59:59-01:00", "outside the years"},
		{"2026-1-1", "is not understood"},
		{"01.12.2026", "is not understood"},
		{"1796115600", "did you mean 1796115600000?"},
		{"2026", "milliseconds since 1970"},
		{"99999999999999999999999", "milliseconds since 1970"},
		{"999999999999999999", "outside the years"},
		{"\x00", "is not understood"},
		{", ,", "no words"},
		{strings.Repeat("tomorrow ", 100), "longer than"},
		{"明日", "is not understood"},
	} {
		got, err := when.ParseDate(c.text, now, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q = %s, %v; want an error with %q", c.text, when.Format(got.Time), err, c.want)
		}
	}
}

func TestParseDateJSON(t *testing.T) {
	t.Parallel()
	now := at(t, "2026-11-18T09:30:15.123456Z")
	for _, c := range []struct{ raw, want, wrong string }{
		{"", "2026-11-18T09:30:15.123Z", ""},
		{"null", "2026-11-18T09:30:15.123Z", ""},
		{"1796115600000", "2026-12-01T09:00:00Z", ""},
		{" 1796115600000 ", "2026-12-01T09:00:00Z", ""},
		{"1796115600000.75", "2026-12-01T09:00:00Z", ""},
		{"1.7961156e12", "2026-12-01T09:00:00Z", ""},
		{"0", "1970-01-01T00:00:00Z", ""},
		{"-1", "1969-12-31T23:59:59.999Z", ""},
		{`"2026-12-01T09:00:00Z"`, "2026-12-01T09:00:00Z", ""},
		{`"2026-12-01T09:00:00\u005a"`, "2026-12-01T09:00:00Z", ""},
		{`"in 5 minutes"`, "2026-11-18T09:35:15.123Z", ""},
		{"1796115600", "", "did you mean 1796115600000?"},
		{"1e300", "", "beyond the year 9999"},
		{"1e17", "", "outside the years"},
		{"true", "", "must be a string or a number"},
		{"{}", "", "must be a string or a number"},
		{"[1]", "", "must be a string or a number"},
		{`"`, "", "cannot read the date"},
		{`""`, "", "is empty"},
	} {
		got, err := when.ParseDateJSON([]byte(c.raw), now, nil)
		switch {
		case c.wrong != "":
			if err == nil || !strings.Contains(err.Error(), c.wrong) {
				t.Errorf("%s = %s, %v; want an error with %q", c.raw, when.Format(got.Time), err, c.wrong)
			}
		case err != nil || when.Format(got.Time) != c.want:
			t.Errorf("%s = %s, %v; want %s", c.raw, when.Format(got.Time), err, c.want)
		}
	}
}

func TestFormat(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		at   time.Time
		want string
	}{
		{time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC), "2026-12-01T09:00:00Z"},
		{time.Date(2026, 12, 1, 9, 0, 0, 999, time.UTC), "2026-12-01T09:00:00Z"},
		{time.Date(2026, 12, 1, 9, 0, 0, 7e6, time.UTC), "2026-12-01T09:00:00.007Z"},
		{time.Date(2026, 12, 1, 9, 0, 0, 250e6, zone(t, "Europe/Berlin")), "2026-12-01T08:00:00.250Z"},
		{time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), "0001-01-01T00:00:00Z"},
		{time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC), "9999-12-31T23:59:59.999Z"},
	} {
		if got := when.Format(c.at); got != c.want {
			t.Errorf("Format(%s) = %s, want %s", c.at, got, c.want)
		}
	}
}

func TestLoadLocation(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "UTC", "Europe/Berlin", "Asia/Kathmandu", "Europe/Berlin"} {
		if loc, err := when.LoadLocation(name); err != nil || loc == nil {
			t.Errorf("LoadLocation(%q): %v", name, err)
		}
	}
	for _, name := range []string{"Local", "local", "Berlin", "../etc/passwd", "/etc/localtime", "Europe", "\x00", strings.Repeat("x", 1000)} {
		if _, err := when.LoadLocation(name); err == nil || !strings.Contains(err.Error(), "is no time zone") {
			t.Errorf("LoadLocation(%.20q): %v, want an error", name, err)
		}
	}
}

func TestParseDuration(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want time.Duration
	}{
		{"30s", 30 * time.Second},
		{"1h30m", 90 * time.Minute},
		{"1h 30m", 90 * time.Minute},
		{"500ms", 500 * time.Millisecond},
		{"2d", 48 * time.Hour},
		{"1w", 168 * time.Hour},
		{"0s", 0},
		{"1.5h", 90 * time.Minute},
		{"0.001s", time.Millisecond},
		{"30 seconds", 30 * time.Second},
		{"1 hour and 30 minutes", 90 * time.Minute},
		{"an hour", time.Hour},
		{"PT30S", 30 * time.Second},
		{"pt1h", time.Hour},
		{"P1D", 24 * time.Hour},
		{"P1W", 168 * time.Hour},
		{"PT0.25S", 250 * time.Millisecond},
		{"PT1H10M5S", time.Hour + 10*time.Minute + 5*time.Second},
	} {
		if got, err := when.ParseDuration(c.text); err != nil || got != c.want {
			t.Errorf("ParseDuration(%q) = %s, %v; want %s", c.text, got, err, c.want)
		}
	}
	for _, c := range []struct{ text, want string }{
		{"", "empty"},
		{"30", `"30" of what?`},
		{"-5s", "negative"},
		{"5M", "could be minutes or months"},
		{"1 month", "no fixed length"},
		{"P1M", "no fixed length"},
		{"P1Y", "no fixed length"},
		{"soon", `"soon" is not understood`},
		{"5 bananas", `"bananas" is not understood`},
		{"300 years", "no fixed length"},
		{"200000 days", "more than 292 years"},
		{"0.0001s", "smaller than a millisecond"},
		{"5s now", `"now" is not understood`},
		{"P", "nothing comes after the P"},
		{"PT", "nothing comes after the T"},
		{"PT5", "not understood"},
		{"P5", "not understood"},
		{"PT5X", "not understood"},
		{"PT1S1M", "not understood"},
		{"P1DT1.5M3S", "only the last"},
		{"P0.5DT1H", "only the last"},
		{strings.Repeat("1s", 100), "longer than"},
	} {
		if got, err := when.ParseDuration(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("ParseDuration(%q) = %s, %v; want an error with %q", c.text, got, err, c.want)
		}
	}
}

func TestParseDurationJSON(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]time.Duration{`"30s"`: 30 * time.Second, "1500": 1500 * time.Millisecond, "0": 0, "0.5": 500 * time.Microsecond} {
		if got, err := when.ParseDurationJSON([]byte(raw)); err != nil || got != want {
			t.Errorf("%s = %s, %v; want %s", raw, got, err, want)
		}
	}
	for raw, want := range map[string]string{"-1": "negative", "1e30": "146 years", "null": "must be a string", "true": "must be a string", `{"a":1}`: "must be a string"} {
		if got, err := when.ParseDurationJSON([]byte(raw)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s = %s, %v; want an error with %q", raw, got, err, want)
		}
	}
}

// layoutOf gives the layout of a wall time with or without seconds.
func layoutOf(text string) string {
	if len(text) == len("2006-01-02 15:04") {
		return "2006-01-02 15:04"
	}
	return "2006-01-02 15:04:05.999"
}
