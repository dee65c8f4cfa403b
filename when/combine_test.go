package when_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/adlayer/after/when"
)

// holidays is a calendar for tests.
func holidays(tb testing.TB, text string) func(string) (*when.Calendar, error) {
	tb.Helper()
	calendar, err := when.ParseCalendar([]byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return func(id string) (*when.Calendar, error) {
		if id != "holidays" {
			return nil, errors.New("there is none")
		}
		return calendar, nil
	}
}

func TestCombinedRules(t *testing.T) {
	t.Parallel()
	calendar := holidays(t, `{"type":"calendar","dates":["2026-12-25","2026-12-28/2026-12-29",{"from":"2027-01-04 12:00","until":"2027-01-04 13:00"}],
		"rules":[{"rrule":"FREQ=YEARLY;BYMONTH=1;BYMONTHDAY=1"},"0 0 6 1 *"]}`)
	for _, c := range []struct {
		name, raw, zone, from string
		want                  []string
	}{
		{"any takes both, each date once", `{"any":["0 9 * * *","0 9,15 * * MON"]}`, "", "2026-11-22T00:00:00Z", []string{
			"2026-11-22T09:00:00Z", "2026-11-23T09:00:00Z", "2026-11-23T15:00:00Z", "2026-11-24T09:00:00Z",
		}},
		{"any with bounds of its members", `{"any":[{"every":"P1D","from":"2026-11-24T08:00:00Z","until":"2026-11-25"},"0 12 * * *"]}`, "", "2026-11-23T00:00:00Z", []string{
			"2026-11-23T12:00:00Z", "2026-11-24T08:00:00Z", "2026-11-24T12:00:00Z", "2026-11-25T08:00:00Z", "2026-11-25T12:00:00Z", "2026-11-26T12:00:00Z",
		}},
		{"from anchors an interval", `{"days":3,"from":"2026-11-01T10:00:00Z"}`, "", "2026-11-22T00:00:00Z", []string{
			"2026-11-22T10:00:00Z", "2026-11-25T10:00:00Z",
		}},
		{"from and until, inclusive", `{"cron":"0 9 * * *","from":"2026-11-24","until":"2026-11-25"}`, "Europe/Berlin", "2026-11-22T00:00:00Z", []string{
			"2026-11-24T08:00:00Z", "2026-11-25T08:00:00Z", "",
		}},
		{"a timezone of its own", `{"timezone":"America/New_York","cron":"0 9 * * *"}`, "Europe/Berlin", "2026-11-22T00:00:00Z", []string{
			"2026-11-22T14:00:00Z", "2026-11-23T14:00:00Z",
		}},
		{"a timezone after what it is about", `{"cron":"0 9 * * *","until":"2026-11-22","timezone":"Asia/Tokyo"}`, "", "2026-11-21T12:00:00Z", []string{
			"2026-11-22T00:00:00Z", "",
		}},
		{"except a day, a range and an instant", `{"hours":12,"except":["2026-11-23","2026-11-25/2026-11-26","2026-11-27T00:00:00Z"]}`, "", "2026-11-22T12:00:00Z", []string{
			"2026-11-22T12:00:00Z", "2026-11-24T00:00:00Z", "2026-11-24T12:00:00Z", "2026-11-27T12:00:00Z",
		}},
		{"except a range that is an object", `{"days":1,"except":{"from":"2026-11-23","until":"2026-11-30"}}`, "", "2026-11-22T12:00:00Z", []string{
			"2026-11-22T12:00:00Z", "2026-12-01T12:00:00Z",
		}},
		{"days are those of the zone", `{"hours":6,"except":"2026-11-23"}`, "Asia/Tokyo", "2026-11-22T12:00:00Z", []string{
			"2026-11-22T12:00:00Z", "2026-11-23T18:00:00Z", "2026-11-24T00:00:00Z",
		}},
		{"the limit does not move dates", `{"days":1,"limit":2}`, "", "2026-11-22T12:00:00Z", []string{"2026-11-22T12:00:00Z", "2026-11-23T12:00:00Z"}},
		{"a calendar", `{"cron":"0 9 * * *","except":"holidays"}`, "", "2026-12-24T12:00:00Z", []string{
			"2026-12-26T09:00:00Z", "2026-12-27T09:00:00Z", "2026-12-30T09:00:00Z", "2026-12-31T09:00:00Z", "2027-01-02T09:00:00Z",
		}},
		{"a calendar by its object, with hours", `{"cron":"30 12 * * *","except":[{"calendar":"holidays"},"2027-01-05"]}`, "", "2027-01-03T00:00:00Z", []string{
			"2027-01-03T12:30:00Z", "2027-01-07T12:30:00Z",
		}},
		{"the next business day", `{"cron":"0 9 1,15,25,26 * *","adjust":"next","except":"holidays"}`, "", "2026-11-10T00:00:00Z", []string{
			"2026-11-16T09:00:00Z", "2026-11-25T09:00:00Z", "2026-11-26T09:00:00Z", "2026-12-01T09:00:00Z", "2026-12-15T09:00:00Z",
			"2026-12-30T09:00:00Z", "2027-01-04T09:00:00Z", "2027-01-15T09:00:00Z",
		}},
		{"the previous business day", `{"cron":"0 9 1,26 * *","adjust":"previous","except":"holidays"}`, "", "2026-11-10T00:00:00Z", []string{
			"2026-11-26T09:00:00Z", "2026-12-01T09:00:00Z", "2026-12-24T09:00:00Z", "2026-12-31T09:00:00Z",
		}},
		{"business days only", `{"cron":"0 9 * * *","adjust":"skip","except":"2026-11-24"}`, "", "2026-11-20T00:00:00Z", []string{
			"2026-11-20T09:00:00Z", "2026-11-23T09:00:00Z", "2026-11-25T09:00:00Z",
		}},
		{"the last business day of the month", `{"cron":"0 18 L * *","adjust":"previous"}`, "", "2027-01-01T00:00:00Z", []string{
			"2027-01-29T18:00:00Z", "2027-02-26T18:00:00Z", "2027-03-31T18:00:00Z",
		}},
		{"times of one weekend keep their order on Monday", `{"any":["0 18 * * SAT","0 9 * * SUN"],"adjust":"next"}`, "", "2026-11-21T00:00:00Z", []string{
			"2026-11-23T09:00:00Z", "2026-11-23T18:00:00Z", "2026-11-30T09:00:00Z",
		}},
		{"what falls into a gap is moved with its own time", `{"cron":"30 2 * * SUN","adjust":"next"}`, "Europe/Berlin", "2027-03-20T00:00:00Z", []string{
			"2027-03-22T01:30:00Z", "2027-03-29T00:30:00Z", "2027-04-05T00:30:00Z",
		}},
		{"each of several times in a gap is", `{"cron":"0,30 2,3 * * SUN","adjust":"previous"}`, "Europe/Berlin", "2027-03-22T00:00:00Z", []string{
			"2027-03-26T01:00:00Z", "2027-03-26T01:30:00Z", "2027-03-26T02:00:00Z", "2027-03-26T02:30:00Z", "2027-04-02T00:00:00Z",
		}},
		{"so is an interval from within a gap", `{"every":"R/2027-03-28T02:30/P7D","adjust":"next"}`, "Europe/Berlin", "2027-03-22T00:00:00Z", []string{
			"2027-03-29T00:30:00Z", "2027-04-05T00:30:00Z",
		}},
		{"so is a recurrence", `{"rrule":"FREQ=WEEKLY;BYDAY=SU;BYHOUR=2;BYMINUTE=30;BYSECOND=0","adjust":"next"}`, "Europe/Berlin", "2027-03-22T00:00:00Z", []string{
			"2027-03-29T00:30:00Z", "2027-04-05T00:30:00Z",
		}},
		{"a gap to which it is moved", `{"cron":"30 0 * * THU","adjust":"next","except":"2010-04-29"}`, "Africa/Cairo", "2010-04-23T00:00:00Z", []string{
			"2010-04-29T22:00:00Z", "2010-05-05T21:30:00Z",
		}},
		{"hours that are left out on two days", `{"cron":"30 12 * * THU","adjust":"next","except":["2026-11-26T12:00:00Z/2026-11-26T13:00:00Z","2026-11-27T12:00:00Z/2026-11-27T13:00:00Z"]}`, "", "2026-11-22T00:00:00Z", []string{
			"2026-11-30T12:30:00Z", "2026-12-03T12:30:00Z",
		}},
		{"hours that are left out on days with other times", `{"cron":"0 9,12 * * *","adjust":"previous","except":["2026-11-24T12:00:00Z/2026-11-24T13:00:00Z","2026-11-25T12:00:00Z/2026-11-25T13:00:00Z"]}`, "", "2026-11-23T10:00:00Z", []string{
			"2026-11-23T12:00:00Z", "2026-11-24T09:00:00Z", "2026-11-25T09:00:00Z",
		}},
		{"a calendar without a zone has the days of the rule that asks", `{"cron":"30 22 24-26 12 *","except":"holidays"}`, "America/New_York", "2026-12-24T12:00:00Z", []string{
			"2026-12-25T03:30:00Z", "2026-12-27T03:30:00Z",
		}},
		{"so do its rules", `{"cron":"30 22 1,5-7 1 *","except":"holidays"}`, "America/New_York", "2027-01-01T12:00:00Z", []string{
			"2027-01-06T03:30:00Z", "2027-01-08T03:30:00Z",
		}},
		{"a repeating interval", `"R3/2026-12-01T00:00:00Z/P1M"`, "", "2026-11-22T00:00:00Z", []string{
			"2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z", "2027-02-01T00:00:00Z", "",
		}},
		{"from does not move what a text counts from", `{"every":"R/2026-12-01T09:00:00Z/P3D","from":"2026-12-03"}`, "", "2026-11-22T00:00:00Z", []string{
			"2026-12-04T09:00:00Z", "2026-12-07T09:00:00Z",
		}},
		{"a start within a gap", `"R3/2027-03-28T02:30/P1D"`, "Europe/Berlin", "2027-03-22T00:00:00Z", []string{
			"2027-03-28T01:00:00Z", "2027-03-29T00:30:00Z", "2027-03-30T00:30:00Z", "",
		}},
		{"a DTSTART within a gap", `"DTSTART;TZID=Europe/Berlin:20270328T023000\nRRULE:FREQ=DAILY"`, "", "2027-03-22T00:00:00Z", []string{
			"2027-03-28T01:00:00Z", "2027-03-29T00:30:00Z", "2027-03-30T00:30:00Z",
		}},
		{"a recurrence set", `"DTSTART:20261201T090000Z\nRRULE:FREQ=DAILY;COUNT=4\nEXDATE:20261202T090000Z\nRDATE:20261210T120000Z"`, "", "2026-11-22T00:00:00Z", []string{
			"2026-12-01T09:00:00Z", "2026-12-03T09:00:00Z", "2026-12-04T09:00:00Z", "2026-12-10T12:00:00Z", "",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			scope := when.Scope{Now: at(t, "2026-11-22T00:00:00Z"), Zone: zone(t, c.zone), Calendar: calendar}
			r, err := when.ParseRule([]byte(c.raw), scope)
			if err != nil {
				t.Fatal(err)
			}
			from := at(t, c.from)
			got := firstDates(r, from, len(c.want))
			for _, text := range got {
				if text != "" {
					checkLatest(t, r, from, at(t, text))
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%s (%s)\n got %v\nwant %v", c.raw, r.Words(), got, c.want)
			}
			again, err := when.ParseRule(asJSON(r.String()), scope)
			if err != nil || again.String() != r.String() || again.Identity() != r.Identity() {
				t.Errorf("%s reads back as %v, %v", r, again, err)
			}
			if again != nil {
				if dates := firstDates(again, from, len(c.want)); !slices.Equal(dates, c.want) {
					t.Errorf("%s, read back, has %s", r, dates)
				}
			}
		})
	}
}

// firstDates gives the first dates of a rule, "" where none comes any more.
func firstDates(r *when.Rule, from time.Time, n int) []string {
	dates := make([]string, n)
	date, ok := r.First(from)
	for i := 0; i < n && ok; i++ {
		dates[i] = when.Format(date)
		date, ok = r.After(from, date)
	}
	return dates
}

// asJSON gives a rule's text as a document would have it.
func asJSON(text string) []byte {
	if text[0] == '{' {
		return []byte(text)
	}
	return fmt.Appendf(nil, "%q", text)
}

// checkLatest checks that an occurrence is the last one at and just after itself, and not before.
func checkLatest(tb testing.TB, r *when.Rule, from, date time.Time) {
	tb.Helper()
	for _, t := range []time.Time{date, date.Add(time.Millisecond)} {
		if next, ok := r.After(from, date); ok && !next.After(t) {
			continue
		}
		if last, ok := r.Latest(from, t); !ok || !last.Equal(date) {
			tb.Errorf("Latest(%s) = %s, %t, want %s", t, last, ok, date)
		}
	}
	if last, ok := r.Latest(from, date.Add(-time.Millisecond)); ok && !last.Before(date) {
		tb.Errorf("Latest before %s = %s", date, last)
	}
}

func TestAdjustMovesDays(t *testing.T) {
	t.Parallel()
	for raw, fine := range map[string]bool{
		`{"cron":"* * * * *","adjust":"next"}`: true, `{"every":"PT1M","adjust":"previous"}`: true, `{"cron":"*/30 * * * * *","adjust":"skip"}`: true,
		`{"cron":"*/30 * * * * *","adjust":"next"}`: false, `{"every":"PT59S","adjust":"previous"}`: false,
		`{"any":["0 9 * * *","0,10 0 9 * * *"],"adjust":"next"}`: false,
		// One of these documents would hold a worker up for hours.
		`{"any":["0 9 * * MON-FRI","* * * * * SAT"],"adjust":"next"}`:                          false,
		`{"any":["0 9 * * *","* * * * DEC *"],"adjust":"previous"}`:                            false,
		`{"any":["0 9 * * *","0 0 12 * * SAT","10 0 12 * * SAT"],"adjust":"next"}`:             false,
		`{"any":["0 9 * * *",{"every":"PT1S","from":"2027-01-01"}],"adjust":"next"}`:           false,
		`{"any":["0 9 * * MON-FRI","* * * * SAT","PT1M"],"adjust":"next","from":"2026-11-22"}`: true,
	} {
		if _, err := when.ParseRule([]byte(raw), when.Scope{}); (err == nil) != fine {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

func TestCountBetweenSwappedEndsIsZero(t *testing.T) {
	t.Parallel()
	r, err := when.ParseRule([]byte(`"PT1H"`), when.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	from := at(t, "2026-11-22T00:00:00Z")
	if n := r.Count(from, from.Add(5*time.Hour), from.Add(time.Hour), 100); n != 0 {
		t.Errorf("Count = %d", n)
	}
}

// TestCombinedLaws holds combined rules to what they are made of: dates one by one, against exclusions and members.
func TestCombinedLaws(t *testing.T) {
	t.Parallel()
	texts := []string{"0 9 * * *", "*/17 * * * *", "P1D", "PT7H", "FREQ=WEEKLY;BYDAY=TU,SA", "every weekday at 9:00", "R/P2D", "0 0 L * *"}
	rapid.Check(t, func(t *rapid.T) {
		loc, err := when.LoadLocation(rapid.SampledFrom([]string{"", "Europe/Berlin", "Australia/Lord_Howe"}).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		scope := when.Scope{Zone: loc, Seed: "t"}
		a, b := rapid.SampledFrom(texts).Draw(t, "a"), rapid.SampledFrom(texts).Draw(t, "b")
		from := time.UnixMilli(rapid.Int64Range(1_700_000_000_000, 1_900_000_000_000).Draw(t, "from")).UTC()
		day := from.In(loc).AddDate(0, 0, rapid.IntRange(0, 3).Draw(t, "excluded day")).Format(time.DateOnly)
		parse := func(text string) *when.Rule {
			r, err := when.ParseRule([]byte(text), scope)
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		both := parse(fmt.Sprintf(`{"any":[%q,%q],"except":%q}`, a, b, day))
		until := from.AddDate(0, 0, 5)
		want := slices.Concat(
			slices.Collect(parse(fmt.Sprintf("%q", a)).Between(from, from.Add(-time.Millisecond), until)),
			slices.Collect(parse(fmt.Sprintf("%q", b)).Between(from, from.Add(-time.Millisecond), until)),
		)
		want = slices.DeleteFunc(want, func(d time.Time) bool { return d.In(loc).Format(time.DateOnly) == day })
		slices.SortFunc(want, time.Time.Compare)
		want = slices.CompactFunc(want, time.Time.Equal)
		got := slices.Collect(both.Between(from, from.Add(-time.Millisecond), until))
		if !slices.EqualFunc(got, want, time.Time.Equal) {
			t.Fatalf("%s in %s without %s:\n got %v\nwant %v", a+" and "+b, loc, day, got, want)
		}
		if n := both.Count(from, from.Add(-time.Millisecond), until, 1_000_000); n != int64(len(want)) {
			t.Fatalf("counted %d of %d", n, len(want))
		}
		back := slices.Clone(got)
		slices.Reverse(back)
		at := until
		for _, d := range back {
			last, ok := both.Latest(from, at)
			if !ok || !last.Equal(d) {
				t.Fatalf("backwards from %s: %s, %t, want %s", at, last, ok, d)
			}
			at = d.Add(-time.Millisecond)
		}
	})
}

func TestJitter(t *testing.T) {
	t.Parallel()
	r, err := when.ParseRule([]byte(`{"days":1,"jitter":"30s"}`), when.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	var sum time.Duration
	const keys = 2000
	for n := range keys {
		key := fmt.Sprintf("t@%d", n)
		j := r.Jitter(key)
		if j < 0 || j > 30*time.Second || j != r.Jitter(key) {
			t.Fatalf("jitter of %s is %v, then %v", key, j, r.Jitter(key))
		}
		sum += j
	}
	if mean := sum / keys; mean < 14*time.Second || mean > 16*time.Second {
		t.Errorf("the mean is %v", mean)
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	calendar := holidays(t, `{}`)
	for raw, want := range map[string]string{
		`{"minutes":5}`: "every 5 minutes",
		`{"cron":"0 0 9 ? * MON#2","timezone":"Europe/Berlin","limit":10}`: "at 09:00 on the second Monday of every month, in Europe/Berlin, 10 times in all",
		`{"every":"P1D","except":"holidays","until":"2026-12-31"}`:         "every day, except the days of the calendar holidays, until the end of 2026-12-31",
		`{"every":"0 9 * * *","adjust":"next","jitter":"30s"}`:             "at 09:00 every day, moved to the next business day, up to 30 seconds later",
	} {
		r, err := when.ParseRule([]byte(raw), when.Scope{Calendar: calendar})
		if err != nil || r.Words() != want {
			t.Errorf("%s: %v, %v, want %q", raw, r.Words(), err, want)
		}
	}
}

// TestAdjustOverLongClosures: no business for thousands of years takes no walk through them.
func TestAdjustOverLongClosures(t *testing.T) {
	t.Parallel()
	from := at(t, "2026-11-01T12:00:00Z")
	for raw, want := range map[string]string{
		`{"days":1,"adjust":"next","except":"2026-01-01/9999-01-01"}`:      "9999-01-04T12:00:00Z", // those of the 366 days before come together
		`{"days":1,"adjust":"previous","except":"2026-01-01/9999-01-01"}`:  "9999-01-04T12:00:00Z",
		`{"hours":1,"adjust":"previous","except":"2026-01-01/2929-01-01"}`: "2929-01-03T00:00:00Z",
	} {
		r, err := when.ParseRule([]byte(raw), when.Scope{})
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := r.After(from, from); !ok || when.Format(got) != want {
			t.Errorf("%s: %s, %t, want %s", raw, got, ok, want)
		}
	}
}

func TestWordsSayAZoneOnce(t *testing.T) {
	t.Parallel()
	berlin := zone(t, "Europe/Berlin")
	for raw, want := range map[string]string{
		`"CRON_TZ=Asia/Tokyo 0 9 * * *"`:                                           "at 09:00 every day, in Asia/Tokyo",
		`"every day at 9:00 in Asia/Tokyo"`:                                        "at 09:00 every day, in Asia/Tokyo",
		`"0 9 * * *"`:                                                              "at 09:00 every day, in Europe/Berlin",
		`{"any":["every other friday at 9:00 in Asia/Tokyo","PT5M"]}`:              "every other Friday at 09:00 in Asia/Tokyo and every 5 minutes in Europe/Berlin",
		`{"any":["CRON_TZ=UTC 0 9 * * *","CRON_TZ=Asia/Tokyo 0 9 * * *"]}`:         "at 09:00 every day in UTC and at 09:00 every day in Asia/Tokyo",
		`{"any":["CRON_TZ=Asia/Tokyo 0 9 * * 1","CRON_TZ=Asia/Tokyo 0 17 * * 5"]}`: "at 09:00 on Mondays, in Asia/Tokyo and at 17:00 on Fridays, in Asia/Tokyo",
		`{"timezone":"Asia/Tokyo","cron":"0 9 * * *"}`:                             "at 09:00 every day, in Asia/Tokyo",
		`"DTSTART;TZID=Asia/Tokyo:20261201T090000\nRRULE:FREQ=DAILY"`:              "every day at 09:00, in Asia/Tokyo, from 2026-12-01 09:00",
	} {
		r, err := when.ParseRule([]byte(raw), when.Scope{Zone: berlin})
		if err != nil || r.Words() != want {
			t.Errorf("%s: %v, %v, want %q", raw, r.Words(), err, want)
		}
	}
}

// TestCalendarRulesInUTC: a calendar without a zone has the days of who asks; a rule in it that says itself that it is in UTC means instants.
func TestCalendarRulesInUTC(t *testing.T) {
	t.Parallel()
	loc := zone(t, "Europe/Berlin")
	for rule, want := range map[string]string{
		`"0 23 24 12 *"`: "2026-12-24", `"CRON_TZ=UTC 0 23 24 12 *"`: "2026-12-25", `"CRON_TZ=Europe/London 0 23 24 12 *"`: "2026-12-25",
		`"DTSTART:20201224T230000Z\nRRULE:FREQ=YEARLY"`: "2026-12-25", `"DTSTART:20201224T230000\nRRULE:FREQ=YEARLY"`: "2026-12-24",
		`{"cron":"0 23 24 12 *","timezone":"UTC"}`: "2026-12-25", `"at 23:00 on december 24 every year"`: "2026-12-24",
		`"at 23:00 on december 24 every year in UTC"`: "2026-12-25",
	} {
		c, err := when.ParseCalendar([]byte(`{"type":"calendar","rules":[` + rule + `]}`))
		if err != nil {
			t.Errorf("%s: %v", rule, err)
			continue
		}
		var closed []string
		for day := 20; day < 30; day++ {
			if noon := time.Date(2026, 12, day, 12, 0, 0, 0, loc); c.Covers(noon, loc) {
				closed = append(closed, noon.Format(time.DateOnly))
			}
		}
		if len(closed) != 1 || closed[0] != want {
			t.Errorf("%s closes %v in Berlin, want %s", rule, closed, want)
		}
	}
}
