package when

import "testing"

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
