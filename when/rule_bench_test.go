package when

import (
	"testing"
	"time"
)

// phraseBenchmarks are phrases with times of the day, which cost the most to read.
func phraseBenchmarks() []string {
	return []string{
		"every 5 minutes", "every weekday at 9:00", "every other friday at 3pm", "on the last day of the month at 18:00",
		"every 15 minutes between 9:00 and 17:00 on weekdays in Europe/Berlin", "every december 24 at 18:00 until 2031-01-01",
		"every weekday at 9:00, 12:30 and 18:00", "every monday, wednesday and friday at 8:00, 9:15, 12:30 and 18:45",
		"on the 1st and 15th of every month at 9:00 and 17:30", "on the last weekday of the month at 9:00, 12:30 and 18:00",
		"every day at 9:00, 10:15, 11:30, 12:45, 14:00, 15:15 and 16:30",
	}
}

func BenchmarkParsePhrase(b *testing.B) {
	berlin := mustZone(b, "Europe/Berlin")
	for _, text := range phraseBenchmarks() {
		b.Run(text, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParseRuleText(text, Scope{Zone: berlin}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// ruleBenchmarks have each grammar in them.
func ruleBenchmarks() []string {
	return []string{
		"*/5 * * * *", "0 0 29 2 *", "PT5M", "P1D", "P1M", "P1M2DT1H", "R/2016-02-29T09:00:00Z/P1Y", "R/P1D/2039-12-24T18:00:00Z",
		"every weekday at 9:00, 12:30 and 18:00", "every 15 minutes between 9:00 and 17:00 on weekdays", "every other friday at 15:00",
		"FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "FREQ=HOURLY;INTERVAL=6", "DTSTART:20161201T090000Z\nRRULE:FREQ=DAILY\nEXDATE:20261124T090000Z",
		`{"any":["0 9 * * MON-FRI","0 11 * * SAT"],"except":["2026-11-24","2027-01-01/2027-01-10"]}`,
		`{"cron":"0 9 1 * *","adjust":"next","except":["2026-12-01"]}`, `{"cron":"0 9 L * *","adjust":"previous"}`,
	}
}

// TestNextAllocatesNothing: neither way, in whatever grammar and zone.
func TestNextAllocatesNothing(t *testing.T) {
	from := time.Date(2016, 1, 31, 9, 0, 0, 0, time.UTC)
	for _, zone := range []string{"UTC", "Europe/Berlin", "Australia/Lord_Howe"} {
		for _, text := range ruleBenchmarks() {
			r, err := ParseRuleText(text, Scope{Zone: mustZone(t, zone)})
			if err != nil {
				t.Fatal(err)
			}
			at := time.Date(2026, 11, 22, 12, 34, 56, 0, time.UTC)
			if n := testing.AllocsPerRun(50, func() {
				at, _ = r.After(from, at)
				r.Latest(from, at)
			}); n != 0 {
				t.Errorf("%s in %s: %v allocations", text, zone, n)
			}
		}
	}
}
