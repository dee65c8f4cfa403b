package when

import "time"

// countdownSeries is an interval that is counted back from an end, which is the last occurrence.
type countdownSeries struct {
	every interval // not zero
	loc   *time.Location
	end   origin
}

// at gives the occurrence that has so many after it; false before the year 1.
func (s *countdownSeries) at(index int64) (int64, bool) {
	if index < 0 || float64(index)*s.every.mean() > float64(longest) {
		return 0, false
	}
	at := s.end.at
	if index > 0 && !s.every.exact() {
		at = instantsOf(s.every.shownAfter(s.end.shows, -index), s.loc).first
	}
	at -= s.every.ms * index
	return at, at >= firstReading
}

// index gives the smallest index whose occurrence lies at or before t, or before the calendar's beginning.
func (s *countdownSeries) index(t int64) int64 {
	guess := max(0, float64(s.end.at-t)/s.every.mean())
	return searchFrom(int64(guess), func(index int64) bool {
		at, ok := s.at(index)
		return index >= 0 && (!ok || at <= t)
	})
}

func (s *countdownSeries) after(anchor, t int64) (int64, bool) {
	return s.at(s.index(max(t, anchor-1)) - 1)
}

func (s *countdownSeries) latest(anchor, t int64) (int64, bool) {
	at, ok := s.at(s.index(t))
	return at, ok && at >= anchor
}

func (s *countdownSeries) anchored() bool { return false }

func (s *countdownSeries) String() string {
	return "R/" + s.every.String() + "/" + s.end.text(s.loc)
}

// text writes the date as clocks show it, so that one within a gap stays there; with the offset where that does not tell it.
func (o *origin) text(loc *time.Location) string {
	const shape = "2006-01-02T15:04:05"
	shown := time.UnixMilli(o.shows).UTC()
	text := shown.Format(shape)
	if shown.Nanosecond() != 0 {
		text = shown.Format(shape + ".000")
	}
	if instantsOf(o.shows, loc).first != o.at { // the second time that clocks show it
		return Format(time.UnixMilli(o.at))
	}
	if loc == time.UTC {
		text += "Z"
	}
	return text
}

func (s *countdownSeries) words() string {
	return "every " + s.every.words() + " up to " + time.UnixMilli(s.end.shows).UTC().Format("2006-01-02 15:04")
}
