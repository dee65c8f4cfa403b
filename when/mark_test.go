package when_test

import (
	"testing"
	"time"

	"github.com/adlayer/after/when"
)

func TestClock(t *testing.T) {
	t.Parallel()
	berlin, err := when.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		rule, from, after string
		want              string
		mark              when.Mark
	}{
		{"30 2 * * *", "2026-03-01", "2026-03-28 12:00", "2026-03-29 03:00 CEST", when.Moved},
		{"0 3 * * *", "2026-03-01", "2026-03-28 12:00", "2026-03-29 03:00 CEST", when.Unmarked},
		{"30 2,3 * * *", "2026-03-01", "2026-03-28 12:00", "2026-03-29 03:00 CEST", when.Moved},
		{"0 * * * *", "2026-03-01", "2026-03-29 01:30", "2026-03-29 03:00 CEST", when.Unmarked},
		{"30 2 * * *", "2026-03-01", "2026-10-24 12:00", "2026-10-25 02:30 CEST", when.Earlier},
		{"*/30 * * * *", "2026-03-01", "2026-10-25T00:45:00Z", "2026-10-25 02:00 CET", when.Later},
		{"30 2 * * *", "2026-03-01", "2026-10-25 12:00", "2026-10-26 02:30 CET", when.Unmarked},
		{"FREQ=DAILY;BYHOUR=2;BYMINUTE=30;BYSECOND=0", "2026-03-01", "2026-03-28 12:00", "2026-03-29 03:00 CEST", when.Moved},
		{"FREQ=HOURLY", "2026-03-29 00:30", "2026-03-29 01:45", "2026-03-29 03:30 CEST", when.Unmarked},
		{"P1D", "2026-03-01 02:30", "2026-03-28 12:00", "2026-03-29 03:00 CEST", when.Moved},
		{"P1D", "2026-03-01 03:00", "2026-03-28 12:00", "2026-03-29 03:00 CEST", when.Unmarked},
		{"P1D", "2026-03-29 03:00", "2026-03-28 12:00", "2026-03-29 03:00 CEST", when.Unmarked},
		{"PT1H", "2026-03-29 00:00", "2026-03-29 01:30", "2026-03-29 03:00 CEST", when.Unmarked},
		{"R/P1D/2026-04-02T02:30:00", "2026-03-01", "2026-03-28 12:00", "2026-03-29 03:00 CEST", when.Moved},
		{"R/2026-03-29T02:30/P1D", "2026-03-01", "2026-03-28 12:00", "2026-03-29 03:00 CEST", when.Moved},
		{`{"any": ["every 10 minutes from 2:30 to 2:50 in America/New_York", "P1D"]}`, "2026-03-01 12:00", "2026-03-08 00:00", "2026-03-08 03:00 EDT", when.Moved},
		{"CRON_TZ=America/New_York 30 2 * * *", "2026-03-01", "2026-03-08 00:00", "2026-03-08 03:00 EDT", when.Moved},
		{`{"days": 1, "adjust": "next"}`, "2026-03-02 09:00", "2026-03-06 10:00", "2026-03-09 09:00 CET", when.Unmarked},
	} {
		read := func(text string) time.Time {
			date, err := when.ParseDate(text, time.Time{}, berlin)
			if err != nil {
				t.Fatal(err)
			}
			return date.Time
		}
		rule, err := when.ParseRuleText(test.rule, when.Scope{Zone: berlin})
		if err != nil {
			t.Errorf("%s: %v", test.rule, err)
			continue
		}
		at, ok := rule.After(read(test.from), read(test.after))
		local, mark := rule.Clock(read(test.from), at)
		if got := local.Format("2006-01-02 15:04 MST"); !ok || got != test.want || mark != test.mark {
			t.Errorf("%s after %s: %s %q, want %s %q", test.rule, test.after, got, mark, test.want, test.mark)
		}
	}
}
