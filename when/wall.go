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
	if loc == time.UTC {
		return w.Time
	}
	shown := w.UnixMilli()
	near := time.Date(w.Year(), w.Month(), w.Day(), w.Hour(), w.Minute(), w.Second(), w.Nanosecond(), loc)
	start, end := near.ZoneBounds()
	best, found := int64(0), false
	try := func(offset int) {
		ms := shown - int64(offset)*1000
		if offsetAt(time.UnixMilli(ms), loc) == offset && (!found || ms < best) {
			best, found = ms, true
		}
	}
	try(offsetAt(near, loc))
	if !start.IsZero() {
		try(offsetAt(start.Add(-1), loc))
	}
	if !end.IsZero() {
		try(offsetAt(end, loc))
	}
	if found {
		return time.UnixMilli(best).UTC()
	}
	for _, change := range []time.Time{start, end} {
		if !change.IsZero() && inGap(shown, change, loc) {
			return cut(change.UTC())
		}
	}
	return cut(near.UTC())
}

// inGap says whether clocks in loc jump over the reading shown (in milliseconds) when the zone changes.
func inGap(shown int64, change time.Time, loc *time.Location) bool {
	at := change.UnixMilli()
	before, after := offsetAt(change.Add(-1), loc), offsetAt(change, loc)
	return at+int64(before)*1000 <= shown && shown < at+int64(after)*1000
}

// offsetAt gives the seconds by which clocks in loc are ahead of UTC at t.
func offsetAt(t time.Time, loc *time.Location) int {
	_, offset := t.In(loc).Zone()
	return offset
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
