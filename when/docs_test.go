package when_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/adlayer/after/when"
)

var update = flag.Bool("update", false, "write testdata/docs.txt anew")

// TestExamplesOfTheDocs reads every example of a rule or a date in docs/time.md and docs/task.md. testdata/docs.txt has what each means, for somebody to
// compare with what the page says of it: its words, and its first three dates for a task of Sunday, 22 November 2026, 08:00 in Berlin.
// Where the page says that two forms are the same, they have the same dates.
func TestExamplesOfTheDocs(t *testing.T) {
	t.Parallel()
	d := &docs{t: t, berlin: zone(t, "Europe/Berlin")}
	d.now = time.Date(2026, 11, 22, 8, 0, 0, 0, d.berlin)
	for _, path := range []string{"docs/time.md", "docs/task.md"} {
		for line := range strings.Lines(d.page(path)) {
			d.line(strings.TrimRight(line, "\n"))
		}
	}
	for _, path := range []string{"docs/time.md", "docs/task.md", "README.md"} {
		d.objects(path)
	}
	if d.examples < 150 {
		t.Errorf("%d examples were found: the page is written in another way than this test reads it", d.examples)
	}
	path := filepath.Join("testdata", "docs.txt")
	if *update {
		if err := os.WriteFile(path, []byte(d.meanings.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), d.meanings.String()); diff != "" {
		t.Errorf("docs/time.md says something new: compare it with what it means here, then run go test ./when -run ExamplesOfTheDocs -update:\n%s", diff)
	}
}

// docs is the page while it is read.
type docs struct {
	t        *testing.T
	berlin   *time.Location
	now      time.Time
	heading  string
	table    string // the heading of the table's first column
	meanings strings.Builder
	examples int
}

// tables are those with examples, by their section and first column, with what makes a rule of an example.
var tables = map[string]func(example string) string{
	"Time/you write":                     func(s string) string { return s },
	"Cron lines/Written":                 line,
	"Intervals/Phrase":                   func(s string) string { return s },
	"Times of the day/Phrase":            func(s string) string { return s },
	"Days of the week/Phrase":            func(s string) string { return s },
	"Days by their place/Phrase":         func(s string) string { return s },
	"Hours of the day/Phrase":            func(s string) string { return s },
	"Bounds/Phrase":                      func(s string) string { return strings.Replace(s, "…", "every 3 days", 1) },
	"iCalendar recurrences (RRULE)/Form": recurrence,
	"ISO 8601 repeating intervals/Form":  func(s string) string { return s },
	"Words for dates/Words":              nil,
	"Dates/form":                         nil,
}

// line makes a whole cron line of a weekday alone.
func line(text string) string {
	if strings.ContainsAny(text, " @") {
		return text
	}
	return "0 9 * * " + text
}

// recurrence makes a whole iCalendar rule of a line of one.
func recurrence(line string) string {
	switch {
	case strings.HasPrefix(line, "DTSTART") && !strings.Contains(line, "RRULE"), strings.HasPrefix(line, "RDATE"):
		return line + "\nRRULE:FREQ=DAILY"
	case strings.HasPrefix(line, "EXDATE"):
		return line + "\nDTSTART;TZID=Europe/Berlin:20261223T090000\nRRULE:FREQ=DAILY"
	}
	return line
}

var (
	heading = regexp.MustCompile(`^#+ (.*)`)
	spans   = regexp.MustCompile("`([^`]+)`")
)

func (d *docs) line(line string) {
	if match := heading.FindStringSubmatch(line); match != nil {
		d.heading, d.table = match[1], ""
		return
	}
	if !strings.HasPrefix(line, "|") {
		d.table = ""
		return
	}
	cells := strings.Split(strings.Trim(line, "|"), "|")
	if d.table == "" {
		d.table = strings.TrimSpace(cells[0])
		return
	}
	name := d.heading + "/" + d.table
	whole, known := tables[name]
	if !known || len(cells) < 2 {
		return
	}
	if d.heading == "Time" || d.heading == "Dates" {
		cells = cells[1:] // the examples are in the second column
	}
	for i, match := range spans.FindAllStringSubmatch(cells[0], -1) {
		if whole == nil {
			d.date(strings.Trim(match[1], `"`))
			continue
		}
		dates := d.rule(whole(strings.Trim(match[1], `"`)), match[1])
		d.same(match[1], dates, cells, i)
	}
}

// same holds an example to the form that the page says is the same: the only one, or the one at its place.
func (d *docs) same(example, dates string, cells []string, place int) {
	if !strings.HasSuffix(d.table, "Phrase") {
		return
	}
	others := spans.FindAllStringSubmatch(cells[1], -1)
	switch {
	case len(others) > 1 && len(others) == len(spans.FindAllString(cells[0], -1)):
		others = others[place : place+1]
	case len(others) != 1:
		return
	}
	if other := d.firings(others[0][1]); other != dates {
		d.t.Errorf("%s is said to be %s, but has the dates %s instead of %s", example, others[0][1], dates, other)
	}
}

// rule enters an example of a rule, and gives its dates.
func (d *docs) rule(text, example string) string {
	d.t.Helper()
	d.examples++
	dates := d.firings(text)
	rule, err := when.ParseRuleText(text, d.scope())
	if err != nil {
		d.t.Errorf("%s: %s: %v", d.heading, example, err)
		return ""
	}
	fmt.Fprintf(&d.meanings, "%s\n\t%s\n\t%s\n", example, strings.ReplaceAll(rule.Words(), "\n", " "), dates)
	return dates
}

func (d *docs) scope() when.Scope {
	return when.Scope{Now: d.now, Zone: d.berlin, Seed: "nightly", Calendar: func(string) (*when.Calendar, error) { return &when.Calendar{}, nil }}
}

func (d *docs) firings(text string) string {
	d.t.Helper()
	rule, err := when.ParseRuleText(text, d.scope())
	if err != nil {
		return err.Error()
	}
	var dates []string
	for at, ok := rule.First(d.now); ok && len(dates) < 3; at, ok = rule.After(d.now, at) {
		local, _ := rule.Clock(d.now, at)
		dates = append(dates, local.Format("Mon 2006-01-02 15:04:05.999 -07:00"))
	}
	return strings.Join(dates, ", ")
}

var (
	object   = regexp.MustCompile("`(\\{\"(?:cron|rrule|every|any|days|years|months|weeks|hours|d)\"[^`]*\\})`")
	calendar = regexp.MustCompile("(?s)```json\n(\\{[^`]*\"type\": \"calendar\"[^`]*)```")
)

func (d *docs) page(path string) string {
	d.t.Helper()
	page, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(path)))
	if err != nil {
		d.t.Fatal(err)
	}
	return string(page)
}

// objects enters the objects that a page has within its text, and reads its calendars.
func (d *docs) objects(path string) {
	page := d.page(path)
	d.heading = path
	for _, match := range object.FindAllStringSubmatch(page, -1) {
		d.rule(match[1], match[1])
	}
	for _, match := range calendar.FindAllStringSubmatch(page, -1) {
		if _, err := when.ParseCalendar([]byte(match[1])); err != nil {
			d.t.Errorf("%s: %s: %v", path, match[1], err)
		}
		d.examples++
	}
}

// date enters an example of a date.
func (d *docs) date(text string) {
	d.t.Helper()
	if text == "this" || text == "timezone" {
		return // a word, not an example
	}
	d.examples++
	date, err := when.ParseDate(text, d.now, d.berlin)
	if err != nil {
		d.t.Errorf("%s: %v", d.heading, err)
		return
	}
	fmt.Fprintf(&d.meanings, "%s\n\t%s\n", text, date.Time.In(d.berlin).Format("Mon 2006-01-02 15:04:05.999 -07:00"))
}
