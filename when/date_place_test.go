package when_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/adlayer/after/when"
)

func TestParseDateAmountsAndPlaces(t *testing.T) {
	t.Parallel()
	berlin := zone(t, "Europe/Berlin")
	now := time.Date(2026, 11, 18, 10, 30, 15, 123e6, berlin) // a Wednesday
	for _, c := range []struct{ text, want string }{
		// An amount is that long from now.
		{"10 seconds", "2026-11-18 10:30:25.123"},
		{"10 s", "2026-11-18 10:30:25.123"},
		{"90s", "2026-11-18 10:31:45.123"},
		{"1h 30m", "2026-11-18 12:00:15.123"},
		{"an hour", "2026-11-18 11:30:15.123"},
		{"half an hour", "2026-11-18 11:00:15.123"},
		{"2 weeks", "2026-12-02 10:30:15.123"},
		{"3 days at 9am", "2026-11-21 09:00"},
		{"PT10S", "2026-11-18 10:30:25.123"},
		{"pt10s", "2026-11-18 10:30:25.123"},
		{"P1D", "2026-11-19 10:30:15.123"},
		{"P1M", "2026-12-18 10:30:15.123"},
		{"P1Y2M3DT4H", "2028-01-21 14:30:15.123"},
		{"PT0S", "2026-11-18 10:30:15.123"},
		// Days by their place: the next that is not past.
		{"on the last day of the month at 18:00", "2026-11-30 18:00"},
		{"the last day of the month", "2026-11-30 00:00"},
		{"noon on the last day of the month", "2026-11-30 12:00"},
		{"the last friday of the month at 5pm", "2026-11-27 17:00"},
		{"the second to last weekday of the month at 5pm", "2026-11-27 17:00"},
		{"the third wednesday of the month at 11am", "2026-11-18 11:00"},
		{"the third wednesday of the month at 10am", "2026-12-16 10:00"},
		{"the first monday of the month at 9:00", "2026-12-07 09:00"},
		{"the first monday of next month at 9:00", "2026-12-07 09:00"},
		{"first day of next month", "2026-12-01 00:00"},
		{"the first monday of this month at 9:00", "2026-11-02 09:00"},
		{"the 15th of next month at 9:00", "2026-12-15 09:00"},
		{"the 15th of the month at 9:00", "2026-12-15 09:00"},
		{"the 15th at 9:00", "2026-12-15 09:00"},
		{"on the 20th at 9:00", "2026-11-20 09:00"},
		{"the 31st at 9:00", "2026-12-31 09:00"},
		{"the fifth monday of the month", "2026-11-30 00:00"},
		{"the 5th sunday of the month", "2026-11-29 00:00"},
		{"the last weekday of the quarter at 17:00", "2026-12-31 17:00"},
		{"the first day of next quarter", "2027-01-01 00:00"},
		{"the last day of the year at 18:00", "2026-12-31 18:00"},
		{"the first monday of next year at 9:00", "2027-01-04 09:00"},
		{"the fourth thursday of november at noon", "2026-11-26 12:00"},
		{"the first monday of september 2028", "2028-09-04 00:00"},
		{"the first monday in may at 9:00", "2027-05-03 09:00"},
		{"the last day of february at 9:00", "2027-02-28 09:00"},
		{"the fifth tuesday of february", "2028-02-29 00:00"},
		{"end of month at 18:00", "2026-11-30 18:00"},
		{"end of next month at 18:00", "2026-12-31 18:00"},
		{"the end of the year at 18:00", "2026-12-31 18:00"},
		{"next weekday at 9am", "2026-11-19 09:00"},
		{"next weekday", "2026-11-19 00:00"},
		{"tomorrow at 17", "2026-11-19 17:00"},
		{"at 17 o'clock", "2026-11-18 17:00"},
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
	friday := time.Date(2026, 11, 20, 10, 0, 0, 0, berlin)
	if got, err := when.ParseDate("next weekday at 9am", friday, berlin); err != nil || !got.Time.Equal(time.Date(2026, 11, 23, 9, 0, 0, 0, berlin)) {
		t.Errorf("next weekday on a friday = %s, %v", got.Time.In(berlin), err)
	}
}

func TestParseDatePlaceErrors(t *testing.T) {
	t.Parallel()
	now := at(t, "2026-11-18T09:30:15Z")
	for _, c := range []struct{ text, want string }{
		{"PT", "nothing comes after the T"},
		{"P1D2", "is not understood"},
		{"P9000Y", "beyond the year 9999"},
		{"P99999Y", "ten thousand years"},
		{"-P1D", "is not understood"},
		{"5 minutes earlier", `"earlier" is not understood after "5 minutes"`},
		{"end of month", `ends too early, after "end of month"; here could stand the time`},
		{"end of", `ends too early, after "end of"; here could stand "month"`},
		{"end of march madness", `"madness" is not understood`},
		{"last friday", `"last" is not understood`},
		{"the first friday", `ends too early, after "the first friday"; here could stand "of the month"`},
		{"the first friday of every month", "names many dates"},
		{"the 1st and 15th of next month", "names several dates"},
		{"the fifth monday of next month at 9:00", "there is no 5th Monday in it"},
		{"the 31st of this month", "there is no 31st day in it"},
		{"the 30th day of february", "there is no 30th day in February"},
		{"the first monday of next may", "write the year"},
		{"the first xyzzy of next month", `"xyzzy" is not understood after "the first"; here could stand "day"`},
		{"mondays", `"mondays" is not understood`},
		{"tomorrow at 9", `"9" could be morning or evening`},
		{"tomorrow at 24", "there is no time 24:00:00"},
	} {
		got, err := when.ParseDate(c.text, now, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q = %s, %v; want an error with %q", c.text, when.Format(got.Time), err, c.want)
		}
	}
}

// TestDateWordsLaws says of all words for the future, at any time in any zone, that they give one, which reads back as itself.
func TestDateWordsLaws(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		pick := func(of ...string) string { return rapid.SampledFrom(of).Draw(t, "word") }
		day := pick("tomorrow", "the day after tomorrow", "friday", "next monday", "next weekday", "december 31", "the 1st of may",
			"the last day of the month", "the first monday of the month", "the 31st", "the last weekday of the quarter",
			"the first day of next month", "the second to last friday of the year", "the last sunday of october", "the fifth friday of february")
		clock := pick("9am", "at 02:30", "noon", "at midnight", "23:59:59")
		text := pick("in 5 minutes", "90s", "PT10S", "P1M", "2 weeks and 3 days", "an hour from now", clock, day+" "+clock, clock+" on "+day)
		text = strings.ReplaceAll(text, "on tomorrow", "tomorrow")
		loc, err := when.LoadLocation(pick("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu", "America/Santiago"))
		if err != nil {
			t.Fatal(err)
		}
		now := time.UnixMilli(rapid.Int64Range(-2_000_000_000_000, 9_000_000_000_000).Draw(t, "now"))
		got, err := when.ParseDate(text, now, loc)
		if err != nil || !got.Words || got.Time.Before(now) {
			t.Fatalf("%q at %s = %s (words %t), %v", text, now.In(loc), got.Time.In(loc), got.Words, err)
		}
		again, err := when.ParseDate(when.Format(got.Time), now, loc)
		if err != nil || again.Words || !again.Time.Equal(got.Time) {
			t.Fatalf("%q = %s, which reads back as %s, %v", text, got.Time, again.Time, err)
		}
	})
}
