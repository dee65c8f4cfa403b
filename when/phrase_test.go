package when

import (
	"cmp"
	"strings"
	"testing"
	"time"
)

func TestCompilePhrase(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text    string
		grammar grammar
		want    string
	}{
		// Intervals, counted from the task's date.
		{"every 5 minutes", grammarInterval, "PT5M"},
		{"Every 5 Minutes", grammarInterval, "PT5M"},
		{"every five minutes", grammarInterval, "PT5M"},
		{"each 5 min", grammarInterval, "PT5M"},
		{"every 90s", grammarInterval, "PT1M30S"},
		{"every 1h30m", grammarInterval, "PT1H30M"},
		{"every 1h 30m", grammarInterval, "PT1H30M"},
		{"every 1 hour and 30 minutes", grammarInterval, "PT1H30M"},
		{"every 1.5 hours", grammarInterval, "PT1H30M"},
		{"every half an hour", grammarInterval, "PT30M"},
		{"every second", grammarInterval, "PT1S"},
		{"every minute", grammarInterval, "PT1M"},
		{"every hour", grammarInterval, "PT1H"},
		{"hourly", grammarInterval, "PT1H"},
		{"every day", grammarInterval, "P1D"},
		{"each day", grammarInterval, "P1D"},
		{"daily", grammarInterval, "P1D"},
		{"once a day", grammarInterval, "P1D"},
		{"once per week", grammarInterval, "P7D"},
		{"once a month", grammarInterval, "P1M"},
		{"once an hour", grammarInterval, "PT1H"},
		{"once every 2 days", grammarInterval, "P2D"},
		{"weekly", grammarInterval, "P7D"},
		{"every fortnight", grammarInterval, "P14D"},
		{"every month", grammarInterval, "P1M"},
		{"monthly", grammarInterval, "P1M"},
		{"every quarter", grammarInterval, "P3M"},
		{"quarterly", grammarInterval, "P3M"},
		{"yearly", grammarInterval, "P1Y"},
		{"annually", grammarInterval, "P1Y"},
		{"every other day", grammarInterval, "P2D"},
		{"every other week", grammarInterval, "P14D"},
		{"every 2nd day", grammarInterval, "P2D"},
		{"every second day", grammarInterval, "P2D"},
		{"every second second", grammarInterval, "PT2S"},
		{"every 3rd month", grammarInterval, "P3M"},
		{"every third month", grammarInterval, "P3M"},
		{"every 2 years", grammarInterval, "P2Y"},
		{"every year and 3 months", grammarInterval, ""}, // see the errors
		{"every 1 year and 3 months", grammarInterval, "P1Y3M"},
		{"10 seconds", grammarInterval, "PT10S"},
		{"10 s", grammarInterval, "PT10S"},
		{"90s", grammarInterval, "PT1M30S"},
		{"1h 30m", grammarInterval, "PT1H30M"},
		{"2 weeks", grammarInterval, "P14D"},
		{"500ms", grammarInterval, "PT0.5S"},
		{"an hour", grammarInterval, "PT1H"},
		{"every 15 minutes every day", grammarInterval, "PT15M"},

		// Times of the day.
		{"every day at 9:00", grammarCron, "0 9 * * *"},
		{"each day at noon", grammarCron, "0 12 * * *"},
		{"every day at midnight", grammarCron, "0 0 * * *"},
		{"daily at 9am", grammarCron, "0 9 * * *"},
		{"daily at 9 a.m.", grammarCron, "0 9 * * *"},
		{"daily at 9:30 pm", grammarCron, "30 21 * * *"},
		{"daily 9pm", grammarCron, "0 21 * * *"},
		{"at 9:00 every day", grammarCron, "0 9 * * *"},
		{"noon daily", grammarCron, "0 12 * * *"},
		{"once a day at 9:00", grammarCron, "0 9 * * *"},
		{"every day at 17 o'clock", grammarCron, "0 17 * * *"},
		{"every day at 9:00 o'clock", grammarCron, "0 9 * * *"},
		{"every day at 17:00:30", grammarCron, "30 0 17 * * *"},
		{"at 9:00 and 17:00 every day", grammarCron, "0 9,17 * * *"},
		{"twice a day at 9:00 and 17:00", grammarCron, "0 9,17 * * *"},
		{"3 times a day at 9:00, 12:00 and 17:00", grammarCron, "0 9,12,17 * * *"},
		{"every day at 9:00 and at 17:00", grammarCron, "0 9,17 * * *"},
		{"every day at 17:00 and 9:00 and 17:00", grammarCron, "0 9,17 * * *"},
		{"every day at 9:00, 9:30, 17:00 and 17:30", grammarCron, "0,30 9,17 * * *"},
		{"every day at 9:00 and 17:30", grammarRRule, "FREQ=DAILY;BYHOUR=9,17;BYMINUTE=0,30;BYSECOND=0;BYSETPOS=1,4"},
		{"every other day at 9:00", grammarRRule, "FREQ=DAILY;INTERVAL=2;BYHOUR=9;BYMINUTE=0;BYSECOND=0"},
		{"every 3 days at 9:00 and 17:30", grammarRRule, "FREQ=DAILY;INTERVAL=3;BYHOUR=9,17;BYMINUTE=0,30;BYSECOND=0;BYSETPOS=1,4"},
		{"every week at 9:00", grammarRRule, "FREQ=WEEKLY;BYHOUR=9;BYMINUTE=0;BYSECOND=0"},

		// Days of the week.
		{"every weekday at 9:00", grammarCron, "0 9 * * 1-5"},
		{"weekdays at 9am", grammarCron, "0 9 * * 1-5"},
		{"on weekdays at 9am", grammarCron, "0 9 * * 1-5"},
		{"daily on weekdays at 9:00", grammarCron, "0 9 * * 1-5"},
		{"9:00 on weekdays", grammarCron, "0 9 * * 1-5"},
		{"monday to friday at 9:00", grammarCron, "0 9 * * 1-5"},
		{"mon-fri at 9:00", grammarCron, "0 9 * * 1-5"},
		{"every monday through friday at 9:00", grammarCron, "0 9 * * 1-5"},
		{"friday to monday at 9:00", grammarCron, "0 9 * * 0,1,5,6"},
		{"every weekend at 10am", grammarCron, "0 10 * * 0,6"},
		{"weekends at 10am", grammarCron, "0 10 * * 0,6"},
		{"weekdays at 9:00, 12:00 and 17:30", grammarRRule, "FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9,12,17;BYMINUTE=0,30;BYSECOND=0;BYSETPOS=1,3,6"},
		{"every monday, wednesday and friday at 17:30", grammarCron, "30 17 * * 1,3,5"},
		{"every monday and every friday at 17:30", grammarCron, "30 17 * * 1,5"},
		{"mondays and thursdays at 9:00", grammarCron, "0 9 * * 1,4"},
		{"mondays at 9am", grammarCron, "0 9 * * 1"},
		{"weekly on monday at 9:00", grammarCron, "0 9 * * 1"},
		{"once a week on monday at 9:00", grammarCron, "0 9 * * 1"},
		{"twice a week on monday and thursday at 9:00", grammarCron, "0 9 * * 1,4"},
		{"on mondays", grammarRRule, "FREQ=WEEKLY;BYDAY=MO"},
		{"every monday", grammarRRule, "FREQ=WEEKLY;BYDAY=MO"},
		{"every weekday", grammarRRule, "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"},
		{"every weekend", grammarRRule, "FREQ=WEEKLY;BYDAY=SA,SU"},
		{"weekly on monday", grammarRRule, "FREQ=WEEKLY;BYDAY=MO"},
		{"every other friday", grammarRRule, "FREQ=WEEKLY;INTERVAL=2;BYDAY=FR"},
		{"every other weekend", grammarRRule, "FREQ=WEEKLY;INTERVAL=2;BYDAY=SA,SU"},
		{"every second tuesday", grammarRRule, "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU"},
		{"every 2nd tuesday", grammarRRule, "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU"},
		{"every other friday at 3pm", grammarRRule, "FREQ=WEEKLY;INTERVAL=2;BYDAY=FR;BYHOUR=15;BYMINUTE=0;BYSECOND=0"},
		{"every 2 weeks on monday and thursday at 8:00", grammarRRule, "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH;BYHOUR=8;BYMINUTE=0;BYSECOND=0"},
		{"every 2 weeks on monday and thursday at 8:00 and 17:30", grammarRRule, "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH;BYHOUR=8,17;BYMINUTE=0,30;BYSECOND=0;BYSETPOS=1,4,5,8"},
		{"every 14 days on monday", grammarRRule, "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO"},

		// Days by their place in a month, quarter or year.
		{"monthly on the 1st at 00:30", grammarRRule, "FREQ=MONTHLY;BYMONTHDAY=1;BYHOUR=0;BYMINUTE=30;BYSECOND=0"},
		{"every month on the 1st and 15th", grammarRRule, "FREQ=MONTHLY;BYMONTHDAY=1,15"},
		{"twice a month on the 1st and 15th", grammarRRule, "FREQ=MONTHLY;BYMONTHDAY=1,15"},
		{"on the 1st and the last day of every month", grammarRRule, "FREQ=MONTHLY;BYMONTHDAY=1,-1"},
		{"every 3 months on the 15th", grammarRRule, "FREQ=MONTHLY;INTERVAL=3;BYMONTHDAY=15"},
		{"every 15th at 9:00", grammarRRule, "FREQ=MONTHLY;BYMONTHDAY=15;BYHOUR=9;BYMINUTE=0;BYSECOND=0"},
		{"the 15th of every month", grammarRRule, "FREQ=MONTHLY;BYMONTHDAY=15"},
		{"15th of each month", grammarRRule, "FREQ=MONTHLY;BYMONTHDAY=15"},
		{"the first of every month", grammarRRule, "FREQ=MONTHLY;BYMONTHDAY=1"},
		{"on the last day of the month at 18:00", grammarRRule, "FREQ=MONTHLY;BYMONTHDAY=-1;BYHOUR=18;BYMINUTE=0;BYSECOND=0"},
		{"every last day of the month", grammarRRule, "FREQ=MONTHLY;BYMONTHDAY=-1"},
		{"monthly on the last day", grammarRRule, "FREQ=MONTHLY;BYMONTHDAY=-1"},
		{"on the first monday of every month at 9:00", grammarRRule, "FREQ=MONTHLY;BYDAY=1MO;BYHOUR=9;BYMINUTE=0;BYSECOND=0"},
		{"every first monday of the month at 9:00", grammarRRule, "FREQ=MONTHLY;BYDAY=1MO;BYHOUR=9;BYMINUTE=0;BYSECOND=0"},
		{"every second tuesday of the month", grammarRRule, "FREQ=MONTHLY;BYDAY=2TU"},
		{"the last friday of each month", grammarRRule, "FREQ=MONTHLY;BYDAY=-1FR"},
		{"last friday of the month", grammarRRule, "FREQ=MONTHLY;BYDAY=-1FR"},
		{"the 2nd and 4th friday of every month", grammarRRule, "FREQ=MONTHLY;BYDAY=2FR,4FR"},
		{"monthly on the last friday at 9:00", grammarRRule, "FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=9;BYMINUTE=0;BYSECOND=0"},
		{"every 2 months on the first monday", grammarRRule, "FREQ=MONTHLY;INTERVAL=2;BYDAY=1MO"},
		{"second to last weekday of the month", grammarRRule, "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2"},
		{"the penultimate weekday of the month at 9:00 and 17:30", grammarRRule, "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9,17;BYMINUTE=0,30;BYSECOND=0;BYSETPOS=-8,-5"},
		{"the first weekday of the month at 9:00 and 17:00", grammarRRule, "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9,17;BYMINUTE=0;BYSECOND=0;BYSETPOS=1,2"},
		{"on the 1st and 15th of every month at 9:00 and 17:30", grammarRRule, "FREQ=MONTHLY;BYMONTHDAY=1,15;BYHOUR=9,17;BYMINUTE=0,30;BYSECOND=0;BYSETPOS=1,4,5,8"},
		{"on the last weekday of every quarter", grammarRRule, "FREQ=MONTHLY;BYMONTH=3,6,9,12;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1"},
		{"quarterly on the first day of the quarter", grammarRRule, "FREQ=MONTHLY;BYMONTH=1,4,7,10;BYMONTHDAY=1"},
		{"on the last day of the year", grammarRRule, "FREQ=YEARLY;BYYEARDAY=-1"},
		{"the first monday of every year", grammarRRule, "FREQ=YEARLY;BYDAY=1MO"},
		{"yearly on december 24 at 18:00", grammarRRule, "FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=24;BYHOUR=18;BYMINUTE=0;BYSECOND=0"},
		{"every year on the 24th of december", grammarRRule, "FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=24"},
		{"every december 24 at 18:00", grammarRRule, "FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=24;BYHOUR=18;BYMINUTE=0;BYSECOND=0"},
		{"every 24 december", grammarRRule, "FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=24"},
		{"every 24th december", grammarRRule, "FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=24"},
		{"24 december every year", grammarRRule, "FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=24"},
		{"every 4 years on february 29", grammarRRule, "FREQ=YEARLY;INTERVAL=4;BYMONTH=2;BYMONTHDAY=29"},
		{"the fourth thursday of every november", grammarRRule, "FREQ=YEARLY;BYMONTH=11;BYDAY=4TH"},
		{"every year on the last day of february", grammarRRule, "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=-1"},
		{"yearly on the first monday in september", grammarRRule, "FREQ=YEARLY;BYMONTH=9;BYDAY=1MO"},

		// Minutes of the hour, and hours of the day.
		{"every hour at :15", grammarCron, "15 * * * *"},
		{"every hour at minute 15", grammarCron, "15 * * * *"},
		{"hourly at :00 and :30", grammarCron, "0,30 * * * *"},
		{"every hour on the hour", grammarCron, "0 * * * *"},
		{"every hour at :15 on weekdays", grammarCron, "15 * * * 1-5"},
		{"every hour at :15 from 9:00 to 17:00", grammarWindow, "every hour from 09:15 to 16:15"},
		{"every day from 9:00 to 17:00 every 15 minutes", grammarWindow, "every 15 minutes from 09:00 to 17:00"},
		{"every 15 minutes from 9am to 5pm every day", grammarWindow, "every 15 minutes from 09:00 to 17:00"},
		{"every 15 minutes between 9:00 and 17:00 on weekdays", grammarWindow, "every 15 minutes from 09:00 to 17:00 on weekdays"},
		{"weekdays every 15 minutes from 9:00 until 17:10", grammarWindow, "every 15 minutes from 09:00 to 17:00 on weekdays"},
		{"every monday and friday from 9:00 to 17:00 every 90 minutes", grammarWindow, "every 90 minutes from 09:00 to 16:30 on monday and friday"},
		{"every hour from 22:00 to 6:00 on weekends", grammarWindow, "every hour from 22:00 to 06:00 on weekends"},
		{"every 10 minutes from 18:00 to midnight", grammarWindow, "every 10 minutes from 18:00 to 00:00"},
		{"every 5 minutes on weekdays", grammarWindow, "every 5 minutes from 00:00 to 23:55 on weekdays"},
		{"every second between 9:00 and 9:01 on mondays", grammarWindow, "every second from 09:00 to 09:01 on monday"},
	} {
		got, err := compilePhrase(c.text, Scope{})
		switch {
		case c.want == "" && err == nil:
			t.Errorf("%q = %s, want an error", c.text, got.String())
		case c.want != "" && (err != nil || got.grammar != c.grammar || got.String() != c.want):
			t.Errorf("%q = %d %q, %v; want %d %q", c.text, got.grammar, got.String(), err, c.grammar, c.want)
		}
	}
}

func TestCompilePhraseBounds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text, want, zone, start, until string
		count                          int64
	}{
		{text: "every 5 minutes in Europe/Berlin", want: "PT5M", zone: "Europe/Berlin"},
		{text: "EVERY WEEKDAY AT 9AM IN EUROPE/BERLIN", want: "0 9 * * 1-5", zone: "Europe/Berlin"},
		{text: "daily at 9:00 in america/new_york", want: "0 9 * * *", zone: "America/New_York"},
		{text: "daily at 9:00 in utc", want: "0 9 * * *", zone: "UTC"},
		{text: "every day until 2027-01-01", want: "P1D", until: "2027-01-01T23:59:59.999Z"},
		{text: "every day until 2027-01-01 09:00", want: "P1D", until: "2027-01-01T09:00:00Z"},
		{text: "every day until 2027-01-01T09:00:00+01:00", want: "P1D", until: "2027-01-01T08:00:00Z"},
		{text: "every day until december 31, 2026 at 9pm", want: "P1D", until: "2026-12-31T21:00:00Z"},
		{text: "every day until 2027-01-01 in Europe/Berlin", want: "P1D", zone: "Europe/Berlin", until: "2027-01-01T22:59:59.999Z"},
		{text: "every day starting 2026-12-01", want: "P1D", start: "2026-12-01T00:00:00Z"},
		{text: "every day starting on 2026-12-01 at 9:00", want: "P1D", start: "2026-12-01T09:00:00Z"},
		{text: "every day at 9:00 from 2026-12-01 in Europe/Berlin until 2027-01-01", want: "0 9 * * *", zone: "Europe/Berlin", start: "2026-11-30T23:00:00Z", until: "2027-01-01T22:59:59.999Z"},
		{text: "every 5 minutes, 10 times", want: "PT5M", count: 10},
		{text: "every 5 minutes for ten times", want: "PT5M", count: 10},
		{text: "10 times every 5 minutes", want: "PT5M", count: 10},
		{text: "daily at 9:00 10 times", want: "0 9 * * *", count: 10},
	} {
		got, err := compilePhrase(c.text, Scope{})
		if err != nil || got.String() != c.want || got.count != c.count || got.zone.String() != cmp.Or(c.zone, "UTC") {
			t.Errorf("%q = %q in %v, %d times, %v", c.text, got.String(), got.zone, got.count, err)
		}
		for _, bound := range []struct {
			got  time.Time
			want string
		}{{got.start, c.start}, {got.until, c.until}} {
			if bound.want == "" && !bound.got.IsZero() || bound.want != "" && Format(bound.got) != bound.want {
				t.Errorf("%q: bound %s, want %q", c.text, Format(bound.got), bound.want)
			}
		}
	}
}

func TestCompilePhraseErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"", "no words"},
		{", ,", "no words"},
		{"sometimes", `"sometimes" is not understood; write a repeat like "every 5 minutes"`},
		{"every", `ends too early, after "every"; here could stand an amount`},
		{"every blue moon", `"blue" is not understood after "every"; here could stand an amount`},
		{"every 5", `"5" of what?`},
		{"every 5 parsecs", `"parsecs" is not understood after "every 5"`},
		{"every 5M", `"M" could be minutes or months`},
		{"every 0 minutes", "never advances"},
		{"every 5 minutes or so", `"or" is not understood after "every 5 minutes"; here could stand "at 9:00"`},
		{"every a day", `"a" is not understood after "every"`},
		{"every day at", `ends too early, after "every day at"; here could stand a time`},
		{"every day at noonish", `"noonish" is not understood after "every day at"; here could stand a time`},
		{"every day at 9", `"9" could be morning or evening`},
		{"mondays at 9", `"9" could be morning or evening; write it like "9am" or "09:00"`},
		{"every day at 9 o'clock", `"9" could be morning or evening`},
		{"every day at 25:00", "there is no time 25:00:00"},
		{"every day at 9:00:00.5", "finer than a second"},
		{"every monday at 9:00 and every friday at 17:00", `"every" is not understood after "every monday at 9:00 and"`},
		{"every monday at 9:00, every friday at 17:00", "says the same kind of thing"},
		{"every day every hour every minute", "says the same kind of thing"},
		{"every monday and", `ends too early, after "every monday and"; here could stand a weekday`},
		{"every third friday", `write "every 3 weeks on Friday" or "the third Friday of every month"`},
		{"every first friday", "must say of what"},
		{"the first friday", "does not say how often"},
		{"every other", "ends too early"},
		{"every other weekday", `"weekday" is not understood after "every other"`},
		{"biweekly", "could be twice in one or once in two"},
		{"twice a day", `does not say when; write it like "every day at 9:00 and 17:00"`},
		{"once a day at 9:00 and 17:00", "does not go with the 2 that follow"},
		{"twice a day at 9:00", "does not go with the 1 that follow"},
		{"monday", "does not say that it repeats"},
		{"on monday at 9:00", "does not say that it repeats"},
		{"at 9:00", "does not say how often"},
		{"december 24 at 18:00", `"every year" beside "december 24"`},
		{"on the 15th at 18:00", `"of every month" after "on the 15th"`},
		{"the first monday of next month", "is a single date"},
		{"every month at 9:00", "must say on which day"},
		{"every year on the 15th", "must say of what"},
		{"every month on december 24", "different periods"},
		{"every day on the 15th", "goes with months or years"},
		{"every monday on the 15th", "does not go with"},
		{"every 2 days on monday", "weekdays go with weeks"},
		{"every 5 minutes at 9:00", `"at 9:00" does not go with "every 5 minutes"`},
		{"every 5 minutes on the 15th", "does not go with"},
		{"every day from 9:00 to 17:00", `write "every hour" or "every 15 minutes" beside it`},
		{"every 5 minutes from 9:00", `ends too early, after "every 5 minutes from 9:00"; here could stand "to"`},
		{"every 5 minutes from 9:00 to 9:00", "ends when it begins"},
		{"every 2 hours from 9:00 to 10:00", "longer than the time there is"},
		{"every 25 hours on mondays", "longer than the time there is"},
		{"every 2 hours at :15", `minutes go with "every hour" only`},
		{"every hour at :75", `":75" is not understood`},
		{"every february 30", "there is no 30 February"},
		{"the 30th of february every year", "there is no 30th day in February"},
		{"the 32nd of every month", "there is no 32nd day in a month"},
		{"the 6th monday of every month", "there is no 6th Monday in a month"},
		{"the 40th day of every quarter", "there is no 40th day in a quarter"},
		{"first and last day of every quarter", "from both ends"},
		{"every december 24 2026", "has no place in what comes every year"},
		{"every day until tomorrow", `"tomorrow" would move with every reading`},
		{"every day until december 24", "would move with every reading"},
		{"every day until 2026-02-30", "there is no 30 February 2026"},
		{"every day until", `ends too early, after "every day until"; here could stand a date`},
		{"every day from 2027-01-01 until 2026-01-01", "it never comes"},
		{"every day in Berlin", `"Berlin" is no time zone`},
		{"every day in", "here could stand a zone"},
		{"every day 10", `"10" of what?`},
		{"every day for 10 days", `"days" is not understood after "every day for 10"; here could stand "times"`},
		{"every day for a while", `"a" is not understood after "every day for"`},
		{"every day 0 times", "here could stand"},
		{strings.Repeat("every ", 200), "longer than 1024 bytes"},
		{"\xff", "is not understood"},
		{"明日", "is not understood"},
	} {
		got, err := compilePhrase(c.text, Scope{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q = %q, %v\n\twant an error with %s", c.text, got.String(), err, c.want)
		}
	}
}
