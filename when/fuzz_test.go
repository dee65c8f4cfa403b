package when_test

import (
	"testing"
	"time"
	"unicode/utf8"

	"github.com/adlayer/after/when"
)

func FuzzParseDate(f *testing.F) {
	for _, text := range []string{
		"now", "2026-12-01", "2026-12-01T09:00:00+01:00", "1796115600000", "in 1h30m", "in 2 weeks and 3 days", "tomorrow at 9:30 p.m.",
		"next friday at 9am", "31st of december 2026, 21:00", "half an hour from now", "in 99999999999999999999 years", "at 9", "\xff", ",",
	} {
		f.Add(text, int64(1796115600123), "Europe/Berlin")
	}
	f.Fuzz(func(t *testing.T, text string, ms int64, name string) {
		loc, err := when.LoadLocation(name)
		if err != nil {
			loc = time.UTC
		}
		now := time.UnixMilli(ms % 253402300799999)
		got, err := when.ParseDate(text, now, loc)
		if err != nil {
			if !utf8.ValidString(err.Error()) || len(err.Error()) > 1000 {
				t.Fatalf("the error is nothing to show: %q", err)
			}
			return
		}
		again, err := when.ParseDate(when.Format(got.Time), now, loc)
		if err != nil || again.Words || !again.Time.Equal(got.Time) {
			t.Fatalf("%q = %s, which reads back as %s, %v", text, got.Time, again.Time, err)
		}
		if _, err := when.ParseDuration(text); err != nil && len(err.Error()) > 1000 {
			t.Fatalf("the error is nothing to show: %q", err)
		}
	})
}

func FuzzParseRule(f *testing.F) {
	for _, raw := range []string{
		`{"days":7,"months":1}`, `{"y":1,"M":2,"w":1,"d":3,"h":4,"m":5,"s":6,"ms":7,"limit":3,"until":"2027-01-01"}`, `"P1M2DT1H10M5S"`, `"PT0.5S"`, `60000`,
		`{"days":0}`, `{"days":-1}`, `{"ms":1e400}`, `"*/5 * * * *"`, `{}`, `{"days":`, `null`, `[[[[`, `"P99999999999999999999Y"`,
	} {
		f.Add([]byte(raw), int64(1796115600123), int64(1900000000000))
	}
	berlin := zone(f, "Europe/Berlin")
	f.Fuzz(func(t *testing.T, raw []byte, fromMS, nowMS int64) {
		from, now := time.UnixMilli(fromMS%253402300799999), time.UnixMilli(nowMS%253402300799999)
		r, err := when.ParseRule(raw, when.Scope{Now: now, Zone: berlin})
		if err != nil {
			if len(err.Error()) > 1000 {
				t.Fatalf("the error is nothing to show: %q", err)
			}
			return
		}
		date, ok := r.After(from, now)
		if ok && !date.After(now) {
			t.Fatalf("After(%s) = %s", now, date)
		}
		if again, same := r.Latest(from, date); ok && (!same || !again.Equal(date)) {
			t.Fatalf("Latest(%s) = %s", date, again)
		}
		if date, ok := r.Latest(from, now); ok && date.After(now) {
			t.Fatalf("Latest(%s) = %s", now, date)
		}
	})
}
