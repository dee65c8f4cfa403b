package when

import (
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

func TestRRuleLaws(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		loc, err := LoadLocation(rapid.SampledFrom(someZones).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		text := randomRule(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "rule"), 1)), true)
		p, err := parseRRule(text, Scope{Zone: loc})
		if err != nil {
			t.Skip(err)
		}
		again, err := parseRRule(p.series.String(), Scope{Zone: loc})
		if err != nil || again.series.String() != p.series.String() {
			t.Fatalf("%s prints as %s, which reads back as %v, %v", text, p.series, again.series, err)
		}
		anchor, at := drawInstant(t, loc, "anchor"), drawInstant(t, loc, "t")
		t.Logf("%s in %s", text, loc)
		checkSeries(t, p.series, anchor, at)
		a, okA := p.series.after(anchor, at)
		b, okB := again.series.after(anchor, at)
		if a != b || okA != okB {
			t.Fatalf("%s gives %s, %s %s", text, show(a, okA), again.series, show(b, okB))
		}
		if p.series.words() == "" {
			t.Fatalf("%s has no words", text)
		}
	})
}

func FuzzParseRRule(f *testing.F) {
	for _, text := range []string{
		"FREQ=DAILY", "RRULE:FREQ=MONTHLY;INTERVAL=2;BYDAY=1SU,-1SU;COUNT=10", "DTSTART;TZID=America/New_York:19970902T090000\nRRULE:FREQ=DAILY;UNTIL=19971224T000000Z",
		`DTSTART;VALUE=DATE:20261201\nRRULE:FREQ=YEARLY;BYWEEKNO=-1,53;WKST=SU\nEXDATE;VALUE=DATE:20261202`, "FREQ=HOURLY;BYMINUTE=0,30;BYSETPOS=-1", "FREQ=SECONDLY;INTERVAL=7;BYHOUR=3",
		"FREQ=YEARLY;BYYEARDAY=-1,366;BYMONTHDAY=-31;BYSECOND=60", "RDATE:20261201T090000,20261202T090000Z RRULE:FREQ=WEEKLY", "FREQ=", ";", "DTSTART;TZID=\"", "EXDATE:",
	} {
		f.Add(text, int64(1796115600123), int64(1900000000000))
	}
	berlin := mustZone(f, "Europe/Berlin")
	f.Fuzz(func(t *testing.T, text string, anchor, at int64) {
		p, err := parseRRule(text, Scope{Zone: berlin})
		if err != nil {
			if len(err.Error()) > 1000 {
				t.Fatalf("the error is nothing to show: %q", err)
			}
			return
		}
		anchor, at = anchor%lastReading, at%lastReading
		if !p.start.IsZero() {
			anchor = p.start.UnixMilli()
		}
		if next, ok := p.series.after(anchor, at); ok && (next <= at || next < anchor) {
			t.Fatalf("%s: after(%d) = %d", text, at, next)
		}
		if last, ok := p.series.latest(anchor, at); ok && (last > at || last < anchor) {
			t.Fatalf("%s: latest(%d) = %d", text, at, last)
		}
		if again, err := parseRRule(p.series.String(), Scope{Zone: berlin}); err != nil || again.series.String() != p.series.String() {
			t.Fatalf("%q prints as %q, which reads back as %v, %v", text, p.series, again.series, err)
		}
		p.series.words()
	})
}

// rruleBenchmarks have the anchor ten years before now.
var rruleBenchmarks = []string{
	"FREQ=DAILY", "FREQ=DAILY;BYHOUR=9;BYMINUTE=0;BYSECOND=0", "FREQ=DAILY;INTERVAL=10", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", "FREQ=WEEKLY;INTERVAL=2;BYDAY=FR", "FREQ=MONTHLY;BYMONTHDAY=-1",
	"FREQ=MONTHLY;BYDAY=2TU", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", "FREQ=YEARLY", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29",
	"FREQ=YEARLY;BYDAY=20MO", "FREQ=YEARLY;BYWEEKNO=53", "FREQ=YEARLY;BYYEARDAY=-1;BYSETPOS=1", "FREQ=HOURLY", "FREQ=HOURLY;INTERVAL=5;BYMINUTE=0,30", "FREQ=MINUTELY;INTERVAL=15;BYHOUR=9,10,11",
	"FREQ=SECONDLY", "FREQ=SECONDLY;INTERVAL=7;BYMONTH=2;BYMONTHDAY=29",
}

func BenchmarkRRule(b *testing.B) {
	anchor, now := millis(b, "2006-01-31T09:00:00Z"), millis(b, "2026-05-05T05:05:05Z")
	for _, text := range rruleBenchmarks {
		for _, zone := range []string{"UTC", "Europe/Berlin"} {
			p, err := parseRRule(text, Scope{Zone: mustZone(b, zone)})
			if err != nil {
				b.Fatal(err)
			}
			p.series.after(anchor, now)
			b.Run(text+"/"+zone, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					p.series.after(anchor, now)
				}
			})
		}
	}
}

func BenchmarkParseRRule(b *testing.B) {
	berlin := mustZone(b, "Europe/Berlin")
	for _, text := range []string{"FREQ=DAILY", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;BYHOUR=18", "DTSTART;TZID=Europe/Berlin:20261201T090000\nRRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=FR", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29"} {
		b.Run(text, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := parseRRule(text, Scope{Zone: berlin}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
