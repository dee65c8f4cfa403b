package when

import "time"

// Zones gives the names of all zones of the database in the program, in no particular order.
func Zones() []string {
	files := zoneFiles()
	names := make([]string, 0, len(files))
	for name := range files {
		if name != versionFile {
			names = append(names, name)
		}
	}
	return names
}

// At gives the occurrence of an index, counted from the first, 0. That of an interval costs the same for any index, that of other rules a
// walk from the first.
func (r *Rule) At(from time.Time, index int64) (date time.Time, ok bool) {
	if index < 0 {
		return time.Time{}, false
	}
	from = cut(from)
	if _, ok := r.plain(); ok {
		m := &r.members[0]
		if every, ok := m.series.(*intervalSeries); ok {
			at, ok := every.at(from.UnixMilli(), index)
			return time.UnixMilli(at).UTC(), ok && at <= r.until
		}
	}
	date, ok = r.First(from)
	for ; ok && index > 0; index-- {
		date, ok = r.After(from, date)
	}
	return date, ok
}
