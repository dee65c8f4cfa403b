package when

import (
	"strings"
	"testing"
	"time"
)

func TestRRuleForms(t *testing.T) {
	t.Parallel()
	const anchor = "2026-11-22T10:00:00.250Z"
	tests := []struct{ text, zone, want string }{
		{"FREQ=DAILY", "UTC", "2026-11-22T10:00:00.250Z 2026-11-23T10:00:00.250Z …"},
		{"RRULE:FREQ=DAILY;COUNT=2", "UTC", "2026-11-22T10:00:00.250Z 2026-11-23T10:00:00.250Z"},
		{"rrule:byhour=9;byminute=0;bysecond=0;freq=daily", "UTC", "2026-11-23T09:00:00Z 2026-11-24T09:00:00Z …"},
		{"FREQ=DAILY;BYHOUR=11", "Europe/Berlin", "2026-11-22T10:00:00.250Z 2026-11-23T10:00:00.250Z …"},
		{"FREQ=DAILY;UNTIL=20261124", "Europe/Berlin", "2026-11-22T10:00:00.250Z 2026-11-23T10:00:00.250Z 2026-11-24T10:00:00.250Z"},
		{"FREQ=DAILY;UNTIL=20261123T110000", "Europe/Berlin", "2026-11-22T10:00:00.250Z"},
		{"FREQ=DAILY;UNTIL=20261123T100001Z", "Europe/Berlin", "2026-11-22T10:00:00.250Z 2026-11-23T10:00:00.250Z"},
		{"DTSTART:20261201T090000Z\nRRULE:FREQ=DAILY", "Europe/Berlin", "2026-12-01T09:00:00Z 2026-12-02T09:00:00Z …"},
		{"DTSTART:20261201T090000\r\nRRULE:FREQ=DAILY\r\n", "Europe/Berlin", "2026-12-01T08:00:00Z 2026-12-02T08:00:00Z …"},
		{`DTSTART;TZID=America/New_York:20261201T090000\nRRULE:FREQ=DAILY`, "Europe/Berlin", "2026-12-01T14:00:00Z 2026-12-02T14:00:00Z …"},
		{`DTSTART;TZID="America/New_York";VALUE=DATE-TIME:20261201T090000 RRULE:FREQ=DAILY`, "UTC", "2026-12-01T14:00:00Z 2026-12-02T14:00:00Z …"},
		{"RRULE:FREQ=DAILY\nDTSTART;VALUE=DATE:20261201", "Europe/Berlin", "2026-11-30T23:00:00Z 2026-12-01T23:00:00Z …"},
		{"DTSTART:20261201T090000Z\nRRULE:FREQ=DAILY;BYHOUR=9,\n 12;CO\n\tUNT=3", "UTC", "2026-12-01T09:00:00Z 2026-12-01T12:00:00Z 2026-12-02T09:00:00Z"},
		{"DTSTART:20261201T090000Z\nRRULE:FREQ=WEEKLY;BYDAY=FR", "UTC", "2026-12-04T09:00:00Z 2026-12-11T09:00:00Z …"}, // the start is none
		{"FREQ=YEARLY;BYWEEKNO=1", "UTC", "2027-01-10T10:00:00.250Z 2028-01-09T10:00:00.250Z …"},                       // the anchor's weekday
		{"FREQ=YEARLY;BYMONTH=2", "UTC", "2027-02-22T10:00:00.250Z 2028-02-22T10:00:00.250Z …"},
		{"FREQ=MONTHLY;BYDAY=MO,1TU", "UTC", "2026-11-23T10:00:00.250Z 2026-11-30T10:00:00.250Z 2026-12-01T10:00:00.250Z 2026-12-07T10:00:00.250Z …"},
		{"FREQ=MINUTELY;BYSECOND=60,0", "UTC", "2026-11-22T10:00:59Z 2026-11-22T10:01:00Z 2026-11-22T10:01:59Z …"},
		{"FREQ=HOURLY;BYSECOND=30", "UTC", "2026-11-22T10:00:30Z 2026-11-22T11:00:30Z …"},
		{"FREQ=HOURLY;BYMINUTE=0,30;BYSETPOS=-1", "UTC", "2026-11-22T10:30:00.250Z 2026-11-22T11:30:00.250Z …"},
		{"FREQ=SECONDLY;INTERVAL=40;BYMINUTE=7", "UTC", "2026-11-22T10:07:20.250Z 2026-11-22T11:07:20.250Z …"},
		{"DTSTART:00010101T000001Z\nRRULE:FREQ=YEARLY;INTERVAL=9998", "UTC", "0001-01-01T00:00:01Z 9999-01-01T00:00:01Z"},
		{"DTSTART:20261231T235960Z\nRRULE:FREQ=DAILY;COUNT=1", "UTC", "2026-12-31T23:59:59Z"},
	}
	for _, tt := range tests {
		p, err := parseRRule(tt.text, Scope{Zone: mustZone(t, tt.zone)})
		if err != nil {
			t.Errorf("%q: %v", tt.text, err)
			continue
		}
		if got := occurrences(p, millis(t, anchor), strings.Count(tt.want, "Z")); got != tt.want {
			t.Errorf("%q in %s:\n got %s\nwant %s", tt.text, tt.zone, got, tt.want)
		}
	}
}

func TestRRuleDates(t *testing.T) {
	t.Parallel()
	p, err := parseRRule("DTSTART;TZID=Europe/Berlin:20261201T090000\nRRULE:FREQ=DAILY;COUNT=9\n"+
		"EXDATE:20261203T090000,20261202T090000\nEXDATE;TZID=UTC:20261204T080000\nRDATE:20261224T180000,20261202T080000Z", Scope{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := showAll(p.except), "2026-12-02T08:00:00Z 2026-12-03T08:00:00Z 2026-12-04T08:00:00Z "; got != want {
		t.Errorf("EXDATE: %s, want %s", got, want)
	}
	if got, want := showAll(p.extra), "2026-12-02T08:00:00Z 2026-12-24T17:00:00Z "; got != want {
		t.Errorf("RDATE: %s, want %s", got, want)
	}
	if p.count != 9 || show(p.start.UnixMilli(), true) != "2026-12-01T08:00:00Z" || !p.until.IsZero() {
		t.Errorf("count %d, start %s, until %s", p.count, p.start, p.until)
	}
	p, err = parseRRule("DTSTART;VALUE=DATE:20261201\nRRULE:FREQ=DAILY\nEXDATE;VALUE=DATE:20261202", Scope{Zone: mustZone(t, "Europe/Berlin")})
	if err != nil || showAll(p.except) != "2026-12-01T23:00:00Z " {
		t.Errorf("EXDATE of days: %s, %v", showAll(p.except), err)
	}
}

func TestRRuleErrors(t *testing.T) {
	t.Parallel()
	for text, part := range map[string]string{
		"":                                                      "no RRULE",
		"FREQ=FORTNIGHTLY":                                      "FREQ=FORTNIGHTLY",
		"INTERVAL=2":                                            "no FREQ",
		"FREQ=DAILY;":                                           "part is empty",
		"FREQ=DAILY;COUNT":                                      "name and a value",
		"FREQ=DAILY;COUNT=":                                     "no value",
		"FREQ=DAILY;COUNT=0":                                    "0 is never",
		"FREQ=DAILY;COUNT=-1":                                   "COUNT=-1",
		"FREQ=DAILY;INTERVAL=0":                                 "0 is never",
		"FREQ=DAILY;INTERVAL=99999999":                          "ten thousand years",
		"FREQ=DAILY;INTERVAL=1e3":                               "INTERVAL=1e3",
		"FREQ=DAILY;FREQ=DAILY":                                 "given twice",
		"FREQ=DAILY;BYHOUR=24":                                  "24",
		"FREQ=DAILY;BYHOUR=9,":                                  "BYHOUR=9,",
		"FREQ=DAILY;BYHOUR=-1":                                  "-1",
		"FREQ=DAILY;BYMINUTE=60":                                "BYMINUTE=60",
		"FREQ=DAILY;BYSECOND=61":                                "BYSECOND=61",
		"FREQ=DAILY;BYMONTH=13":                                 "BYMONTH=13",
		"FREQ=DAILY;BYMONTHDAY=0":                               "BYMONTHDAY=0",
		"FREQ=DAILY;BYMONTHDAY=-32":                             "BYMONTHDAY=-32",
		"FREQ=DAILY;BYDAY=XX":                                   "XX",
		"FREQ=DAILY;BYDAY=M":                                    "BYDAY=M",
		"FREQ=MONTHLY;BYDAY=0MO":                                "0MO",
		"FREQ=WEEKLY;BYDAY=1MO":                                 "numbers only with",
		"FREQ=WEEKLY;BYMONTHDAY=1":                              "BYMONTHDAY does not go",
		"FREQ=MONTHLY;BYYEARDAY=1":                              "BYYEARDAY does not go",
		"FREQ=MONTHLY;BYWEEKNO=1":                               "BYWEEKNO does not go",
		"FREQ=YEARLY;BYWEEKNO=1;BYDAY=1MO":                      "BYDAY does not go",
		"FREQ=YEARLY;BYWEEKNO=54":                               "BYWEEKNO=54",
		"FREQ=YEARLY;BYYEARDAY=367":                             "BYYEARDAY=367",
		"FREQ=DAILY;BYSETPOS=1":                                 "BYSETPOS does not go",
		"FREQ=DAILY;BYHOUR=9,10;BYSETPOS=3":                     "never comes: BYSETPOS",
		"FREQ=HOURLY;BYMINUTE=9,10;BYSETPOS=-3":                 "never comes: BYSETPOS",
		"FREQ=DAILY;COUNT=2;UNTIL=20271201":                     "COUNT ends it too",
		"FREQ=DAILY;UNTIL=20271301":                             "no month 13",
		"FREQ=DAILY;UNTIL=tomorrow":                             "UNTIL=tomorrow",
		"FREQ=DAILY;WKST=1MO":                                   "WKST=1MO",
		"FREQ=YEARLY;BYEASTER=0":                                "no such part",
		"FREQ=YEARLY;RSCALE=GREGORIAN":                          "RSCALE",
		"FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30":                   "never comes",
		"FREQ=DAILY;BYMONTH=4;BYMONTHDAY=31":                    "never comes",
		"FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30":                 "never comes",
		"FREQ=MONTHLY;BYDAY=6MO":                                "never comes",
		"FREQ=MONTHLY;BYDAY=MO;BYSETPOS=6":                      "never comes",
		"FREQ=YEARLY;BYYEARDAY=366;BYMONTH=1":                   "never comes",
		"DTSTART:20260130T000000Z\nRRULE:FREQ=YEARLY;BYMONTH=2": "never comes",
		"DTSTART:20260130T100000Z\nRRULE:FREQ=HOURLY;INTERVAL=24;BYHOUR=9":     "never comes",
		"DTSTART:20260130T100001Z\nRRULE:FREQ=SECONDLY;INTERVAL=30;BYSECOND=0": "never comes",
		"DTSTART:20260130T000000Z\nRRULE:FREQ=DAILY;UNTIL=20260129T000000Z":    "after UNTIL",
		"DTSTART:20260130T000000Z":                                       "no RRULE",
		"DTSTART:20260130T000000Z\nDTSTART:20260130T000000Z\nFREQ=DAILY": "DTSTART is given twice",
		"RRULE:FREQ=DAILY\nRRULE:FREQ=WEEKLY":                            "RRULE is given twice",
		"EXRULE:FREQ=DAILY":                                              "EXRULE",
		"BEGIN:VEVENT":                                                   "BEGIN",
		"every day":                                                      "every",
		"DTSTART;TZID=Mars/Base:20260130T000000\nFREQ=DAILY":             "Mars/Base",
		"DTSTART;TZID=:20260130T000000\nFREQ=DAILY":                      "no time zone",
		"DTSTART;TZID=Europe/Berlin:20260130T000000Z\nFREQ=DAILY":        "leave out the Z",
		"DTSTART;VALUE=DATE:20260130T000000\nFREQ=DAILY":                 "no day",
		"DTSTART;VALUE=PERIOD:20260130T000000Z/P1D\nFREQ=DAILY":          "VALUE=PERIOD",
		"DTSTART;X=1:20260130T000000Z\nFREQ=DAILY":                       "X",
		"DTSTART;TZID:20260130T000000Z\nFREQ=DAILY":                      "name and a value",
		"DTSTART;TZID=\"UTC:20260130T000000Z\nFREQ=DAILY":                "name and a value",
		"DTSTART:20260130T250000Z\nFREQ=DAILY":                           "no time 25",
		"DTSTART:00000130T000000Z\nFREQ=DAILY":                           "year 1",
		"DTSTART:2026-01-30\nFREQ=DAILY":                                 "2026-01-30",
		"RRULE;X=1:FREQ=DAILY":                                           "no parameters",
		"FREQ=DAILY\nEXDATE;VALUE=DATE:20261224":                         "give the time too",
		"FREQ=DAILY\nRDATE:20261224":                                     "give the time too",
		"FREQ=DAILY\nEXDATE:x":                                           "EXDATE",
		"FREQ=DAILY;BYSECOND=" + strings.Repeat("0,", longestRRule):      "longer than",
	} {
		_, err := parseRRule(text, Scope{})
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q: %v, want %q", shorten(text), err, part)
		}
	}
}

func TestRRuleText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"freq=daily;interval=1":                               "FREQ=DAILY",
		"BYDAY=FR,MO;WKST=SU;FREQ=WEEKLY":                     "FREQ=WEEKLY;BYDAY=MO,FR",
		"FREQ=WEEKLY;INTERVAL=02;WKST=SU;BYDAY=SU,SU":         "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU;WKST=SU",
		"FREQ=MONTHLY;BYDAY=+2FR,-1MO,TU;BYMONTHDAY=-1,31,+1": "FREQ=MONTHLY;BYMONTHDAY=1,31,-1;BYDAY=TU,-1MO,2FR",
		"FREQ=YEARLY;BYSETPOS=-1,1;BYWEEKNO=-1,53,1;BYYEARDAY=366,-366;BYMONTH=12,1;BYHOUR=23,0;BYMINUTE=59,0;BYSECOND=60,0": "FREQ=YEARLY;BYMONTH=1,12;BYWEEKNO=-1,1,53;BYYEARDAY=-366,366;BYHOUR=0,23;BYMINUTE=0,59;BYSECOND=0,59;BYSETPOS=-1,1",
		"DTSTART;TZID=Europe/Berlin:20261201T090000\nFREQ=DAILY;COUNT=3":                                                     "DTSTART;TZID=Europe/Berlin:20261201T090000\nRRULE:FREQ=DAILY",
		"DTSTART:20261201T090000Z\nFREQ=DAILY":                                                                               "DTSTART:20261201T090000Z\nRRULE:FREQ=DAILY",
		"DTSTART:20261201\nFREQ=DAILY":                                                                                       "DTSTART;VALUE=DATE:20261201\nRRULE:FREQ=DAILY",
	} {
		for _, text := range []string{text, want} {
			p, err := parseRRule(text, Scope{})
			if err != nil {
				t.Errorf("%q: %v", text, err)
			} else if got := p.series.String(); got != want {
				t.Errorf("%q prints as %q, want %q", text, got, want)
			}
		}
	}
}

// TestRRuleClocks holds what the rules do where clocks change.
func TestRRuleClocks(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, zone, anchor, want string }{
		{
			"the gap: once at its end", "FREQ=DAILY;BYHOUR=2;BYMINUTE=15,30;BYSECOND=0", "Europe/Berlin", "2027-03-27T02:00:00Z",
			"2027-03-28T01:00:00Z 2027-03-29T00:15:00Z 2027-03-29T00:30:00Z …",
		},
		{
			"the overlap: the first time", "FREQ=DAILY;BYHOUR=2;BYMINUTE=15,30;BYSECOND=0", "Europe/Berlin", "2026-10-24T22:00:00Z",
			"2026-10-25T00:15:00Z 2026-10-25T00:30:00Z 2026-10-26T01:15:00Z …",
		},
		{
			"a first date in the second pass is one", "FREQ=DAILY", "Europe/Berlin", "2026-10-25T01:30:00Z",
			"2026-10-25T01:30:00Z 2026-10-26T01:30:00Z …",
		},
		{
			"hours are exact", "FREQ=HOURLY;INTERVAL=6", "Europe/Berlin", "2027-03-27T18:00:00Z",
			"2027-03-27T18:00:00Z 2027-03-28T00:00:00Z 2027-03-28T06:00:00Z …",
		},
		{
			"every hour in the overlap", "FREQ=HOURLY", "Europe/Berlin", "2026-10-24T23:30:00Z",
			"2026-10-24T23:30:00Z 2026-10-25T00:30:00Z 2026-10-25T01:30:00Z 2026-10-25T02:30:00Z …",
		},
		{
			"minutes are what clocks show", "FREQ=HOURLY;BYMINUTE=0,45;BYSECOND=0", "Australia/Lord_Howe", "2026-10-03T14:30:00Z", // 02:00 becomes 02:30
			"2026-10-03T14:30:00Z 2026-10-03T15:15:00Z 2026-10-03T15:45:00Z 2026-10-03T16:00:00Z 2026-10-03T16:45:00Z …",
		},
		{
			"hours filter what clocks show", "FREQ=MINUTELY;INTERVAL=30;BYHOUR=2", "Europe/Berlin", "2026-10-24T22:00:00Z",
			"2026-10-25T00:00:00Z 2026-10-25T00:30:00Z 2026-10-25T01:00:00Z 2026-10-25T01:30:00Z 2026-10-26T01:00:00Z …",
		},
		{
			"an hour that is skipped", "FREQ=MINUTELY;INTERVAL=30;BYHOUR=2", "Europe/Berlin", "2027-03-27T22:00:00Z",
			"2027-03-29T00:00:00Z 2027-03-29T00:30:00Z …",
		},
		{
			"the lost day", "FREQ=DAILY", "Pacific/Apia", "2011-12-29T20:00:00Z",
			"2011-12-29T20:00:00Z 2011-12-30T10:00:00Z 2011-12-30T20:00:00Z …",
		},
		{
			"a DTSTART in the gap keeps its clock time", "DTSTART;TZID=Europe/Berlin:20270328T023000\nRRULE:FREQ=DAILY", "UTC", "2027-03-28T01:00:00Z",
			"2027-03-28T01:00:00Z 2027-03-29T00:30:00Z …",
		},
		{
			"midnight that is skipped", "DTSTART;VALUE=DATE:20181104\nRRULE:FREQ=DAILY", "America/Sao_Paulo", "2018-11-04T03:00:00Z",
			"2018-11-04T03:00:00Z 2018-11-05T02:00:00Z …",
		},
		{
			"every 24 hours comes to nine for half of the year", "FREQ=HOURLY;INTERVAL=24;BYHOUR=9", "Europe/Berlin", "2026-11-22T07:00:00Z",
			"2027-03-28T07:00:00Z 2027-03-29T07:00:00Z …",
		},
	}
	for _, tt := range tests {
		p, err := parseRRule(tt.text, Scope{Zone: mustZone(t, tt.zone)})
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		anchor := millis(t, tt.anchor)
		if got := occurrences(p, anchor, strings.Count(tt.want, "Z")); got != tt.want {
			t.Errorf("%s: %s in %s:\n got %s\nwant %s", tt.name, tt.text, tt.zone, got, tt.want)
		}
	}
}

// TestRRuleNeverForAnAnchor: what cannot come for one first date only is found out soon.
func TestRRuleNeverForAnAnchor(t *testing.T) {
	t.Parallel()
	anchor := millis(t, "2026-11-24T10:00:00Z") // a Tuesday
	for _, text := range []string{
		"FREQ=DAILY;INTERVAL=7;BYDAY=MO", "FREQ=HOURLY;INTERVAL=24;BYHOUR=9", "FREQ=SECONDLY;INTERVAL=30;BYSECOND=7", "FREQ=MINUTELY;INTERVAL=1440;BYMINUTE=7",
		"FREQ=HOURLY;INTERVAL=168;BYDAY=MO", "FREQ=SECONDLY;INTERVAL=86400;BYHOUR=1",
	} {
		for _, zone := range []string{"UTC", "Asia/Kathmandu"} {
			p, err := parseRRule(text, Scope{Zone: mustZone(t, zone)})
			if err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			if at, ok := p.series.after(anchor, anchor); ok {
				t.Errorf("%s in %s: %s", text, zone, show(at, ok))
			}
			if at, ok := p.series.latest(anchor, anchor+20*366*day); ok {
				t.Errorf("%s in %s: %s", text, zone, show(at, ok))
			}
			t.Logf("%s in %s: %s", text, zone, time.Since(begin))
		}
	}
}
