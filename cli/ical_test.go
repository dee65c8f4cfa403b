package cli

import (
	"slices"
	"strings"
	"testing"
	"time"

	ics "github.com/arran4/golang-ical"
	"github.com/google/go-cmp/cmp"
	"github.com/teambition/rrule-go"

	"github.com/adlayer/after/task"
)

// TestICalendar reads the file with another library, and compares the dates of each task with those of its own rule.
func TestICalendar(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	until := now.AddDate(1, 0, 0)
	docs := map[string]bool{ // whether it is one event that repeats
		`{"_id":"daily","repeat":"30 2 * * *","timezone":"Europe/Berlin","note":"first; second, and \\ third\nwith a rather long line that has to be folded, ünd ümläuts in it 🚀🚀🚀"}`: true,
		`{"_id":"weekdays","repeat":"every weekday at 9:00","timezone":"America/New_York"}`:                                                                                           true,
		`{"_id":"second monday","repeat":"0 0 9 ? * MON#2"}`:                                                                                                                          true,
		`{"_id":"last friday","repeat":"0 18 * * 5L"}`:                                                                                                                                true,
		`{"_id":"last day","repeat":"0 18 L * *","timezone":"Asia/Tokyo"}`:                                                                                                            true,
		`{"_id":"fortnight","repeat":"P2W","date":"2026-11-23T09:00:00Z","timezone":"Europe/Berlin"}`:                                                                                 true,
		`{"_id":"seconds","repeat":"every 90 minutes","date":"2026-11-23T09:00:00Z"}`:                                                                                                 true,
		`{"_id":"rrule","repeat":"FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=18;BYMINUTE=0;BYSECOND=0"}`:                                                                                          true,
		`{"_id":"31st","repeat":"P1M","date":"2026-12-31T09:00:00Z"}`:                                                                                                                 false,
		`{"_id":"limited","repeat":{"days":1,"limit":5},"date":"2026-11-23T09:00:00Z"}`:                                                                                               false,
		`{"_id":"excepted","repeat":{"cron":"0 9 * * *","except":["2026-12-24/2027-11-01"]}}`:                                                                                         false,
		`{"_id":"twice a day","repeat":"0 9,17 1 * *"}`:                                                                                                                               false,
		`{"_id":"once","date":"2026-12-01T09:00:00Z"}`:                                                                                                                                false,
		`{"_id":"every minute","repeat":"*/15 * * * *","timezone":"Europe/Berlin"}`:                                                                                                   false,
		`{"_id":"too late","date":"2036-12-01T09:00:00Z"}`:                                                                                                                            false,
	}
	var courses []*course
	repeats := map[string]bool{}
	for doc, once := range docs {
		one, err := task.Decode([]byte(strings.Replace(doc, "{", `{"worker":"w","job":"j",`, 1)))
		if err != nil {
			t.Fatal(err)
		}
		c, err := courseOf(one, now, anyCalendar)
		if err != nil {
			t.Fatalf("%s: %v", doc, err)
		}
		courses = append(courses, c)
		repeats[one.ID] = once
	}
	w := &ical{from: now, until: until, now: now}
	text := w.write(courses)
	for line := range strings.SplitSeq(text, "\r\n") {
		if len(line) > 75 || strings.ContainsAny(line, "\r\n") {
			t.Errorf("the line %q has %d octets", line, len(line))
		}
	}
	read, err := ics.ParseCalendar(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	dates, events := map[string][]time.Time{}, map[string]int{}
	for _, event := range read.Events() {
		id, _, _ := strings.Cut(event.GetProperty(ics.ComponentPropertySummary).Value, ": ")
		events[id]++
		dates[id] = append(dates[id], datesOf(t, event)...)
	}
	for _, c := range courses {
		id := c.task.ID
		var want []time.Time
		for f := range c.firings(now) {
			if !f.at.Before(until) || !repeats[id] && len(want) == mostEvents {
				break
			}
			want = append(want, f.at)
		}
		slices.SortFunc(dates[id], time.Time.Compare)
		if diff := cmp.Diff(utc(want), utc(dates[id])); diff != "" {
			t.Errorf("%s: %s", id, diff)
		}
		if repeats[id] && events[id] > 2 { // one more at the end of a gap
			t.Errorf("%s: %d events, want one that repeats", id, events[id])
		}
	}
	if len(w.notes) != 1 || !strings.HasPrefix(w.notes[0], "every minute: only its first 1000 dates") {
		t.Errorf("it notes %q", w.notes)
	}
}

// datesOf gives the dates of an event.
func datesOf(t *testing.T, event *ics.VEvent) []time.Time {
	t.Helper()
	start, err := event.GetStartAt()
	if err != nil {
		t.Fatalf("%v: %v", event.Id(), err)
	}
	rule := event.GetProperty(ics.ComponentPropertyRrule)
	if rule == nil {
		return []time.Time{start}
	}
	option, err := rrule.StrToROptionInLocation(rule.Value, start.Location())
	if err != nil {
		t.Fatalf("%s: %v", rule.Value, err)
	}
	option.Dtstart = start
	all, err := rrule.NewRRule(*option)
	if err != nil {
		t.Fatal(err)
	}
	set := rrule.Set{}
	set.RRule(all)
	for _, property := range event.Properties {
		if property.IANAToken == "EXDATE" {
			date, err := time.ParseInLocation(icalLocal, property.Value, start.Location())
			if err != nil {
				t.Fatal(err)
			}
			set.ExDate(date)
		}
	}
	dates := set.All()
	for i, date := range dates { // the library takes a time that comes twice the second time, RFC 5545 the first
		if earlier := date.Add(-time.Hour); earlier.Format(icalLocal) == date.Format(icalLocal) {
			dates[i] = earlier
		}
	}
	return dates
}

func utc(all []time.Time) []time.Time {
	for i := range all {
		all[i] = all[i].UTC()
	}
	return all
}
