package when

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	rrulego "github.com/teambition/rrule-go"

	"github.com/adlayer/after/internal/torture"
)

// Where the clocks change each library has rules of its own. The names below are those of the table in docs/time.md: a difference in zones has
// to lie where the clocks change and be one of those that are listed for the library, and each of these has to be found.
const (
	gapLeftOut    = "gap: leaves out"          // what we fire at the gap's end, or has it at another date that both have
	gapShifted    = "gap: shifts"              // by the gap's length, what we fire at its end
	gapEarlier    = "gap: shifts back"         // … to before the gap
	gapFired      = "gap: fires at its end"    // or as much later as it is long, what we leave out, since it goes by the hour
	gapApart      = "gap: fires again"         // each of what we fire together at the gap's end
	overlapTwice  = "overlap: fires twice"     // what we fire the first time
	overlapOnce   = "overlap: fires once"      // what we fire both times, since it is an interval
	overlapSecond = "overlap: the second time" // what we fire the first
	midnightDay   = "gap at midnight: mistakes the day"
	halfHourDay   = "change by half an hour: mistakes the day"
	midnightMonth = "gap at midnight that begins a month: mistakes what comes after it"
)

// zonesOfDiff change by an hour and by half of one, at night, at midnight, by the sun and by the moon, in the north and in the south.
func zonesOfDiff() []string {
	return []string{
		"America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Africa/Casablanca", "America/Sao_Paulo", "Asia/Beirut", "America/Santiago",
	}
}

// changing is a zone with its changes.
type changing struct {
	loc     *time.Location
	changes []change
	tried   []change // those from which dates are compared: early enough that what comes after them lies among the known ones
}

func zonesThatChange(tb testing.TB) []changing {
	tb.Helper()
	var all []changing
	for _, name := range zonesOfDiff() {
		loc := mustZone(tb, name)
		changes := slices.DeleteFunc(changesOf(loc), func(c change) bool { return c.before == c.after || c.previous != 0 || c.next != 0 })
		last := time.Date(2034, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
		tried := slices.DeleteFunc(slices.Clone(changes), func(c change) bool { return c.at > last })
		all = append(all, changing{loc, changes, tried})
	}
	return all
}

// within gives the change that an instant lies before or behind by no more than so much.
func (z *changing) within(at, before, behind int64) (c change, shift int64, ok bool) {
	for _, c := range z.changes {
		shift := int64(c.after-c.before) * second
		if wide := max(shift, -shift); at >= c.at*second-max(before, wide) && at <= c.at*second+max(behind, wide) {
			return c, shift, true
		}
	}
	return change{}, 0, false
}

// explain names the difference between the next date of our series and of a library after an instant; "" where there is no explanation. All but
// three lie as near to the change as the clocks are set by; libraries mistake whole days at some changes, and where these begin a
// month lose their way through the months.
func (z *changing) explain(s series, anchor, at, ours, theirs int64) string {
	if c, shift, ok := z.within(min(ours, theirs), 0, 0); ok {
		name := explainOverlap(c.at*second, -shift, ours, theirs)
		if shift > 0 {
			fires := func(at int64) bool {
				next, ok := s.after(anchor, at-1)
				return at < anchor || ok && next == at
			}
			name = explainGap(c.at*second, shift, ours, theirs, fires)
		}
		if name == gapLeftOut || name != "" && c.atMidnight() < 0 {
			return name
		}
	}
	c, shift, ok := z.within(min(ours, theirs), day, day)
	switch {
	case ok && c.atMidnight() >= 0:
		return midnightDay
	case ok && shift%hour != 0, slices.ContainsFunc(z.changes, func(c change) bool {
		// What has lost half an hour may find it after days.
		return (c.after-c.before)%3600 != 0 && c.at*second > at-day && c.at*second <= max(ours, theirs)
	}):
		return halfHourDay
	case slices.ContainsFunc(z.changes, func(c change) bool {
		return c.atMidnight() == 1 && c.at*second > at-day && c.at*second <= max(ours, theirs)
	}):
		return midnightMonth
	}
	return ""
}

// atMidnight gives the day of the month that begins within the gap of a change; below 0 for none.
func (c *change) atMidnight() int {
	before, after := c.at+int64(c.before), c.at+int64(c.after)
	if begins := floorDiv(after-1, 24*3600); before < after && begins != floorDiv(before-1, 24*3600) {
		return civilOf(begins).day
	}
	return -1
}

func explainOverlap(at, length, ours, theirs int64) string {
	switch {
	case ours < at && theirs == ours+length:
		return overlapSecond
	case ours < theirs && ours >= at && ours < at+length:
		return overlapOnce
	case theirs < ours && theirs >= at && theirs < at+length:
		return overlapTwice
	}
	return ""
}

func explainGap(at, length, ours, theirs int64, fires func(at int64) bool) string {
	switch {
	case ours == at && theirs > at && theirs < at+length && !fires(theirs):
		return gapShifted
	case ours == at && theirs > at:
		return gapLeftOut
	case ours >= at && theirs < at && theirs >= at-length:
		return gapEarlier
	case theirs == at, theirs > at && theirs < at+length && theirs < ours && !fires(at) && length%hour == 0:
		return gapFired
	case theirs > at && theirs < at+length && theirs < ours && fires(at):
		return gapApart
	}
	return ""
}

// atChange makes a line one that has to do with a change: on every day, at hours around it.
func (d dialect) atChange(r *rand.Rand, line string, c change) string {
	fields := strings.Fields(line)
	hourField := 1
	if d.seconds {
		hourField = 2
	}
	clock := time.Unix(c.at+int64(min(c.before, c.after)), 0).UTC()
	hours := []string{strconv.Itoa(clock.Hour())}
	if r.IntN(2) == 0 {
		hours = append(hours, strconv.Itoa(clock.Add(time.Duration(r.IntN(5)-2)*time.Hour).Hour()))
	}
	fields[hourField] = strings.Join(hours, ",")
	if r.IntN(4) == 0 {
		fields[hourField] = "*"
	}
	for i := hourField + 1; i < len(fields); i++ {
		fields[i] = "*"
	}
	return strings.Join(fields, " ")
}

// differences counts the differences of a library by their names.
type differences map[string]int

// check says whether all differences are those that the documentation lists.
func (d differences) check(t *testing.T, listed []string) {
	t.Helper()
	t.Logf("differences: %v", d)
	if found := slices.Sorted(maps.Keys(d)); !slices.Equal(found, slices.Sorted(slices.Values(listed))) {
		t.Errorf("found %q, listed are %q", found, listed)
	}
}

func TestCronAgainstLibrariesInZones(t *testing.T) {
	t.Parallel()
	zones := zonesThatChange(t)
	for _, lib := range libraries() {
		t.Run(lib.name, func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(7, 11))
			found := differences{}
			for compared := 0; compared < torture.Times(100_000); {
				zone := zones[r.IntN(len(zones))]
				c := zone.tried[r.IntN(len(zone.tried))]
				line := randomCron(r, lib.dialect)
				if r.IntN(2) == 0 {
					line = lib.atChange(r, line, c)
				}
				if lib.known(lib.fieldsOf(line)) != "" {
					continue
				}
				n, err := lib.compareInZone(r, line, &zone, c, found)
				if err != nil {
					t.Fatal(err)
				}
				compared += n
			}
			found.check(t, lib.inZones)
		})
	}
}

// compareInZone asks both for the next date after instants of the two days before a change and the one after it.
func (lib library) compareInZone(r *rand.Rand, line string, zone *changing, c change, found differences) (compared int, err error) {
	ours, err := parseCron(line, Scope{Zone: zone.loc})
	if err != nil {
		if strings.Contains(err.Error(), "never comes") {
			return 0, nil
		}
		return 0, fmt.Errorf("%s: %w", line, err)
	}
	theirs, err := lib.parse(line)
	if err != nil {
		if lib.refuses != nil && lib.refuses(err) {
			return 0, nil
		}
		return 0, fmt.Errorf("%s: %s refuses it: %w", line, lib.name, err)
	}
	for range lib.each {
		at := c.at*second + r.Int64N(3*day) - 2*day
		got, ok := ours.series.after(firstReading, at)
		if !ok {
			got = lastReading
		}
		next := theirs(time.UnixMilli(at).In(zone.loc))
		want := next.UnixMilli()
		if next.IsZero() {
			want = lastReading
		}
		if year := time.UnixMilli(got).Year(); want == lastReading && year > min(time.UnixMilli(at).Year()+lib.horizon-1, lib.until) {
			continue // farther than it looks
		}
		if got == want {
			continue
		}
		name := zone.explain(ours.series, firstReading, at, got, want)
		if name == "" {
			return 0, fmt.Errorf("%s in %s after %s: %s, %s says %s", line, zone.loc, time.UnixMilli(at).In(zone.loc), time.UnixMilli(got).In(zone.loc), lib.name, next)
		}
		found[name]++
	}
	return lib.each, nil
}

// TestRRuleAgainstLibraryInZones compares rules of days and longer; the shorter ones step on the clock's face there, and in exact time here.
func TestRRuleAgainstLibraryInZones(t *testing.T) {
	t.Parallel()
	zones := zonesThatChange(t)
	r := rand.New(rand.NewPCG(5, 5545))
	found := differences{}
	for compared := 0; compared < torture.Times(100_000); {
		zone := zones[r.IntN(len(zones))]
		ok, err := compareRuleInZone(r, &zone, found)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			compared++
		}
	}
	found.check(t, []string{gapShifted, gapEarlier, gapLeftOut, gapApart, overlapSecond, midnightDay})
}

// compareRuleInZone follows a random rule from a date within a week before a change.
func compareRuleInZone(r *rand.Rand, zone *changing, found differences) (compared bool, err error) {
	text := randomRule(r, false)
	p, err := parseRRule(text, Scope{Zone: zone.loc})
	if err != nil {
		return false, nil //nolint:nilerr // it never comes, which is compared in UTC
	}
	s, ok := p.series.(*recurSeries)
	if !ok || s.rule.freq < daily || s.rule.freq == weekly && len(s.rule.positions) > 0 {
		return false, nil
	}
	c := zone.tried[r.IntN(len(zone.tried))]
	start := time.Unix(c.at-r.Int64N(7*24*3600), 0).In(zone.loc)
	if r.IntN(2) == 0 { // at a time of day that the change affects
		clock := time.Unix(c.at+int64(min(c.before, c.after))+r.Int64N(int64(max(c.after-c.before, c.before-c.after))), 0).UTC()
		start = time.Date(start.Year(), start.Month(), start.Day(), clock.Hour(), clock.Minute(), clock.Second(), 0, zone.loc)
	}
	anchor := start.UnixMilli()
	if _, shift, ok := zone.within(anchor, 0, 0); ok && shift < 0 {
		return false, nil // what begins within an overlap has tests of its own
	}
	end := anchor + reach[s.rule.freq]
	got := follow(s, anchor, end, mostCompared)
	if len(got) == 0 {
		return false, nil
	}
	option, err := rrulego.StrToROption(text)
	if err != nil {
		return false, fmt.Errorf("%s: the library: %w", text, err)
	}
	option.Dtstart, option.Count = start, len(got)+200 // those in a gap count once here
	option.Until = time.UnixMilli(got[len(got)-1] + 2*hour).In(zone.loc)
	rule, err := rrulego.NewRRule(*option)
	if err != nil {
		return false, fmt.Errorf("%s: the library: %w", text, err)
	}
	want := firstFew(rule, option.Count)
	slices.Sort(want) // what it shifts may come out after what follows it
	want = slices.Compact(want)
	for i, j := 0, 0; i < len(got); {
		theirs := int64(lastReading)
		if j < len(want) {
			theirs = want[j]
		}
		if got[i] == theirs {
			i++
			j++
			continue
		}
		name := zone.explain(s, anchor, anchor, got[i], theirs)
		if name == "" {
			return false, fmt.Errorf("%s in %s from %s:\n got %s\nwant %s", text, zone.loc, start, showAll(got), showAll(want))
		}
		found[name]++
		switch {
		case name == gapShifted, name == overlapSecond:
			i++
			j++
		case theirs < got[i]:
			j++
		default:
			i++
		}
	}
	return true, nil
}
