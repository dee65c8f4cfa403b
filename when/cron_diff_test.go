package when

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/cronexpr"
	netresearch "github.com/netresearch/go-cron"
	"github.com/robfig/cron/v3"

	"github.com/adlayer/after/internal/torture"
)

// dialect is what a library understands of the grammar.
type dialect struct {
	seconds, years bool
	wraps          bool   // FRI-MON
	sunday7        bool   // 7 is Sunday
	special        bool   // L, LW, 15W, MON#2
	beforeLast     bool   // L-3
	last           string // how the last weekday of the month is written, after its number
}

// randomCron makes a line of a dialect.
func randomCron(r *rand.Rand, d dialect) string {
	var fields []string
	if d.seconds {
		fields = append(fields, d.randomField(r, cronSecond))
	}
	for field := cronMinute; field <= cronWeekday; field++ {
		fields = append(fields, d.randomField(r, field))
	}
	if d.years {
		fields = append(fields, d.randomField(r, cronYear))
	}
	return strings.Join(fields, " ")
}

func (d dialect) randomField(r *rand.Rand, field cronField) string {
	if r.IntN(5) < 2 || field == cronYear && r.IntN(3) > 0 {
		return "*"
	}
	if (field == cronDay || field == cronWeekday) && r.IntN(8) == 0 {
		return "?"
	}
	parts := make([]string, 1+r.IntN(3)*r.IntN(2))
	for i := range parts {
		parts[i] = d.randomPart(r, field)
	}
	return strings.Join(parts, ",")
}

func (d dialect) randomPart(r *rand.Rand, field cronField) string {
	low, high := field.bounds()
	if field == cronYear {
		low, high = 1990, 2060
	}
	if field == cronWeekday && d.sunday7 {
		high = 7
	}
	value := func() int { return low + r.IntN(high-low+1) }
	name := func(v int) string {
		switch {
		case field == cronMonth && r.IntN(3) == 0:
			return strings.ToUpper(time.Month(v).String()[:3])
		case field == cronWeekday && v < 7 && r.IntN(3) == 0:
			return strings.ToLower(time.Weekday(v).String()[:3])
		}
		return strconv.Itoa(v)
	}
	a, b := value(), value()
	if a > b && (!d.wraps || field == cronYear) {
		a, b = b, a
	}
	if d.special && r.IntN(3) == 0 {
		switch field { //nolint:exhaustive // the others have none
		case cronDay:
			choices := []string{"L", "LW", strconv.Itoa(a) + "W"}
			if d.beforeLast {
				choices = append(choices, "L-"+strconv.Itoa(1+r.IntN(30)))
			}
			return choices[r.IntN(len(choices))]
		case cronWeekday:
			return []string{name(a) + d.last, fmt.Sprintf("%s#%d", name(a), 1+r.IntN(5))}[r.IntN(2)]
		}
	}
	step := 1 + r.IntN(max((high-low)/2, 2))
	if field == cronYear {
		step = 1 + r.IntN(9)
	}
	switch r.IntN(8) {
	case 0:
		return fmt.Sprintf("*/%d", step)
	case 1:
		return fmt.Sprintf("%s/%d", name(a), step)
	case 2:
		return fmt.Sprintf("%s-%s/%d", name(a), name(b), step)
	case 3, 4:
		return name(a) + "-" + name(b)
	}
	return name(a)
}

// fieldsOf gives the fields of a line by their kind.
func (d dialect) fieldsOf(line string) [7][]string {
	var all [7][]string
	field := cronMinute
	if d.seconds {
		field = cronSecond
	}
	for text := range strings.FieldsSeq(line) {
		all[field] = strings.Split(strings.ToUpper(text), ",")
		field++
	}
	return all
}

// otherChoice says whether a library takes the day and weekday fields together in another way than we do. We leave the choice to the
// other field where one begins with * or ?, as Vixie's cron does; libraries look for a star anywhere in the list, and not at one with a
// step.
func otherChoice(fields [7][]string, isStar func(part string) bool) bool {
	ours := func(parts []string) bool { return parts[0][0] == '*' || parts[0][0] == '?' }
	theirs := func(parts []string) bool { return slices.ContainsFunc(parts, isStar) }
	return (ours(fields[cronDay]) || ours(fields[cronWeekday])) != (theirs(fields[cronDay]) || theirs(fields[cronWeekday]))
}

func plainStar(part string) bool        { return part == "*" || part == "?" }
func plainStarOrStep1(part string) bool { return plainStar(part) || part == "*/1" }

// endsOnSunday is a range such as FRI-7.
func endsOnSunday(part string) bool {
	span, _, _ := strings.Cut(part, "/")
	_, last, ok := strings.Cut(span, "-")
	return ok && (last == "7" || last == "0" || last == "SUN")
}

// openStep is a step such as */4 or 2026/4.
func openStep(part string) bool { return strings.Contains(part, "/") && !strings.Contains(part, "-") }

// stepsPastSaturday is a step such as 4/3 or FRI-TUE/2.
func stepsPastSaturday(part string) bool {
	span, _, steps := strings.Cut(part, "/")
	first, last, isRange := strings.Cut(span, "-")
	number := func(text string) int {
		if v := cronName(cronWeekday, text); v >= 0 {
			return v
		}
		return atoi(text)
	}
	return steps && first != "*" && (!isRange || number(first) > number(last))
}

// library is one that we compare with.
type library struct {
	name string
	dialect
	parse func(line string) (func(time.Time) time.Time, error)
	// known says why a line is left out: a difference that the documentation explains. "" compares it.
	known func(fields [7][]string) string
	// refuses says whether an error of the library is one that the documentation explains.
	refuses func(err error) bool
	// horizon is how many years ahead it looks.
	horizon int
	// each is how many dates of one line are compared: more where reading a line takes long.
	each int
	// until is the last year it knows.
	until int
	// inZones are the differences where the clocks change.
	inZones []string
}

func libraries() []library {
	robfig := cron.NewParser(cron.Second | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)
	research := netresearch.MustNewParser(netresearch.Second | netresearch.Minute | netresearch.Hour | netresearch.Dom | netresearch.Month |
		netresearch.Dow | netresearch.Year | netresearch.Extended | netresearch.DowOrDom).WithMaxSearchYears(20)
	return []library{{
		name: "robfig/cron", dialect: dialect{seconds: true}, horizon: 5, until: 2200, each: 5,
		inZones: []string{gapLeftOut, overlapTwice, midnightDay, midnightMonth, halfHourDay},
		parse: func(line string) (func(time.Time) time.Time, error) {
			s, err := robfig.Parse(line)
			if err != nil {
				return nil, err
			}
			return s.Next, nil
		},
		known: func(fields [7][]string) string {
			if otherChoice(fields, plainStarOrStep1) {
				return "star"
			}
			return ""
		},
	}, {
		name: "hashicorp/cronexpr", horizon: 200, until: 2099, each: 20,
		inZones: []string{gapLeftOut, overlapTwice, midnightDay, halfHourDay},
		dialect: dialect{seconds: true, years: true, sunday7: true, special: true, last: "L"},
		parse: func(line string) (func(time.Time) time.Time, error) {
			e, err := cronexpr.Parse(line)
			if err != nil {
				return nil, err
			}
			return e.Next, nil
		},
		known: func(fields [7][]string) string {
			switch {
			case otherChoice(fields, plainStar):
				return "star"
			case slices.ContainsFunc(fields[cronWeekday], endsOnSunday): // which it takes to end on Saturday
				return "range of weekdays that ends on Sunday"
			}
			return ""
		},
	}, {
		name: "netresearch/go-cron", horizon: 20, until: 2200, each: 5,
		inZones: []string{gapLeftOut, gapFired, gapShifted, overlapTwice, midnightDay, midnightMonth, halfHourDay},
		dialect: dialect{seconds: true, years: true, wraps: true, sunday7: true, special: true, beforeLast: true, last: "#L"},
		parse: func(line string) (func(time.Time) time.Time, error) {
			s, err := research.Parse(line)
			if err != nil {
				return nil, err
			}
			return s.Next, nil
		},
		refuses: func(err error) bool { return strings.Contains(err.Error(), "must be less than range size") },
		known: func(fields [7][]string) string {
			switch {
			case otherChoice(fields, plainStarOrStep1):
				return "star"
			case slices.ContainsFunc(fields[cronYear], openStep): // which it refuses, or takes as that one year
				return "steps of years without an end"
			case slices.ContainsFunc(fields[cronWeekday], stepsPastSaturday): // which it counts on to 7, in a week of eight days
				return "steps of weekdays past Saturday"
			}
			return ""
		},
	}}
}

func TestCronAgainstLibraries(t *testing.T) {
	t.Parallel()
	for _, lib := range libraries() {
		t.Run(lib.name, func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(3, 7))
			compared, left := 0, map[string]int{}
			for compared < torture.Times(100_000) {
				line := randomCron(r, lib.dialect)
				if why := lib.known(lib.fieldsOf(line)); why != "" {
					left[why]++
					continue
				}
				compared += lib.compare(t, r, line)
				if t.Failed() {
					return
				}
			}
			t.Logf("%d compared; lines left out: %v", compared, left)
		})
	}
}

// compare asks both for the next date after some instants.
func (lib library) compare(t *testing.T, r *rand.Rand, line string) int {
	t.Helper()
	ours, err := parseCron(line, Scope{})
	theirs, theirErr := lib.parse(line)
	if theirErr != nil && lib.refuses != nil && lib.refuses(theirErr) {
		return 0
	}
	if theirErr != nil {
		t.Errorf("%s: %s refuses it: %v", line, lib.name, theirErr)
		return 0
	}
	never := err != nil && strings.Contains(err.Error(), "never comes")
	if err != nil && !never {
		t.Errorf("%s: %v", line, err)
		return 0
	}
	for range lib.each {
		at := time.Date(1985, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(r.Int64N(int64(80 * 365 * 24 * time.Hour)))).Truncate(time.Millisecond)
		got, ok := int64(0), false
		if !never {
			got, ok = ours.series.after(firstReading, at.UnixMilli())
		}
		want := theirs(at)
		next := time.UnixMilli(got).UTC()
		switch {
		case want.IsZero() && ok && next.Year() <= min(at.Year()+lib.horizon-1, lib.until),
			!want.IsZero() && (!ok || !next.Equal(want)):
			t.Errorf("%s after %s: %s (%v), %s says %s", line, at.Format(time.RFC3339Nano), next, ok, lib.name, want)
			return lib.each
		}
	}
	return lib.each
}
