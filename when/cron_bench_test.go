package when

import (
	"testing"
	"time"
)

// cronBenchmarks are rules that people write.
func cronBenchmarks() []string {
	return []string{
		"* * * * *", "*/5 * * * *", "0 * * * *", "30 2 * * *", "0 9 * * MON-FRI", "*/15 9-17 * * 1-5", "0 0 1 * *", "0 0 14,16 * * *", "*/10 * * * * *",
		"0 0 9 ? * MON#2", "0 18 L * *", "0 0 LW * *", "0 9 * * 5L", "0 0 1 1 *", "0 0 29 2 *", "0 0 */29 2 MON", "0 0 0 29 2 ? 2096", "@every 90s",
	}
}

func BenchmarkCron(b *testing.B) {
	at := time.Date(2026, 11, 22, 12, 34, 56, 0, time.UTC).UnixMilli()
	for _, zone := range []string{"UTC", "Europe/Berlin"} {
		loc, err := LoadLocation(zone)
		if err != nil {
			b.Fatal(err)
		}
		for _, line := range cronBenchmarks() {
			p, err := parseCron(line, Scope{Zone: loc})
			if err != nil {
				b.Fatal(err)
			}
			b.Run("after/"+zone+"/"+line, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					p.series.after(0, at)
				}
			})
			b.Run("latest/"+zone+"/"+line, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					p.series.latest(0, at)
				}
			})
		}
	}
	for _, line := range cronBenchmarks() {
		b.Run("parse/"+line, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := parseCron(line, Scope{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Neither way allocates, whatever the rule and zone.
func TestCronAllocatesNothing(t *testing.T) {
	for _, zone := range []string{"UTC", "Europe/Berlin", "Australia/Lord_Howe"} {
		loc, err := LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range cronBenchmarks() {
			p, err := parseCron(line, Scope{Zone: loc})
			if err != nil {
				t.Fatal(err)
			}
			at := time.Date(2026, 11, 22, 12, 34, 56, 0, time.UTC).UnixMilli()
			if n := testing.AllocsPerRun(100, func() {
				p.series.after(0, at)
				p.series.latest(0, at)
			}); n != 0 {
				t.Errorf("%s in %s: %v allocations", line, zone, n)
			}
		}
	}
}
