package when_test

import (
	"testing"
	"time"

	"github.com/adlayer/after/when"
)

// TestWallTimeAtEveryChange goes through every change of many zones over sixty years, whatever its size and direction, and reads the wall
// times around it: each that comes is read as the first instant that shows it, each that is skipped as the change itself.
func TestWallTimeAtEveryChange(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"Europe/Berlin", "Europe/London", "Europe/Dublin", "Europe/Moscow", "Europe/Istanbul", "Atlantic/Azores", "America/New_York",
		"America/St_Johns", "America/Santiago", "America/Sao_Paulo", "America/Havana", "America/Caracas", "America/Scoresbysund", "Africa/Cairo",
		"Africa/Casablanca", "Africa/Juba", "Antarctica/Troll", "Asia/Beirut", "Asia/Gaza", "Asia/Kathmandu", "Asia/Pyongyang", "Asia/Tehran",
		"Australia/Lord_Howe", "Australia/Sydney", "Pacific/Apia", "Pacific/Auckland", "Pacific/Chatham", "Pacific/Kwajalein", "Pacific/Norfolk",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			loc := zone(t, name)
			changes := 0
			for at := time.Date(1980, 1, 1, 0, 0, 0, 0, loc); at.Year() < 2040; changes++ {
				_, change := at.ZoneBounds()
				if change.IsZero() {
					break
				}
				if !change.After(at) { // as is given for the last day of leap years
					at = at.AddDate(0, 0, 2)
					continue
				}
				checkChange(t, loc, change)
				at = change
			}
			if changes == 0 {
				t.Error("no change was looked at")
			}
		})
	}
}

const wallLayout = "2006-01-02 15:04:05.000"

func checkChange(t *testing.T, loc *time.Location, change time.Time) {
	t.Helper()
	_, before := change.Add(-1).In(loc).Zone()
	_, after := change.In(loc).Zone()
	shift := time.Duration(after-before) * time.Second
	for _, off := range []time.Duration{
		-25 * time.Hour, -shift.Abs(), -shift.Abs() - 1e6, -shift.Abs() + 1e6, -shift.Abs() / 2, -1e6, 0, 1e6, shift.Abs() / 2, shift.Abs() - 1e6, shift.Abs(), 25 * time.Hour,
	} {
		at := change.Add(off)
		shown := at.In(loc).Format(wallLayout)
		got, err := when.ParseDate(shown, change, loc)
		if err != nil {
			t.Fatal(err)
		}
		if got.Time.In(loc).Format(wallLayout) != shown || got.Time.After(at) {
			t.Errorf("%s was read as %s, but is shown at %s", shown, got.Time.In(loc), at)
		}
		if shift < 0 && off >= 0 && off < -shift && !got.Time.Before(change) {
			t.Errorf("%s comes twice and was read as the second, %s", shown, got.Time)
		}
	}
	for _, off := range []time.Duration{0, shift / 2, shift - 1e6} {
		if shift <= 0 {
			break
		}
		skipped := change.UTC().Add(time.Duration(before)*time.Second + off).Format(wallLayout)
		got, err := when.ParseDate(skipped, change, loc)
		if err != nil || !got.Time.Equal(change) {
			t.Errorf("%s is skipped and was read as %s, want %s (%v)", skipped, got.Time.In(loc), change.In(loc), err)
		}
	}
}
