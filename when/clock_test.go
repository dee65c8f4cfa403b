package when

import (
	"archive/zip"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adlayer/after/internal/torture"
)

// The reference of these tests walks real time step by step, reads the wall clock with the standard library at each, and applies the
// rules as they are written:
//
//   - a reading that a rule names is an occurrence at the instant that shows it; of two such instants the first, unless the rule
//     counts both (twice);
//   - a reading that no instant shows is one at the instant at which the clock has jumped over it, unless the rule leaves it out
//     (skipsGap); several of them are one.

// shownClock is what a clock shows.
type shownClock struct{ year, month, day, hour, minute, second int }

// clockRule is a cron line beside what it means, said again.
type clockRule struct {
	line            string
	match           func(c shownClock) bool
	skipsGap, twice bool
}

// walked is one step of the walk.
type walked struct {
	at    int64 // Unix seconds
	shows int64 // what the clock shows as if it were UTC, in Unix seconds
	clock shownClock
}

// walk is a stretch of real time in a zone.
type walk struct {
	step    int64
	moments []walked
	base    int64   // the reading that first begins with
	first   []int64 // by reading: the first instant that shows it, plus one; 0 where none does
}

func walkFrom(loc *time.Location, from, to, step int64) *walk {
	const widest = 26 * 3600 // of zones from UTC
	w := &walk{step: step, base: (from - widest) / step * step, first: make([]int64, (to-from+2*widest)/step+1)}
	w.moments = make([]walked, 0, (to-from)/step+1)
	for at := from; at <= to; at += step {
		t := time.Unix(at, 0).In(loc)
		year, month, day := t.Date()
		hour, minute, second := t.Clock()
		m := walked{
			at:    at,
			shows: time.Date(year, month, day, hour, minute, second, 0, time.UTC).Unix(),
			clock: shownClock{year, int(month), day, hour, minute, second},
		}
		if first := &w.first[(m.shows-w.base)/step]; *first == 0 {
			*first = at + 1
		}
		w.moments = append(w.moments, m)
	}
	return w
}

func (w *walk) firstAt(shows int64) (at int64, ok bool) {
	first := w.first[(shows-w.base)/w.step]
	return first - 1, first != 0
}

// occurrences gives those of a rule, but for the first step, before which the walk knows nothing.
func (w *walk) occurrences(r clockRule) []int64 {
	var all []int64
	for i := 1; i < len(w.moments); i++ {
		m := &w.moments[i]
		first, _ := w.firstAt(m.shows)
		fires := r.match(m.clock) && (r.twice || first == m.at)
		if !fires && !r.skipsGap {
			fires = w.jumpedOver(w.moments[i-1].shows+w.step, m.shows, r)
		}
		if fires {
			all = append(all, m.at*1000)
		}
	}
	return all
}

// jumpedOver says whether the rule names one of the readings from a to before b, and no instant shows it.
func (w *walk) jumpedOver(a, b int64, r clockRule) bool {
	for shows := a; shows < b; shows += w.step {
		if _, ok := w.firstAt(shows); ok {
			continue
		}
		t := time.Unix(shows, 0).UTC()
		if r.match(shownClock{t.Year(), int(t.Month()), t.Day(), t.Hour(), t.Minute(), t.Second()}) {
			return true
		}
	}
	return false
}

// compare checks a series against the walk: from each occurrence, from just before it and from between two, both ways.
func (w *walk) compare(t *testing.T, loc *time.Location, r clockRule) {
	t.Helper()
	p, err := parseCron(r.line, Scope{Zone: loc})
	if err != nil {
		t.Fatal(err)
	}
	s := p.series
	begin, end := w.moments[0].at*1000, w.moments[len(w.moments)-1].at*1000
	say := func(ms int64) string { return time.UnixMilli(ms).In(loc).Format("Mon 2006-01-02T15:04:05.000 -07:00") }
	after := func(at, want int64) {
		got, ok := s.after(firstReading, at)
		if ok && got > end {
			ok = false
		}
		if ok != (want != 0) || ok && got != want {
			t.Errorf("%s in %s after %s: got %s (%v), want %s", r.line, loc, say(at), say(got), ok, say(want))
		}
	}
	latest := func(at, want int64) {
		got, ok := s.latest(firstReading, at)
		if ok && got <= begin {
			ok = false
		}
		if ok != (want != 0) || ok && got != want {
			t.Errorf("%s in %s at or before %s: got %s (%v), want %s", r.line, loc, say(at), say(got), ok, say(want))
		}
	}
	last := int64(0)
	at := begin
	for _, next := range append(w.occurrences(r), 0) {
		after(at, next)
		if next == 0 {
			latest(end, last)
			break
		}
		middle := (at + next) / 2
		after(middle, next)
		after(next-1, next)
		latest(middle, last)
		latest(next-1, last)
		latest(next, next)
		last, at = next, next
	}
}

// change is a walked at which a zone changes, with what lies around it.
type change struct {
	at            int64 // Unix seconds
	before, after int   // offsets
	previous      int64 // the change before it, where that is near
	next          int64
}

const (
	proofFrom = 1990
	proofTo   = 2041
)

// changesOf finds every change of a zone from 1990 to 2040. Where a zone goes on by a rule, ZoneBounds counts the turn of the year as a
// change too, or in leap years the day before, for which it gives an end that has passed: these are none.
func changesOf(loc *time.Location) []change {
	var all []change
	end := time.Date(proofTo, 1, 1, 0, 0, 0, 0, time.UTC)
	for t := time.Date(proofFrom, 1, 1, 0, 0, 0, 0, time.UTC).In(loc); ; {
		_, next := t.ZoneBounds()
		if next.IsZero() || !next.Before(end) {
			break
		}
		if !next.After(t) {
			t = t.Add(36 * time.Hour)
			continue
		}
		nameBefore, before := next.Add(-time.Second).Zone()
		name, after := next.Zone()
		if before != after || nameBefore != name {
			all = append(all, change{at: next.Unix(), before: before, after: after})
		}
		t = next
	}
	const near = 4 * 86_400
	for i := range all {
		if i > 0 && all[i].at-all[i-1].at < near {
			all[i].previous = all[i-1].at
		}
		if i+1 < len(all) && all[i+1].at-all[i].at < near {
			all[i].next = all[i+1].at
		}
	}
	return all
}

// zoneNames gives every zone of the database that comes with the toolchain, which is the one that is embedded.
func zoneNames(t *testing.T) []string {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatalf("asking for the toolchain's folder: %v", err)
	}
	archive, err := zip.OpenReader(filepath.Join(strings.TrimSpace(string(root)), "lib", "time", "zoneinfo.zip"))
	if err != nil {
		t.Fatalf("opening the zone database: %v", err)
	}
	defer archive.Close()
	var names []string
	for _, file := range archive.File {
		if !strings.HasSuffix(file.Name, "/") {
			names = append(names, file.Name)
		}
	}
	if len(names) < 500 {
		t.Fatalf("the zone database has only %d zones", len(names))
	}
	slices.Sort(names)
	return names
}

func every(n int) func(int) bool     { return func(v int) bool { return v%n == 0 } }
func one(n int) func(int) bool       { return func(v int) bool { return v == n } }
func anything(int) bool              { return true }
func within(a, b int) func(int) bool { return func(v int) bool { return a <= v && v <= b } }

func timesOf(minute, hour func(int) bool) func(shownClock) bool {
	return func(c shownClock) bool { return c.second == 0 && minute(c.minute) && hour(c.hour) }
}

// clockRules are tried around every change.
func clockRules() []clockRule {
	fixed := func(line string, minute, hour func(int) bool) clockRule {
		return clockRule{line: line, match: timesOf(minute, hour)}
	}
	return []clockRule{
		fixed("30 2 * * *", one(30), one(2)),
		fixed("0 0 * * *", one(0), one(0)),
		fixed("15,45 0-23 * * *", func(v int) bool { return v == 15 || v == 45 }, anything),
		fixed("0 0-23 * * *", one(0), anything),
		{line: "*/20 * * * *", match: timesOf(every(20), anything), skipsGap: true, twice: true},
		{line: "30 * * * *", match: timesOf(one(30), anything), skipsGap: true, twice: true},
		{line: "59 */2 * * *", match: timesOf(one(59), every(2)), skipsGap: true, twice: true},
		{line: "*/15 0-23 * * *", match: timesOf(every(15), anything), twice: true},
		{line: "5/25 1-3 * * *", match: timesOf(func(v int) bool { return v%25 == 5 }, within(1, 3)), twice: true},
	}
}

// rulesAt are made for one change: two name the day and hour that is jumped over or comes twice. All their minutes are multiples of
// five, as a coarse walk needs them.
func rulesAt(c change) []clockRule {
	low, high := int64(min(c.before, c.after)), int64(max(c.before, c.after))
	t := time.Unix((c.at+low+(high-low)/2)/300*300, 0).UTC()
	onDay := func(match func(shownClock) bool) func(shownClock) bool {
		return func(c shownClock) bool { return c.day == t.Day() && c.month == int(t.Month()) && match(c) }
	}
	date := fmt.Sprintf("%d %d %d *", t.Hour(), t.Day(), t.Month())
	return []clockRule{
		{line: fmt.Sprintf("%d %s", t.Minute(), date), match: onDay(timesOf(one(t.Minute()), one(t.Hour())))},
		{line: "*/10 " + date, match: onDay(timesOf(every(10), one(t.Hour()))), twice: true},
		{line: "0,45 0-23 * * *", match: timesOf(every(45), anything)},
		{line: "*/20 * * * *", match: timesOf(every(20), anything), skipsGap: true, twice: true},
	}
}

func TestEveryChangeOfEveryZone(t *testing.T) {
	t.Parallel()
	proved := map[change]bool{}
	shapes, shifts := map[[3]int64]bool{}, map[int]bool{}
	zones, changes := 0, 0
	for _, name := range zoneNames(t) {
		loc, err := LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		zones++
		for _, c := range changesOf(loc) {
			changes++
			if proved[c] { // zones that share a change share what is around it
				continue
			}
			proved[c] = true
			shape := [3]int64{int64(c.before), int64(c.after), (c.at + int64(c.before)) % 86_400}
			proveChange(t, loc, c, !shapes[shape] || torture.Asked())
			shapes[shape] = true
			if shift := c.after - c.before; !shifts[shift] {
				shifts[shift] = true
				compareSeconds(t, loc, c)
			}
			if t.Failed() {
				t.Fatalf("at the change of %s at %s", name, time.Unix(c.at, 0).UTC())
			}
		}
	}
	t.Logf("%d zones, %d changes: %d different ones, of %d shapes and %d lengths", zones, changes, len(proved), len(shapes), len(shifts))
}

// proveChange walks around a change: in steps of five minutes with a few rules, or where it is the first of its shape (the two offsets and
// the time of day) in minutes with all.
func proveChange(t *testing.T, loc *time.Location, c change, closely bool) {
	t.Helper()
	shift := int64(max(c.before-c.after, c.after-c.before))
	step := int64(300)
	if closely || c.at%step != 0 || (c.before-c.after)%300 != 0 {
		step = 60
	}
	if c.at%step != 0 || (c.before-c.after)%60 != 0 {
		t.Errorf("%s changes by seconds at %d", loc, c.at)
	}
	w := walkFrom(loc, c.at-shift-7200, c.at+shift+7200, step)
	rules := rulesAt(c)
	if closely {
		rules = append(rules, clockRules()...)
	}
	for _, r := range rules {
		w.compare(t, loc, r)
	}
}

// compareSeconds walks around a change in seconds.
func compareSeconds(t *testing.T, loc *time.Location, c change) {
	t.Helper()
	shift := int64(max(c.before-c.after, c.after-c.before))
	w := walkFrom(loc, c.at-shift-100, c.at+shift+100, 1)
	for _, r := range []clockRule{
		{line: "*/20 * * * * *", match: func(c shownClock) bool { return c.second%20 == 0 }, skipsGap: true, twice: true},
		{line: "59 0-59 0-23 * * *", match: func(c shownClock) bool { return c.second == 59 }},
		{line: "1/29 59,0 0-23 * * *", match: func(c shownClock) bool { return c.second%29 == 1 && c.minute%59 == 0 }, twice: true},
	} {
		w.compare(t, loc, r)
	}
}

// TestYearsOfZones walks years in half hours, for rules that leave long stretches out.
func TestYearsOfZones(t *testing.T) {
	t.Parallel()
	onDays := func(match func(c shownClock) bool, hour, minute int) func(shownClock) bool {
		return func(c shownClock) bool { return c.hour == hour && c.minute == minute && c.second == 0 && match(c) }
	}
	weekday := func(c shownClock) time.Weekday {
		return time.Date(c.year, time.Month(c.month), c.day, 0, 0, 0, 0, time.UTC).Weekday()
	}
	rules := []clockRule{
		{line: "30 2 29 2 *", match: onDays(func(c shownClock) bool { return c.month == 2 && c.day == 29 }, 2, 30)},
		{line: "30 2 ? 3,9-11 SUN", match: onDays(func(c shownClock) bool {
			return (c.month == 3 || c.month >= 9 && c.month <= 11) && weekday(c) == time.Sunday
		}, 2, 30)},
		{line: "0 0 0 ? * 0#3 2000-2020/5", match: onDays(func(c shownClock) bool {
			return c.year >= 2000 && c.year <= 2020 && c.year%5 == 0 && c.day > 14 && c.day <= 21 && weekday(c) == time.Sunday
		}, 0, 0)},
		{line: "30 */6 13 * *", skipsGap: true, twice: true, match: func(c shownClock) bool {
			return c.day == 13 && c.hour%6 == 0 && c.minute == 30
		}},
		{line: "*/30 1 1-7 4,10,11 *", twice: true, match: func(c shownClock) bool {
			return c.day <= 7 && (c.month == 4 || c.month == 10 || c.month == 11) && c.hour == 1
		}},
		{line: "0 12 30 12 *", match: onDays(func(c shownClock) bool { return c.month == 12 && c.day == 30 }, 12, 0)},
	}
	for _, name := range []string{"Australia/Lord_Howe", "America/Sao_Paulo", "Pacific/Apia", "Africa/Casablanca", "Antarctica/Troll"} {
		loc, err := LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		from := time.Date(2007, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
		to := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
		if torture.Asked() {
			from = time.Date(proofFrom, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
			to = time.Date(proofTo, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
		}
		w := walkFrom(loc, from, to, 1800)
		for _, r := range rules {
			w.compare(t, loc, r)
		}
	}
}

// TestStretches compares what is remembered of a zone with what the standard library shows at each side of every change.
func TestStretches(t *testing.T) {
	t.Parallel()
	for _, name := range zoneNames(t) {
		loc, err := LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		unknown := *loc // the same zone, not remembered
		for _, c := range changesOf(loc) {
			for _, at := range []int64{c.at*1000 - 1, c.at * 1000, c.at*1000 + 400*day} {
				_, offset := time.UnixMilli(at).In(loc).Zone()
				remembered, looked := stretchAt(at, loc), stretchAt(at, &unknown)
				for _, s := range []stretch{remembered, looked} {
					if s.offset != int64(offset)*1000 || at < s.start || at >= s.end {
						t.Errorf("%s at %s: got %+v", name, time.UnixMilli(at).UTC(), s)
					}
				}
				if remembered.start > looked.start || remembered.end < looked.end {
					t.Errorf("%s at %s: remembered %+v, looked up %+v", name, time.UnixMilli(at).UTC(), remembered, looked)
				}
			}
		}
		if table := stretchesOf(loc); loc != time.UTC && (table == nil || table[len(table)-1].end < tableEnd) {
			t.Errorf("%s is not remembered", name)
		}
		far := time.Date(2500, 7, 1, 0, 0, 0, 0, time.UTC)
		if s := stretchAt(far.UnixMilli(), loc); s.start > far.UnixMilli() || s.end <= far.UnixMilli() || s.offset != reading(far.UnixMilli(), loc)-far.UnixMilli() {
			t.Errorf("%s in the year 2500: %+v", name, s)
		}
	}
}
