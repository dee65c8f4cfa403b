package when

import "time"

// wall is a reading of a clock on a wall, with no zone: an instant in UTC that has the same year, hour and so on.
type wall struct{ time.Time }

// wallOf gives what clocks in loc show at t.
func wallOf(t time.Time, loc *time.Location) wall {
	t = t.In(loc)
	_, offset := t.Zone()
	return wall{time.UnixMilli(t.UnixMilli() + int64(offset)*1000).UTC()}
}

func wallDate(year int, month time.Month, day, hour, minute, second, ms int) wall {
	return wall{time.Date(year, month, day, hour, minute, second, ms*int(time.Millisecond), time.UTC)}
}

// instant gives the moment at which clocks in loc show w: the first of two, and the end of the gap where there is none.
func (w wall) instant(loc *time.Location) time.Time {
	return time.UnixMilli(instantsOf(w.UnixMilli(), loc).first).UTC()
}

// cut drops what is smaller than a millisecond.
func cut(t time.Time) time.Time {
	return t.Add(-time.Duration(t.Nanosecond() % int(time.Millisecond)))
}

// inYears says whether t can be written as RFC 3339 in UTC.
func inYears(t time.Time) bool {
	year := t.UTC().Year()
	return year >= 1 && year <= 9999
}

func daysIn(year int, month time.Month) int {
	return time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
}
