package when

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func mustCron(t *testing.T, line string, scope Scope) *cronSeries {
	t.Helper()
	p, err := parseCron(line, scope)
	if err != nil {
		t.Fatal(err)
	}
	s, ok := p.series.(*cronSeries)
	if !ok {
		t.Fatalf("%s became a %T", line, p.series)
	}
	return s
}

// firings gives the next dates of a series as text, in UTC.
func firings(s series, from time.Time, n int) string {
	var all []string
	at := from.UnixMilli()
	for range n {
		next, ok := s.after(firstReading, at)
		if !ok {
			all = append(all, "none")
			break
		}
		all = append(all, time.UnixMilli(next).UTC().Format("Mon 2006-01-02 15:04:05"))
		at = next
	}
	return strings.Join(all, ", ")
}

func TestCronDates(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) // a Sunday
	for line, want := range map[string]string{
		"* * * * *":                           "Sun 2026-11-22 12:01:00, Sun 2026-11-22 12:02:00",
		"* * * * * *":                         "Sun 2026-11-22 12:00:01, Sun 2026-11-22 12:00:02",
		"0 0 14,16 * * *":                     "Sun 2026-11-22 14:00:00, Sun 2026-11-22 16:00:00, Mon 2026-11-23 14:00:00",
		"0 0 9 ? * MON#2":                     "Mon 2026-12-14 09:00:00, Mon 2027-01-11 09:00:00",
		"0 0 * * MON#5":                       "Mon 2026-11-30 00:00:00, Mon 2027-03-29 00:00:00",
		"0 0 * * 5L":                          "Fri 2026-11-27 00:00:00, Fri 2026-12-25 00:00:00",
		"0 0 * * friL":                        "Fri 2026-11-27 00:00:00, Fri 2026-12-25 00:00:00",
		"0 0 * * FRI#L":                       "Fri 2026-11-27 00:00:00, Fri 2026-12-25 00:00:00",
		"0 0 L * *":                           "Mon 2026-11-30 00:00:00, Thu 2026-12-31 00:00:00",
		"0 0 L-3 * *":                         "Fri 2026-11-27 00:00:00, Mon 2026-12-28 00:00:00",
		"0 0 L 2 *":                           "Sun 2027-02-28 00:00:00, Tue 2028-02-29 00:00:00",
		"0 0 L-28 2 *":                        "Tue 2028-02-01 00:00:00, Sun 2032-02-01 00:00:00",
		"0 0 LW 1 *":                          "Fri 2027-01-29 00:00:00, Mon 2028-01-31 00:00:00",
		"0 0 L-3W * *":                        "Fri 2026-11-27 00:00:00, Mon 2026-12-28 00:00:00",
		"0 0 15W 8 *":                         "Mon 2027-08-16 00:00:00, Tue 2028-08-15 00:00:00",
		"0 0 1W 5 *":                          "Mon 2027-05-03 00:00:00, Mon 2028-05-01 00:00:00",
		"0 0 31W 1 *":                         "Fri 2027-01-29 00:00:00, Mon 2028-01-31 00:00:00",
		"0 0 29 2 *":                          "Tue 2028-02-29 00:00:00, Sun 2032-02-29 00:00:00",
		"0 0 */29 2 MON":                      "Mon 2027-02-01 00:00:00, Mon 2038-02-01 00:00:00",
		"0 0 0 29 2 ? 2096-2400":              "Wed 2096-02-29 00:00:00, Fri 2104-02-29 00:00:00",
		"0 0 0 1 1 ? 2030,2027":               "Fri 2027-01-01 00:00:00, Tue 2030-01-01 00:00:00, none",
		"0 0 0 1 1 ? */4":                     "Tue 2030-01-01 00:00:00, Sun 2034-01-01 00:00:00",
		"0 9 13 * FRI":                        "Fri 2026-11-27 09:00:00, Fri 2026-12-04 09:00:00, Fri 2026-12-11 09:00:00, Sun 2026-12-13 09:00:00",
		"0 9 */13 * FRI":                      "Fri 2026-11-27 09:00:00, Fri 2027-01-01 09:00:00",
		"0 9 ? * FRI":                         "Fri 2026-11-27 09:00:00, Fri 2026-12-04 09:00:00",
		"0 9 13 * ?":                          "Sun 2026-12-13 09:00:00, Wed 2027-01-13 09:00:00",
		"0 9 1-31 * FRI":                      "Mon 2026-11-23 09:00:00, Tue 2026-11-24 09:00:00",
		"0 9 * * FRI-MON":                     "Mon 2026-11-23 09:00:00, Fri 2026-11-27 09:00:00",
		"0 9 * * 5-7":                         "Fri 2026-11-27 09:00:00, Sat 2026-11-28 09:00:00, Sun 2026-11-29 09:00:00, Fri 2026-12-04 09:00:00",
		"0 9 * * 7":                           "Sun 2026-11-29 09:00:00, Sun 2026-12-06 09:00:00",
		"0 9 * * 7-2":                         "Mon 2026-11-23 09:00:00, Tue 2026-11-24 09:00:00, Sun 2026-11-29 09:00:00",
		"0 22-2/2 * * *":                      "Sun 2026-11-22 22:00:00, Mon 2026-11-23 00:00:00, Mon 2026-11-23 02:00:00, Mon 2026-11-23 22:00:00",
		"0 0 30-2 * *":                        "Mon 2026-11-30 00:00:00, Tue 2026-12-01 00:00:00, Wed 2026-12-02 00:00:00, Wed 2026-12-30 00:00:00",
		"0 0 1 NOV-february *":                "Tue 2026-12-01 00:00:00, Fri 2027-01-01 00:00:00, Mon 2027-02-01 00:00:00, Mon 2027-11-01 00:00:00",
		"50/5 11 * * *":                       "Mon 2026-11-23 11:50:00, Mon 2026-11-23 11:55:00, Tue 2026-11-24 11:50:00",
		"@yearly":                             "Fri 2027-01-01 00:00:00",
		"@Annually":                           "Fri 2027-01-01 00:00:00",
		"@monthly":                            "Tue 2026-12-01 00:00:00",
		"@weekly":                             "Sun 2026-11-29 00:00:00",
		"@daily":                              "Mon 2026-11-23 00:00:00",
		"@midnight":                           "Mon 2026-11-23 00:00:00",
		"@hourly":                             "Sun 2026-11-22 13:00:00",
		"TZ=Asia/Tokyo @daily":                "Sun 2026-11-22 15:00:00",
		"CRON_TZ=America/New_York 30 7 * * *": "Sun 2026-11-22 12:30:00, Mon 2026-11-23 12:30:00",
	} {
		n := strings.Count(want, ",") + 1
		if got := firings(mustCron(t, line, Scope{}), from, n); got != want {
			t.Errorf("%s:\n got %s\nwant %s", line, got, want)
		}
	}
}

// The same times in each zone of a change.
func TestCronAtChanges(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ zone, line, from, want string }{
		// The clock goes from 2:00 to 3:00 at 01:00 UTC.
		{"Europe/Berlin", "30 2 * * *", "2026-03-28T12:00:00Z", "Sun 2026-03-29 01:00:00, Mon 2026-03-30 00:30:00"},
		{"Europe/Berlin", "15,45 2 * * *", "2026-03-28T12:00:00Z", "Sun 2026-03-29 01:00:00, Mon 2026-03-30 00:15:00"},
		{"Europe/Berlin", "*/20 2 * * *", "2026-03-28T12:00:00Z", "Sun 2026-03-29 01:00:00, Mon 2026-03-30 00:00:00"},
		{"Europe/Berlin", "30 * * * *", "2026-03-29T00:00:00Z", "Sun 2026-03-29 00:30:00, Sun 2026-03-29 01:30:00"},
		{"Europe/Berlin", "0 2,3 * * *", "2026-03-29T00:00:00Z", "Sun 2026-03-29 01:00:00, Mon 2026-03-30 00:00:00"},
		// It goes from 3:00 back to 2:00 at 01:00 UTC.
		{"Europe/Berlin", "30 2 * * *", "2026-10-24T12:00:00Z", "Sun 2026-10-25 00:30:00, Mon 2026-10-26 01:30:00"},
		{"Europe/Berlin", "0,30 2 * * *", "2026-10-25T00:00:00Z", "Sun 2026-10-25 00:30:00, Mon 2026-10-26 01:00:00"},
		{"Europe/Berlin", "*/30 2 * * *", "2026-10-24T23:59:59Z", "Sun 2026-10-25 00:00:00, Sun 2026-10-25 00:30:00, Sun 2026-10-25 01:00:00, Sun 2026-10-25 01:30:00, Mon 2026-10-26 01:00:00"},
		{"Europe/Berlin", "30 * * * *", "2026-10-25T00:00:00Z", "Sun 2026-10-25 00:30:00, Sun 2026-10-25 01:30:00, Sun 2026-10-25 02:30:00"},
		// Half an hour: from 2:00 to 2:30 at 15:30 UTC, and back from 2:00 to 1:30 at 15:00 UTC.
		{"Australia/Lord_Howe", "15 2 * * *", "2026-10-03T00:00:00Z", "Sat 2026-10-03 15:30:00, Sun 2026-10-04 15:15:00"},
		{"Australia/Lord_Howe", "45 1 * * *", "2026-04-04T00:00:00Z", "Sat 2026-04-04 14:45:00, Sun 2026-04-05 15:15:00"},
		{"Australia/Lord_Howe", "*/15 1 * * *", "2026-04-04T14:00:00Z", "Sat 2026-04-04 14:15:00, Sat 2026-04-04 14:30:00, Sat 2026-04-04 14:45:00, Sat 2026-04-04 15:00:00, Sat 2026-04-04 15:15:00, Sun 2026-04-05 14:30:00"},
		// Midnight does not come: from 0:00 to 1:00 at 03:00 UTC; in Beirut at 22:00 UTC.
		{"America/Sao_Paulo", "@daily", "2018-11-03T12:00:00Z", "Sun 2018-11-04 03:00:00, Mon 2018-11-05 02:00:00"},
		{"Asia/Beirut", "0 0 * * *", "2026-03-28T12:00:00Z", "Sat 2026-03-28 22:00:00, Sun 2026-03-29 21:00:00"},
		// Midnight comes twice: from 0:00 back to 23:00.
		{"America/Sao_Paulo", "30 23 * * *", "2019-02-16T12:00:00Z", "Sun 2019-02-17 01:30:00, Mon 2019-02-18 02:30:00"},
		// There was no 30 December 2011 in Samoa; its noon is taken as it ended, and daily stays daily.
		{"Pacific/Apia", "0 12 * * *", "2011-12-29T00:00:00Z", "Thu 2011-12-29 22:00:00, Fri 2011-12-30 10:00:00, Fri 2011-12-30 22:00:00"},
		{"Pacific/Apia", "0 0 * * *", "2011-12-29T12:00:00Z", "Fri 2011-12-30 10:00:00, Sat 2011-12-31 10:00:00"},
		{"Pacific/Apia", "0 */6 * * *", "2011-12-30T00:00:00Z", "Fri 2011-12-30 04:00:00, Fri 2011-12-30 10:00:00, Fri 2011-12-30 16:00:00"},
		// Ramadan: from 3:00 back to 2:00 at 02:00 UTC on 15 February, and from 2:00 to 3:00 at 02:00 UTC on 22 March.
		{"Africa/Casablanca", "30 2 * * *", "2026-02-14T12:00:00Z", "Sun 2026-02-15 01:30:00, Mon 2026-02-16 02:30:00"},
		{"Africa/Casablanca", "30 2 * * *", "2026-03-21T12:00:00Z", "Sun 2026-03-22 02:00:00, Mon 2026-03-23 01:30:00"},
		// Two hours: from 1:00 to 3:00 at 01:00 UTC, and back from 3:00 to 1:00.
		{"Antarctica/Troll", "15 1,2 * * *", "2026-03-28T12:00:00Z", "Sun 2026-03-29 01:00:00, Sun 2026-03-29 23:15:00"},
		{"Antarctica/Troll", "15 1,2 * * *", "2026-10-24T12:00:00Z", "Sat 2026-10-24 23:15:00, Sun 2026-10-25 00:15:00, Mon 2026-10-26 01:15:00"},
	} {
		loc, err := LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		from, err := time.Parse(time.RFC3339, c.from)
		if err != nil {
			t.Fatal(err)
		}
		if got := firings(mustCron(t, c.line, Scope{Zone: loc}), from, strings.Count(c.want, ",")+1); got != c.want {
			t.Errorf("%s in %s:\n got %s\nwant %s", c.line, c.zone, got, c.want)
		}
	}
}

func TestCronBounds(t *testing.T) {
	t.Parallel()
	at := func(text string) int64 {
		d, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t.Fatal(err)
		}
		return d.UnixMilli()
	}
	daily := mustCron(t, "0 12 * * *", Scope{})
	for _, c := range []struct {
		s                   series
		anchor, from, after string
		latest              string
	}{
		{daily, "0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "0001-01-01T12:00:00Z", ""},
		{daily, "9999-01-01T00:00:00Z", "9999-12-31T12:00:00Z", "", "9999-12-31T12:00:00Z"},
		{daily, "9999-01-01T00:00:00Z", "9999-12-31T11:59:59.999Z", "9999-12-31T12:00:00Z", "9999-12-30T12:00:00Z"},
		{daily, "1960-01-01T00:00:00Z", "1969-12-31T12:00:00Z", "1970-01-01T12:00:00Z", "1969-12-31T12:00:00Z"},
		{daily, "1960-01-01T00:00:00Z", "1969-12-31T23:59:59.999Z", "1970-01-01T12:00:00Z", "1969-12-31T12:00:00Z"},
		{daily, "2026-11-22T12:00:00Z", "2020-01-01T00:00:00Z", "2026-11-22T12:00:00Z", ""},
		{daily, "2026-11-22T12:00:00.001Z", "2026-11-22T12:00:00.001Z", "2026-11-23T12:00:00Z", ""},
		{mustCron(t, "0 0 0 1 1 ? 2027", Scope{}), "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z", "", "2027-01-01T00:00:00Z"},
		{mustCron(t, "0 0 0 1 1 ? 2027", Scope{}), "2028-01-01T00:00:00Z", "2030-01-01T00:00:00Z", "", ""},
		{mustCron(t, "* * * * * *", Scope{}), "9999-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "", "9999-12-31T23:59:59Z"},
	} {
		check := func(what string, got int64, ok bool, want string) {
			if ok != (want != "") || ok && got != at(want) {
				t.Errorf("%s %s %s: got %s (%v), want %q", c.s, what, c.from, time.UnixMilli(got).UTC(), ok, want)
			}
		}
		got, ok := c.s.after(at(c.anchor), at(c.from))
		check("after", got, ok, c.after)
		got, ok = c.s.latest(at(c.anchor), at(c.from))
		check("up to", got, ok, c.latest)
	}
}

func TestCronErrors(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"":                          "it has 0 fields; it needs five (minute, hour, day, month, weekday), six (second first) or seven (year last)",
		"0 9 * *":                   "it has 4 fields",
		"0 0 9 * * MON 2026 /bin/x": "it has 8 fields",
		"60 * * * *":                `minute field, "60": 60 is not within 0 to 59; allowed are 0 to 59`,
		"* 24 * * *":                `hour field, "24": 24 is not within 0 to 23; allowed are 0 to 23`,
		"* * 0 * *":                 `day field, "0": 0 is not within 1 to 31; allowed are 1 to 31, L, L-3, LW, 15W, ?`,
		"* * * 13 *":                `month field, "13": 13 is not within 1 to 12; allowed are 1 to 12, JAN to DEC`,
		"* * * * 8":                 `weekday field, "8": 8 is not within 0 to 7; allowed are 0 to 7 (0 and 7 are Sunday), SUN to SAT`,
		"* * * * MOO":               `weekday field, "MOO": "MOO" is not known here`,
		"* * * MON *":               `month field, "MON": "MON" is not known here`,
		"* * * * * * 26":            `year field, "26": 26 has not four digits`,
		"* * * * * * 2030-2026":     "the range ends before it begins",
		"* * * * * * 0000":          "is not within 1 to 9999",
		"* * * * * * H":             "years are not spread",
		"*/90 * * * *":              `minute field, "*/90": the step must be 1 to 60 (for every 90 minutes use "@every 90m")`,
		"*/0 * * * *":               "the step must be 1 to 60",
		"*/x * * * *":               "the step must be 1 to 60",
		"1/2/3 * * * *":             "the step must be 1 to 60",
		"1, * * * *":                `minute field, "": a part of the list is empty`,
		"1- * * * *":                "a number is missing",
		"-1 * * * *":                "a number is missing",
		"? * * * *":                 "? stands alone, in the day and weekday fields only",
		"* * ?,1 * *":               "? stands alone",
		"* * L-31 * *":              "L is followed by nothing, W, or -1 to -30",
		"* * L-0 * *":               "L is followed by nothing, W, or -1 to -30",
		"* * LX * *":                "L is followed by nothing",
		"* * L/2 * *":               "L, W and # take no step",
		"* * 1-5W * *":              "W takes one day, such as 15W",
		"* * W * *":                 "a number is missing",
		"* * 32W * *":               "32 is not within 1 to 31",
		"* L * * *":                 `hour field, "L"`,
		"* * * * L":                 "a weekday is missing; 5L is the last Friday",
		"* * * * MON#6":             "# is followed by 1 to 5, or L",
		"* * * * MON#":              "# is followed by 1 to 5, or L",
		"* * * * #2":                "a weekday is missing",
		"* * 15#2 * *":              `day field, "15#2"`,
		"H(5) * * * *":              "H stands alone or takes a range, such as H(0-29)",
		"H(30-5) * * * *":           "the range ends before it begins",
		"30~5 * * * *":              "the range ends before it begins",
		"H(0-60) * * * *":           "60 is not within 0 to 59",
		"0~60 * * * *":              "60 is not within 0 to 59",
		"0 0 30 2 *":                "it never comes",
		"0 0 31 4,6,9,11 *":         "it never comes",
		"0 0 L-30 2 *":              "it never comes",
		"0 0 31W 2 *":               "it never comes",
		"0 0 */15 * MON#2":          "it never comes",
		"0 0 * 2 MON#5":             "",
		"0 0 0 29 2 ? 2027":         "it never comes",
		"0 0 0 ? 2 MON#5 2027":      "it never comes",
		"@reboot":                   "@reboot names no time",
		"@fortnightly":              `"@fortnightly" is unknown; known are @yearly`,
		"@daily 5":                  `"@daily 5" is unknown`,
		"@every":                    "@every needs a length of time",
		"@every 1 month":            "years and months have no fixed length",
		"@every 0s":                 "it never advances",
		"@every x":                  "cannot read the duration",
		"TZ=Mars/Olympus * * * * *": `"Mars/Olympus" is no time zone`,
		"CRON_TZ=Europe/Berlin":     "nothing comes after the zone",
		"* * * * * " + strings.Repeat(" ", longestCron) + "*": "longer than 1024 bytes",
	} {
		_, err := parseCron(line, Scope{})
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", line, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "cannot read the cron line")):
			t.Errorf("%s: got %v, want %s", line, err, want)
		}
	}
	berlin, err := LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parseCron("0 30 2/24 29 3 ? 2026", Scope{Zone: berlin}); err == nil || !strings.Contains(err.Error(), "jump over all of its times") {
		t.Errorf("a rule whose only time is in a gap: %v", err)
	}
}

func TestCronEvery(t *testing.T) {
	t.Parallel()
	p, err := parseCron("@every 1m30s", Scope{})
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := p.series.after(1000, 1000); got != 91_000 || p.series.String() != "PT1M30S" || !p.series.anchored() {
		t.Errorf("got %d, %s", got, p.series)
	}
}

func TestLooksLikeCron(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"* * * * *": true, "0 9 * * MON-FRI": true, "0 9 1 1 MON": true, "@daily": true, "@nonsense": true, "TZ=Asia/Tokyo @daily": true,
		"CRON_TZ=X 1 2 3": true, "0 9 * *": true, "H H * * *": true, "0~30 9 1 JAN ?": true, "0 0 9 ? * MON#2": true, "0 9 L-3 * 5L": true,
		"0 9 15W 1 MON,FRI": true, "0 9 1 1 FOO": true, "mon * * * *": true, " 5 4 * * sun ": true, "H(0-29)/10 1 1 1 1": true,
		"every 5 minutes": false, "10 seconds": false, "10 s": false, "P1D": false, "R5/2026-12-01T00:00:00Z/P1M": false, "": false,
		"FREQ=WEEKLY;BYDAY=FR": false, "every weekday at 9:00": false, "on the last day of the month at 18:00": false, `{"cron": "* * * * *"}`: false,
		"5 minutes and 10 seconds": false, "2026-12-01 09:00": false, "1 hour 2 minutes 3 seconds": false,
	} {
		if got := LooksLikeCron(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// randomLine draws a line of the whole grammar.
func randomLine(t *rapid.T) string {
	value := func(field cronField) string {
		low, high := field.bounds()
		if field == cronYear {
			low, high = 1990, 2100
		}
		return year4(rapid.IntRange(low, high).Draw(t, "value"))[map[bool]int{true: 0, false: 2}[field == cronYear]:]
	}
	part := func(field cronField) string {
		step := "/" + rapid.StringMatching("[1-7]").Draw(t, "step")
		choices := []string{value(field), value(field), value(field) + "-" + value(field), "*" + step, value(field) + step, value(field) + "-" + value(field) + step}
		if field != cronYear {
			choices = append(choices, "H", "H"+step, "~", value(field)+"~", "~"+value(field)+step)
		}
		if field == cronDay {
			choices = append(choices, "L", "LW", "L-"+value(cronMonth), "L-"+value(cronMonth)+"W", value(field)+"W")
		}
		if field == cronWeekday {
			choices = append(choices, value(field)+"L", value(field)+"#"+rapid.StringMatching("[1-5]").Draw(t, "nth"), "sun", "7", "Fri-mon")
		}
		return rapid.SampledFrom(choices).Draw(t, "part")
	}
	first := rapid.SampledFrom([]cronField{cronSecond, cronMinute}).Draw(t, "first")
	last := cronWeekday
	if first == cronSecond && rapid.Bool().Draw(t, "years") {
		last = cronYear
	}
	var fields []string
	for field := first; field <= last; field++ {
		var parts []string
		for range rapid.IntRange(0, 3).Draw(t, "parts") {
			parts = append(parts, part(field))
		}
		if parts == nil {
			parts = []string{"*"}
		}
		fields = append(fields, strings.Join(parts, ","))
	}
	return strings.Join(fields, " ")
}

func TestCronLaws(t *testing.T) {
	t.Parallel()
	zones := []string{"UTC", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia", "America/Sao_Paulo", "Africa/Casablanca", "Antarctica/Troll"}
	rapid.Check(t, func(t *rapid.T) {
		line := randomLine(t)
		loc, err := LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		scope := Scope{Zone: loc, Seed: rapid.StringN(0, 8, -1).Draw(t, "seed")}
		p, err := parseCron(line, scope)
		if err != nil {
			if strings.Contains(err.Error(), "never comes") || strings.Contains(err.Error(), "range ends before") {
				return
			}
			t.Fatalf("%s: %v", line, err)
		}
		again, err := parseCron(p.series.String(), Scope{Zone: loc})
		if err != nil || again.series.String() != p.series.String() {
			t.Fatalf("%s prints as %s, which prints as %v (%v)", line, p.series, again.series, err)
		}
		if p.series.words() == "" || p.series.words() != again.series.words() {
			t.Fatalf("%s: %q", line, p.series.words())
		}
		at := rapid.Int64Range(-2e12, 5e12).Draw(t, "at")
		anchor := at - rapid.Int64Range(0, 1e12).Draw(t, "anchor")
		for range 5 {
			next, ok := p.series.after(anchor, at)
			other, otherOK := again.series.after(anchor, at)
			if ok != otherOK || next != other {
				t.Fatalf("%s and %s differ after %d: %d, %d", line, again.series, at, next, other)
			}
			if !ok {
				break
			}
			if next <= at || next < anchor {
				t.Fatalf("%s: %d is not after %d", line, next, at)
			}
			if latest, ok := p.series.latest(anchor, next); !ok || latest != next {
				t.Fatalf("%s: the last up to %d is %d", line, next, latest)
			}
			before, ok := p.series.latest(anchor, next-1)
			if ok && before > at {
				t.Fatalf("%s: %d was left out after %d", line, before, at)
			}
			if ok {
				if same, ok := p.series.after(anchor, before); !ok || same != next {
					t.Fatalf("%s: after %d comes %d, not %d", line, before, same, next)
				}
			}
			at = next
		}
	})
}

func FuzzCron(f *testing.F) {
	for _, line := range []string{
		"* * * * *", "0 0 9 ? * MON#2", "@every 90s", "CRON_TZ=Europe/Berlin 0 9 L-3W * 5L", "H/15 0~30 ~ * *", "0 0 0 29 2 ? */4", "22-2/2 * * 5-7",
	} {
		f.Add(line, "seed")
	}
	f.Fuzz(func(t *testing.T, line, seed string) {
		p, err := parseCron(line, Scope{Seed: seed})
		if err != nil {
			return
		}
		again, err := parseCron(p.series.String(), Scope{})
		if _, every := p.series.(*intervalSeries); every {
			return
		}
		if err != nil || again.series.String() != p.series.String() {
			t.Fatalf("%q prints as %q, which prints as %v (%v)", line, p.series, again.series, err)
		}
		if next, ok := p.series.after(0, 1e12); ok && next <= 1e12 {
			t.Fatalf("%q: %d", line, next)
		}
	})
}
