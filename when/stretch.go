package when

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// stretch is a time during which a zone does not change.
type stretch struct {
	start, end int64 // instants, end is the next change
	offset     int64 // of the clocks from UTC
}

const (
	never   = -1 << 62 // the start of a zone's first stretch
	forever = 1 << 62  // the end of its last
)

// stretches remembers the stretches of the zones that LoadLocation gave, in a map that is replaced whole: it is looked into several times for
// one occurrence, and a sync.Map takes about 15 ns longer, a third of the whole.
var stretches struct { //nolint:gochecknoglobals // a cache of immutable values; the result never depends on it
	known atomic.Pointer[map[*time.Location][]stretch]
	write sync.Mutex
}

// tableEnd is where the remembered stretches of a zone that changes for ever end: the year 2200.
const tableEnd = 7_258_118_400_000

// stretchAt gives the stretch around an instant.
func stretchAt(instant int64, loc *time.Location) stretch {
	if loc == time.UTC {
		return stretch{start: never, end: forever}
	}
	if instant < tableEnd {
		if table := stretchesOf(loc); table != nil {
			return stretchIn(table, instant)
		}
	}
	return lookUpStretch(instant, loc)
}

// stretchIn finds the stretch around an instant before the table's end.
func stretchIn(table []stretch, instant int64) stretch {
	low, high := 0, len(table)-1
	for low < high {
		if middle := int(uint(low+high) >> 1); table[middle].end > instant {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return table[low]
}

// stretchesOf gives the stretches of a zone up to the end of the table and the one that reaches over it; nil for a zone that is not
// remembered, of which there could be any number.
func stretchesOf(loc *time.Location) []stretch {
	if known := stretches.known.Load(); known != nil {
		if table, ok := (*known)[loc]; ok {
			return table
		}
	}
	if known, ok := zones.Load(loc.String()); !ok || known != loc {
		return nil
	}
	var table []stretch
	for at := int64(firstReading); at < tableEnd; at = table[len(table)-1].end {
		s := lookUpEnd(at, loc)
		if n := len(table); n > 0 && table[n-1].offset == s.offset {
			table[n-1].end = s.end // only the name of the zone changed, or the year
			continue
		}
		s.start = at
		table = append(table, s)
	}
	table[0].start = never
	remember(loc, table)
	return table
}

func remember(loc *time.Location, table []stretch) {
	stretches.write.Lock()
	defer stretches.write.Unlock()
	all := map[*time.Location][]stretch{loc: table}
	if known := stretches.known.Load(); known != nil {
		maps.Copy(all, *known)
	}
	stretches.known.Store(&all)
}

// lookUpStretch asks the zone itself. Just after the last transition that a zone lists, time.Time.ZoneBounds begins the stretch
// with the turn of the year or a change that the zone's rule would have had; so the stretch is looked for from there.
func lookUpStretch(instant int64, loc *time.Location) stretch {
	t := time.UnixMilli(instant).In(loc)
	start, _ := t.ZoneBounds()
	if start.IsZero() {
		s := lookUpEnd(instant, loc)
		s.start = never
		return s
	}
	at := start.UnixMilli()
	for {
		s := lookUpEnd(at, loc)
		if s.start = at; s.end > instant {
			return s
		}
		at = s.end
	}
}

// lookUpEnd gives the end and offset of the stretch at an instant, its start being left open.
//
// Beyond the transitions that a zone lists, time.Time.ZoneBounds ends the stretch that reaches over New Year a day too early in leap
// years, and on that day gives an end that has passed. There is no change near it.
func lookUpEnd(instant int64, loc *time.Location) stretch {
	t := time.UnixMilli(instant).In(loc)
	_, offset := t.Zone()
	s := stretch{end: forever, offset: int64(offset) * 1000}
	if _, end := t.ZoneBounds(); !end.IsZero() {
		if s.end = end.UnixMilli(); s.end <= instant {
			s.end = instant + 2*day
		}
	}
	return s
}

// before gives the offset of the stretch before s, where the instant lies near enough to its start for that to matter; else its own.
func (s stretch) before(instant int64, loc *time.Location) int64 {
	if s.start == never || instant-s.start > nearChange {
		return s.offset
	}
	return stretchAt(s.start-1, loc).offset
}
