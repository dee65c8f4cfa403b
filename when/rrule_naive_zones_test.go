package when

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adlayer/after/internal/torture"
)

// naiveInZone is the second reading of the standard where the clocks change: days and what is longer are readings of clocks, each of which is
// then looked for on them; what is shorter than a day is walked through in exact time.
type naiveInZone struct {
	*naive

	zone   *changing
	anchor int64
}

func readNaiveInZone(text string, anchor int64, zone *changing) *naiveInZone {
	return &naiveInZone{naive: readNaive(text, time.UnixMilli(anchor+zone.offset(anchor)).UTC()), zone: zone, anchor: anchor}
}

// offset is what the clocks add to an instant.
func (z *changing) offset(at int64) int64 {
	_, seconds := time.UnixMilli(at).In(z.loc).Zone()
	return int64(seconds) * second
}

// comesAt gives when clocks show a reading the first time; at the end of the gap where they jump over it.
func (z *changing) comesAt(shows int64) int64 {
	first := int64(lastReading)
	for _, about := range []int64{-day, 0, day} {
		if at := shows - z.offset(shows+about); at+z.offset(at) == shows {
			first = min(first, at)
		}
	}
	for _, c := range z.changes {
		if at := c.at * second; first == lastReading && at+int64(c.before)*second <= shows && shows < at+int64(c.after)*second {
			return at
		}
	}
	return first
}

// until gives the occurrences up to an end.
func (n *naiveInZone) until(end int64) (list []int64) {
	if n.freq < daily {
		return n.exact(end)
	}
	for _, shows := range n.naive.until(end + 2*day) {
		at := n.zone.comesAt(shows)
		if shows == n.start.UnixMilli() {
			at = n.anchor // be it the second time that clocks show it
		}
		if at >= n.anchor && at <= end {
			list = append(list, at)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// exact walks through the periods of hours, minutes or seconds.
func (n *naiveInZone) exact(end int64) (list []int64) {
	unit := [...]int64{secondly: second, minutely: minute, hourly: hour}[n.freq]
	into := floorMod(n.start.UnixMilli(), unit)
	for from := n.anchor - into; from <= end; from += int64(n.interval) * unit {
		var all []int64
		for at := from; at < from+unit; at += second {
			if n.fits(at, at-from, into) {
				all = append(all, at)
			}
		}
		for i, at := range all {
			if at >= n.anchor && at <= end && n.any("BYSETPOS", i+1, i-len(all)) {
				list = append(list, at)
			}
		}
	}
	return list
}

// fits says whether the rule means an instant that lies so far within its period, where the first date lies so far within its own.
func (n *naiveInZone) fits(at, within, into int64) bool {
	minutes, seconds := n.numbers["BYMINUTE"] != nil, n.numbers["BYSECOND"] != nil
	switch {
	case !seconds && within%minute != into%minute, !minutes && within/minute != into/minute:
		return false
	}
	shows := time.UnixMilli(at + n.zone.offset(at)).UTC()
	return n.any("BYSECOND", shows.Second()) && n.any("BYMINUTE", shows.Minute()) && n.any("BYHOUR", shows.Hour()) && n.has(shows)
}

// TestRRuleAgainstNaiveInZones has what the library has no word about: rules shorter than a day, which step on the clock's face there, and rules
// that begin where clocks show a time twice.
func TestRRuleAgainstNaiveInZones(t *testing.T) {
	t.Parallel()
	zones := zonesThatChange(t)
	r := rand.New(rand.NewPCG(11, 5545))
	compared, within := 0, 0
	for compared < torture.Times(200) {
		zone := zones[r.IntN(len(zones))]
		c := zone.tried[r.IntN(len(zone.tried))]
		text := randomRule(r, true)
		n := readNaive(text, time.Time{})
		anchor := c.at*second - r.Int64N([...]int64{secondly: hour, minutely: 20 * hour, hourly: 3 * day, daily: 5 * day, weekly: 9 * day, monthly: 9 * day, yearly: 9 * day}[n.freq])/second*second
		overlap := int64(c.before-c.after) * second
		if overlap > 0 && r.IntN(3) == 0 { // in one pass or the other
			anchor = c.at*second - overlap + r.Int64N(2*overlap)/second*second
			within++
		}
		ok, err := compareWithNaiveInZone(r, text, anchor, &zone)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			compared++
		}
	}
	if within < compared/20 {
		t.Errorf("%d of %d begin within an overlap", within, compared)
	}
}

// reachInZones is how far rules are followed over a change.
var reachInZones = [...]int64{
	secondly: hour, minutely: 24 * hour, hourly: 5 * day, daily: 60 * day, weekly: 200 * day, monthly: 400 * day, yearly: 3 * 366 * day,
}

func compareWithNaiveInZone(r *rand.Rand, text string, anchor int64, zone *changing) (compared bool, err error) {
	n := readNaiveInZone(text, anchor, zone)
	end := anchor + reachInZones[n.freq]
	want := n.until(end)
	p, err := parseRRule(text, Scope{Zone: zone.loc})
	if err != nil {
		if len(want) == 0 && strings.HasPrefix(err.Error(), "it never comes") {
			return false, nil
		}
		return false, fmt.Errorf("%s: %w, but it comes at %s", text, err, showAll(want))
	}
	if got := follow(p.series, anchor, end, 1<<20); !slices.Equal(got, want) {
		i := 0
		for i < min(len(got), len(want)) && got[i] == want[i] {
			i++
		}
		return false, fmt.Errorf("%s in %s from %s (%s), after %d:\n got %s\nwant %s", text, zone.loc, Format(time.UnixMilli(anchor)),
			time.UnixMilli(anchor).In(zone.loc), i, showAll(got[i:]), showAll(want[i:]))
	}
	return len(want) > 0, checkLatest(p.series, anchor, end, want, r)
}
