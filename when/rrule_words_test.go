package when

import "testing"

func TestRRuleWords(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"FREQ=DAILY":             "every day",
		"FREQ=DAILY;INTERVAL=10": "every 10 days",
		"FREQ=DAILY;INTERVAL=2;BYHOUR=9;BYMINUTE=0":                                                "every other day at 09:00",
		"FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9;BYMINUTE=0":                                      "every weekday at 09:00",
		"FREQ=DAILY;BYMONTHDAY=13;BYDAY=FR":                                                        "every day if it is a Friday and the 13th",
		"FREQ=DAILY;BYMONTH=1;BYHOUR=9":                                                            "every day in January at the first date's minute of hour 9",
		"FREQ=DAILY;BYHOUR=9,17;BYMINUTE=0,30;BYSECOND=0;BYSETPOS=1,4":                             "every day at 09:00 and 17:30",
		"FREQ=DAILY;BYHOUR=9,10,11,12;BYMINUTE=0,20,40":                                            "every day at minutes 0, 20 and 40 of hours 9, 10, 11 and 12",
		"FREQ=DAILY;BYMINUTE=30;BYSECOND=15":                                                       "every day at second 15 of minute 30 of the first date's hour",
		"FREQ=DAILY;BYMINUTE=0,30;BYSETPOS=1":                                                      "every day at minutes 0 and 30 of the first date's hour, only the first of each day",
		"FREQ=WEEKLY":                                                                              "every week",
		"FREQ=WEEKLY;INTERVAL=2;BYDAY=FR;BYHOUR=9;BYMINUTE=0;BYSECOND=0":                           "every other Friday at 09:00",
		"FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH;BYHOUR=8,17;BYMINUTE=0,30;BYSECOND=0;BYSETPOS=1,4,5,8": "every other week on Monday and Thursday at 08:00 and 17:30",
		"FREQ=WEEKLY;INTERVAL=3;BYDAY=MO,TU,WE,TH,FR":                                              "every 3 weeks on weekdays",
		"FREQ=WEEKLY;BYDAY=SU,SA,MO;BYHOUR=9;BYMINUTE=0;BYSECOND=30":                               "every Monday, Saturday and Sunday at 09:00:30",
		"FREQ=WEEKLY;BYDAY=MO,WE;BYSETPOS=-1":                                                      "every Monday and Wednesday, only the last of each week",
		"FREQ=MONTHLY":                                                                             "every month",
		"FREQ=MONTHLY;INTERVAL=3;BYMONTHDAY=1,15,-1":                                               "on the 1st, 15th and last day of every 3 months",
		"FREQ=MONTHLY;BYMONTHDAY=-2":                                                               "on the second-to-last day of every month",
		"FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;BYHOUR=18;BYMINUTE=0":                       "on the last weekday of every month at 18:00",
		"FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9,17;BYMINUTE=0,30;BYSETPOS=-4,-1":               "on the last weekday of every month at 09:00 and 17:30",
		"FREQ=MONTHLY;BYDAY=SU,MO,TU,WE,TH,FR,SA;BYSETPOS=-3,1":                                    "on the first and third-to-last day of every month",
		"FREQ=MONTHLY;BYDAY=1SU,-1SU;INTERVAL=2":                                                   "on the last Sunday and the first Sunday of every other month",
		"FREQ=MONTHLY;BYDAY=2MO;BYMONTH=3,6":                                                       "on the second Monday of March and June",
		"FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13":                                                      "on each day of every month that is a Friday and the 13th",
		"FREQ=MONTHLY;BYDAY=MO":                                                                    "every Monday",
		"FREQ=MONTHLY;INTERVAL=2;BYDAY=MO":                                                         "on every Monday of every other month",
		"FREQ=YEARLY":                                                                              "every year",
		"FREQ=YEARLY;BYMONTH=2":                                                                    "every February",
		"FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=24;BYHOUR=18;BYMINUTE=0":                                "on the 24th of December at 18:00",
		"FREQ=YEARLY;INTERVAL=4;BYMONTH=2;BYMONTHDAY=29":                                           "on the 29th of February of every 4 years",
		"FREQ=YEARLY;BYMONTHDAY=13":                                                                "on the 13th of every month",
		"FREQ=YEARLY;BYDAY=20MO":                                                                   "on the 20th Monday of every year",
		"FREQ=YEARLY;BYYEARDAY=100,-1":                                                             "on the last and 100th day of every year",
		"FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO":                                                         "on Monday of the 20th week of every year",
		"FREQ=SECONDLY;INTERVAL=7;BYMINUTE=0":                                                      "every 7 seconds in minute 0 of the hour",
		"FREQ=MINUTELY;INTERVAL=15;BYHOUR=9,10,11;BYDAY=MO,TU,WE,TH,FR":                            "every 15 minutes on weekdays from 09:00 to 11:59",
		"FREQ=HOURLY;BYMINUTE=0,30":                                                                "every hour at minutes 0 and 30",
		"FREQ=HOURLY;BYMINUTE=0,30;BYSETPOS=-1":                                                    "every hour at minutes 0 and 30, only the last of each hour",
		"FREQ=HOURLY;BYHOUR=9,15;BYMONTH=1":                                                        "every hour in January in hours 9 and 15",
		"DTSTART;TZID=Europe/Berlin:20261204T090000\nRRULE:FREQ=WEEKLY;INTERVAL=2":                 "every other Friday at 09:00",
		"DTSTART:20261204\nRRULE:FREQ=YEARLY":                                                      "on the 4th of December at 00:00",
	} {
		p, err := parseRRule(text, Scope{})
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got := p.series.words(); got != want {
			t.Errorf("%s:\n got %s\nwant %s", text, got, want)
		}
	}
}
