package when

import (
	"strings"
	"testing"
	"time"
)

// TestRRuleExamples are the examples of RFC 5545, section 3.8.5.3, in America/New_York, at 09:00 where nothing else is shown: with days alone where
// the month is the one before, months and days where the year is. An ellipsis stands for more.
func TestRRuleExamples(t *testing.T) {
	t.Parallel()
	tests := []struct{ start, rule, want string }{
		{"19970902", "FREQ=DAILY;COUNT=10", "1997-09-02 03 04 05 06 07 08 09 10 11"},
		{"19971024", "FREQ=DAILY;UNTIL=19971028T140000Z", "1997-10-24 25 26 27 28"},
		{"19970902", "FREQ=DAILY;INTERVAL=2", "1997-09-02 04 06 08 10 …"},
		{"19970902", "FREQ=DAILY;INTERVAL=10;COUNT=5", "1997-09-02 12 22 10-02 12"},
		{"19980128", "FREQ=YEARLY;UNTIL=19990103T140000Z;BYMONTH=1;BYDAY=SU,MO,TU,WE,TH,FR,SA", "1998-01-28 29 30 31 1999-01-01 02 03"},
		{"19980128", "FREQ=DAILY;UNTIL=19990103T140000Z;BYMONTH=1", "1998-01-28 29 30 31 1999-01-01 02 03"},
		{"19970902", "FREQ=WEEKLY;COUNT=10", "1997-09-02 09 16 23 30 10-07 14 21 28 11-04"},
		{"19970902", "FREQ=WEEKLY;UNTIL=19971224T000000Z", "1997-09-02 09 16 23 30 10-07 14 21 28 11-04 11 18 25 12-02 09 16 23"},
		{"19970902", "FREQ=WEEKLY;INTERVAL=2;WKST=SU", "1997-09-02 16 30 10-14 28 11-11 25 12-09 23 1998-01-06 20 02-03 17 …"},
		{"19970902", "FREQ=WEEKLY;UNTIL=19971007T000000Z;WKST=SU;BYDAY=TU,TH", "1997-09-02 04 09 11 16 18 23 25 30 10-02"},
		{"19970901", "FREQ=WEEKLY;INTERVAL=2;UNTIL=19971224T000000Z;WKST=SU;BYDAY=MO,WE,FR", "1997-09-01 03 05 15 17 19 29 10-01 03 13 15 17 27 29 31 11-10 12 14 24 26 28 12-08 10 12 22"},
		{"19970902", "FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH", "1997-09-02 04 16 18 30 10-02 14 16"},
		{"19970905", "FREQ=MONTHLY;COUNT=10;BYDAY=1FR", "1997-09-05 10-03 11-07 12-05 1998-01-02 02-06 03-06 04-03 05-01 06-05"},
		{"19970905", "FREQ=MONTHLY;UNTIL=19971224T000000Z;BYDAY=1FR", "1997-09-05 10-03 11-07 12-05"},
		{"19970907", "FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU", "1997-09-07 28 11-02 30 1998-01-04 25 03-01 29 05-03 31"},
		{"19970922", "FREQ=MONTHLY;COUNT=6;BYDAY=-2MO", "1997-09-22 10-20 11-17 12-22 1998-01-19 02-16"},
		{"19970928", "FREQ=MONTHLY;BYMONTHDAY=-3", "1997-09-28 10-29 11-28 12-29 1998-01-29 02-26 …"},
		{"19970902", "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=2,15", "1997-09-02 15 10-02 15 11-02 15 12-02 15 1998-01-02 15"},
		{"19970930", "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1", "1997-09-30 10-01 31 11-01 30 12-01 31 1998-01-01 31 02-01"},
		{"19970910", "FREQ=MONTHLY;INTERVAL=18;COUNT=10;BYMONTHDAY=10,11,12,13,14,15", "1997-09-10 11 12 13 14 15 1999-03-10 11 12 13"},
		{"19970902", "FREQ=MONTHLY;INTERVAL=2;BYDAY=TU", "1997-09-02 09 16 23 30 11-04 11 18 25 1998-01-06 13 20 27 03-03 10 17 24 31 …"},
		{"19970610", "FREQ=YEARLY;COUNT=10;BYMONTH=6,7", "1997-06-10 07-10 1998-06-10 07-10 1999-06-10 07-10 2000-06-10 07-10 2001-06-10 07-10"},
		{"19970310", "FREQ=YEARLY;INTERVAL=2;COUNT=10;BYMONTH=1,2,3", "1997-03-10 1999-01-10 02-10 03-10 2001-01-10 02-10 03-10 2003-01-10 02-10 03-10"},
		{"19970101", "FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200", "1997-01-01 04-10 07-19 2000-01-01 04-09 07-18 2003-01-01 04-10 07-19 2006-01-01"},
		{"19970519", "FREQ=YEARLY;BYDAY=20MO", "1997-05-19 1998-05-18 1999-05-17 …"},
		{"19970512", "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", "1997-05-12 1998-05-11 1999-05-17 …"},
		{"19970313", "FREQ=YEARLY;BYMONTH=3;BYDAY=TH", "1997-03-13 20 27 1998-03-05 12 19 26 1999-03-04 11 18 25 …"},
		{"19970605", "FREQ=YEARLY;BYDAY=TH;BYMONTH=6,7,8", "1997-06-05 12 19 26 07-03 10 17 24 31 08-07 14 21 28 1998-06-04 11 18 25 07-02 …"},
		{"19970902", "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", "1998-02-13 03-13 11-13 1999-08-13 2000-10-13 …"},
		{"19970913", "FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13", "1997-09-13 10-11 11-08 12-13 1998-01-10 02-07 03-07 04-11 05-09 06-13 …"},
		{"19961105", "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8", "1996-11-05 2000-11-07 2004-11-02 …"},
		{"19970904", "FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3", "1997-09-04 10-07 11-06"},
		{"19970929", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2", "1997-09-29 10-30 11-27 12-30 1998-01-29 02-26 03-30 …"},
		{"19970902", "FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T210000Z", "1997-09-02 T12:00 T15:00"},
		{"19970902", "FREQ=MINUTELY;INTERVAL=15;COUNT=6", "1997-09-02 T09:15 T09:30 T09:45 T10:00 T10:15"},
		{"19970902", "FREQ=MINUTELY;INTERVAL=90;COUNT=4", "1997-09-02 T10:30 T12:00 T13:30"},
		{"19970902", "FREQ=DAILY;BYHOUR=9,15,16;BYMINUTE=0,20,40", "1997-09-02 T09:20 T09:40 T15:00 T15:20 T15:40 T16:00 T16:20 T16:40 03 T09:20 …"},
		{"19970902", "FREQ=MINUTELY;INTERVAL=20;BYHOUR=9,15,16", "1997-09-02 T09:20 T09:40 T15:00 T15:20 T15:40 T16:00 T16:20 T16:40 03 T09:20 …"},
		{"19970805", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO", "1997-08-05 10 19 24"},
		{"19970805", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU", "1997-08-05 17 19 31"},
		{"20070115", "FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5", "2007-01-15 30 02-15 03-15 30"},
	}
	for _, tt := range tests {
		text := "DTSTART;TZID=America/New_York:" + tt.start + "T090000\nRRULE:" + tt.rule
		p, err := parseRRule(text, Scope{})
		if err != nil {
			t.Errorf("%s: %v", tt.rule, err)
			continue
		}
		got := outline(p, 40)
		want, more := strings.CutSuffix(tt.want, "…")
		if got != tt.want && (!more || !strings.HasPrefix(got, want)) {
			t.Errorf("%s:\n got %s\nwant %s", tt.rule, got, tt.want)
		}
	}
}

// outline shows the first few occurrences in the zone of the rule, as TestRRuleExamples says.
func outline(p parsed, most int) string {
	s, ok := p.series.(*recurSeries)
	if !ok {
		return "no recurrence"
	}
	anchor := p.start.UnixMilli()
	last := time.Time{}
	var parts []string
	for text := range strings.FieldsSeq(occurrences(p, anchor, most)) {
		if text == "…" {
			parts = append(parts, text)
			continue
		}
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return err.Error()
		}
		at = at.In(s.loc)
		switch {
		case at.Year() != last.Year():
			parts = append(parts, at.Format("2006-01-02"))
		case at.Month() != last.Month():
			parts = append(parts, at.Format("01-02"))
		case at.Day() != last.Day():
			parts = append(parts, at.Format("02"))
		}
		if clock := at.Format("15:04"); clock != "09:00" || at.YearDay() == last.YearDay() && at.Year() == last.Year() {
			parts = append(parts, "T"+clock)
		}
		last = at
	}
	return strings.Join(parts, " ")
}
