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

// String writes the end as clocks show it, with the offset.
func (s *countdownSeries) String() string {
	return "R/" + s.every.String() + "/" + s.endText()
}

func (s *countdownSeries) endText() string {
	const shape = "2006-01-02T15:04:05"
	end := time.UnixMilli(s.end.shows).UTC()
	text := end.Format(shape)
	if end.Nanosecond() != 0 {
		text = end.Format(shape + ".000")
	}
	if instantsOf(s.end.shows, s.loc).first != s.end.at { // the second time that clocks show it
		return Format(time.UnixMilli(s.end.at))
	}
	if s.loc == time.UTC {
		text += "Z"
	}
	return text
}

func (s *countdownSeries) words() string {
	return "every " + s.every.words() + " up to " + time.UnixMilli(s.end.shows).UTC().Format("2006-01-02 15:04")
}
