package when

import (
	"strings"
	"testing"
	"time"
)

// TestPhraseOccurrences shows what phrases mean: the occurrences after a first date, as the clocks of the zone show them.
func TestPhraseOccurrences(t *testing.T) {
	t.Parallel()
	const layout = "Mon 2006-01-02 15:04"
	for _, c := range []struct {
		text, zone, from string
		want             []string
	}{
		{"every day", "Europe/Berlin", "Sat 2026-03-28 02:30", []string{"Sat 2026-03-28 02:30", "Sun 2026-03-29 03:00", "Mon 2026-03-30 02:30"}},
		{"every day at 9:00", "Europe/Berlin", "Sat 2026-03-28 09:30", []string{"Sun 2026-03-29 09:00", "Mon 2026-03-30 09:00"}},
		{"every monday", "Europe/Berlin", "Wed 2026-11-18 10:30", []string{"Mon 2026-11-23 10:30", "Mon 2026-11-30 10:30"}},
		{"every other friday", "UTC", "Wed 2026-11-18 10:30", []string{"Fri 2026-11-20 10:30", "Fri 2026-12-04 10:30"}},
		{"every other friday", "UTC", "Sat 2026-11-21 10:30", []string{"Fri 2026-12-04 10:30", "Fri 2026-12-18 10:30"}},
		{"every 2 weeks on monday and thursday at 8:00 and 17:30", "UTC", "Wed 2026-11-18 10:30", []string{
			"Thu 2026-11-19 08:00", "Thu 2026-11-19 17:30", "Mon 2026-11-30 08:00", "Mon 2026-11-30 17:30", "Thu 2026-12-03 08:00",
		}},
		{"every other day at 9:00", "UTC", "Wed 2026-11-18 10:30", []string{"Fri 2026-11-20 09:00", "Sun 2026-11-22 09:00"}},
		{"weekdays at 9:00, 12:00 and 17:30", "UTC", "Fri 2026-11-20 10:30", []string{"Fri 2026-11-20 12:00", "Fri 2026-11-20 17:30", "Mon 2026-11-23 09:00"}},
		{"every 3 months on the 15th", "UTC", "Wed 2026-11-18 10:30", []string{"Mon 2027-02-15 10:30", "Sat 2027-05-15 10:30"}},
		{"on the last day of the month at 18:00", "UTC", "Wed 2026-11-18 10:30", []string{"Mon 2026-11-30 18:00", "Thu 2026-12-31 18:00", "Sun 2027-01-31 18:00", "Sun 2027-02-28 18:00"}},
		{"monthly on the 31st at 9:00", "UTC", "Wed 2026-11-18 10:30", []string{"Thu 2026-12-31 09:00", "Sun 2027-01-31 09:00", "Wed 2027-03-31 09:00"}},
		{"second to last weekday of the month at 9:00 and 17:30", "UTC", "Wed 2026-11-18 10:30", []string{"Fri 2026-11-27 09:00", "Fri 2026-11-27 17:30", "Wed 2026-12-30 09:00"}},
		{"on the last weekday of every quarter at noon", "UTC", "Wed 2026-11-18 10:30", []string{"Thu 2026-12-31 12:00", "Wed 2027-03-31 12:00", "Wed 2027-06-30 12:00"}},
		{"the first monday of every year at noon", "UTC", "Wed 2026-11-18 10:30", []string{"Mon 2027-01-04 12:00", "Mon 2028-01-03 12:00"}},
		{"the fourth thursday of every november at noon", "UTC", "Wed 2026-11-18 10:30", []string{"Thu 2026-11-26 12:00", "Thu 2027-11-25 12:00"}},
		{"every february 29 at noon", "UTC", "Wed 2026-11-18 10:30", []string{"Tue 2028-02-29 12:00", "Sun 2032-02-29 12:00"}},
		{"every hour at :15", "UTC", "Wed 2026-11-18 10:30", []string{"Wed 2026-11-18 11:15", "Wed 2026-11-18 12:15"}},
		{"every 15 minutes between 16:40 and 17:10 on weekdays", "UTC", "Fri 2026-11-20 10:30", []string{"Fri 2026-11-20 16:40", "Fri 2026-11-20 16:55", "Fri 2026-11-20 17:10", "Mon 2026-11-23 16:40"}},
		{"every 3 hours from 22:00 to 6:00 on weekends", "UTC", "Fri 2026-11-20 10:30", []string{"Sat 2026-11-21 22:00", "Sun 2026-11-22 01:00", "Sun 2026-11-22 04:00", "Sun 2026-11-22 22:00"}},
		// A window goes on with the clock that is set back, and has what is jumped over at the gap's end.
		{"every 30 minutes from 1:30 to 3:00", "Europe/Berlin", "Sun 2026-10-25 00:30", []string{
			"Sun 2026-10-25 01:30", "Sun 2026-10-25 02:00", "Sun 2026-10-25 02:30", "Sun 2026-10-25 02:00", "Sun 2026-10-25 02:30", "Sun 2026-10-25 03:00", "Mon 2026-10-26 01:30",
		}},
		{"every 15 minutes from 2:15 to 2:45", "Europe/Berlin", "Sun 2026-03-29 00:30", []string{"Sun 2026-03-29 03:00", "Mon 2026-03-30 02:15"}},
		{"every 30 minutes from 1:30 to 3:30", "Europe/Berlin", "Sun 2026-03-29 00:30", []string{"Sun 2026-03-29 01:30", "Sun 2026-03-29 03:00", "Sun 2026-03-29 03:30", "Mon 2026-03-30 01:30"}},
	} {
		loc, err := LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		from, err := time.ParseInLocation(layout, c.from, loc)
		if err != nil {
			t.Fatal(err)
		}
		p, err := parsePhrase(c.text, Scope{Zone: loc})
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		at := from.UnixMilli() - 1
		for i, want := range c.want {
			next, ok := p.series.after(from.UnixMilli(), at)
			if got := time.UnixMilli(next).In(loc).Format(layout); !ok || got != want {
				t.Errorf("%q from %s: %d. is %s, want %s", c.text, c.from, i+1, got, want)
				break
			}
			if latest, ok := p.series.latest(from.UnixMilli(), next); !ok || latest != next {
				t.Errorf("%q from %s: the latest at %s is another", c.text, c.from, want)
			}
			at = next
		}
	}
}

// TestPhraseRules shows how rules that were phrases print, and what they say in words.
func TestPhraseRules(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, zone, want, words string }{
		{"every 5 minutes", "Europe/Berlin", "PT5M", "every 5 minutes"},
		{"every 5 minutes in Europe/Berlin", "UTC", "PT5M", "every 5 minutes"},
		{"every weekday at 9:00", "UTC", "0 9 * * 1-5", ""},
		{"every weekday at 9:00 in Europe/Berlin", "UTC", "CRON_TZ=Europe/Berlin 0 9 * * 1-5", "in Europe/Berlin"},
		{"every weekday at 9:00 in Europe/Berlin", "Europe/Berlin", "0 9 * * 1-5", "in Europe/Berlin"},
		{"Every other Friday, at 3pm in Europe/Berlin, 10 times", "UTC", `{"limit":10,"every":"every other friday at 3pm in Europe/Berlin"}`, "in Europe/Berlin, 10 times in all"},
		{"every day in Europe/Berlin", "Asia/Tokyo", "every day in Europe/Berlin", "every day, in Europe/Berlin"},
		{"every 15 minutes from 9am to 5pm, mondays", "UTC", "every 15 minutes from 09:00 to 17:00 on monday", "every 15 minutes from 09:00 to 17:00 on monday"},
		{"every day at 9:00 until 2027-01-01", "UTC", `{"until":"2027-01-01T23:59:59.999Z","every":"0 9 * * *"}`, "until"},
	} {
		loc, err := LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		rule, err := ParseRuleText(c.text, Scope{Zone: loc})
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		if got := rule.String(); got != c.want {
			t.Errorf("%q in %s = %s, want %s", c.text, c.zone, got, c.want)
		}
		if words := rule.Words(); !strings.Contains(words, c.words) {
			t.Errorf("%q in %s: %q does not say %q", c.text, c.zone, words, c.words)
		}
		if again, err := ParseRuleText(rule.String(), Scope{Zone: loc}); err != nil || again.String() != rule.String() {
			t.Errorf("%q in %s: %s reads as %v, %v", c.text, c.zone, rule, again, err)
		}
	}
}
