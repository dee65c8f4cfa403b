package when

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// longestPhrase bounds what is read as a phrase, in bytes.
const longestPhrase = 1024

// grammar is what a phrase is compiled into.
type grammar int

const (
	grammarInterval grammar = iota // an ISO 8601 duration, counted from the task's date
	grammarCron
	grammarRRule
	grammarWindow // an interval within hours of the day, which is a phrase again in its canonical form
)

// compiled is a phrase in another grammar, and what it said beside that.
type compiled struct {
	grammar grammar
	text    string        // of the others
	rule    recurrence    // of grammarRRule
	every   interval      // of grammarInterval
	window  windowPattern // of grammarWindow
	zone    *time.Location
	named   bool   // the phrase names the zone
	own     string // the phrase without its bounds, where it names another zone than that it was read in
	start   time.Time
	until   time.Time
	count   int64
}

// parsePhrase reads a repeat in English: "every 5 minutes", "every weekday at 9:00", "on the last day of the month at 18:00 in
// Europe/Berlin". What has a time of day, a weekday or a day of the month is a pattern of wall time, all else an interval counted
// from the task's date. The error shows where the phrase stopped making sense and what could stand there.
func parsePhrase(text string, scope Scope) (parsed, error) {
	c, err := compilePhrase(text, scope)
	if err != nil {
		return parsed{}, fmt.Errorf("cannot read %s: %w", quote(text), err)
	}
	p, err := c.parse(scope)
	if err != nil {
		return parsed{}, fmt.Errorf("cannot read %s, which is %s: %w", quote(text), c.String(), err)
	}
	p.start, p.until, p.count = c.start, c.until, c.count
	if c.named {
		p.zone = c.zone
	}
	return p, nil
}

// String gives what a phrase was compiled to.
func (c *compiled) String() string {
	if c.grammar == grammarRRule {
		return c.rule.String()
	}
	return c.text
}

// parse reads what a phrase was compiled to.
func (c *compiled) parse(scope Scope) (p parsed, err error) {
	if c.grammar == grammarCron {
		line := c.text
		if c.own != "" {
			line = "CRON_TZ=" + c.zone.String() + " " + line
		}
		return parseCron(line, scope)
	}
	scope.Zone = c.zone
	switch c.grammar {
	case grammarRRule:
		if err := c.rule.check(); err != nil {
			return parsed{}, err
		}
		if err := c.rule.comes(); err != nil {
			return parsed{}, err
		}
		p.series, p.comes = &recurSeries{rule: c.rule, loc: c.zone}, true
	case grammarWindow:
		p.series = newWindowSeries(c.window, c.zone)
	case grammarInterval:
		p.series = &intervalSeries{every: c.every, loc: c.zone}
		if c.every.exact() {
			return p, nil // the same in every zone
		}
	case grammarCron:
	}
	if c.own != "" {
		p.series = &zonedSeries{series: p.series, text: c.own}
	}
	return p, nil
}

// zonedSeries is a series in a zone of its own, which its text names.
type zonedSeries struct {
	series

	text string
}

func (z *zonedSeries) String() string { return z.text }

// compilePhrase turns a phrase into the text of a grammar that can be computed with.
func compilePhrase(text string, scope Scope) (compiled, error) {
	if len(text) > longestPhrase {
		return compiled{}, fmt.Errorf("longer than %d bytes", longestPhrase)
	}
	p := repeatPhrase{phrase: phrase{words: split(text)}, zone: scope.zone()}
	if len(p.words) == 0 {
		return compiled{}, errors.New("there are no words in it; " + hintRepeat)
	}
	for !p.done() {
		if !p.clause() {
			return compiled{}, p.lost(hintRepeat)
		}
	}
	c, err := p.compile()
	if err != nil {
		return compiled{}, err
	}
	c.zone, c.count, c.named = p.zone, p.count, p.has(slotZone)
	if c.named && c.zone.String() != scope.zone().String() {
		c.own = p.withoutBounds() + " in " + c.zone.String()
	}
	return c, p.bounds(&c)
}

// What could stand where a phrase stopped making sense.
const (
	hintRepeat   = `write a repeat like "every 5 minutes", "every weekday at 9:00" or "on the last day of the month at 18:00"`
	hintEvery    = `here could stand an amount ("5 minutes"), "day", "weekday", a weekday, "other friday" or "december 24"`
	hintClause   = `here could stand "at 9:00", "on monday", "from 9:00 to 17:00", "until 2027-01-01", "10 times", "in Europe/Berlin" or the end`
	hintOn       = `here could stand a weekday, "the 15th", "the last day of the month", "the first monday of every month" or "december 24"`
	hintTime     = `here could stand a time such as "9:00", "9am" or "noon"`
	hintNoun     = `here could stand "day", "weekday" or a weekday`
	hintPeriod   = `here could stand "month", "quarter", "year" or the name of a month`
	hintUnit     = `here could stand "hour", "day", "week", "month" or "year"`
	hintBound    = `here could stand a date such as "2027-01-01" or "2027-01-01 09:00"`
	hintSeveral  = `; for times that differ from day to day use several rules: {"any": ["every monday at 9:00", "every friday at 17:00"]}`
	hintWeekdays = `here could stand a weekday`
)

// slot is a part of a repeat, which can be said once.
type slot int

const (
	slotEvery    slot = iota // every 5 minutes, daily
	slotDays                 // every monday, on weekdays
	slotPosition             // on the 15th, the last friday of each month, december 24
	slotTimes                // at 9:00 and 17:00
	slotMinutes              // at :15
	slotWindow               // from 9:00 to 17:00
	slotStart                // starting 2026-12-01
	slotUntil                // until 2027-01-01
	slotCount                // 10 times
	slotZone                 // in Europe/Berlin
	slotCountAll
)

// repeatPhrase is a phrase while it is read, and what it said so far.
type repeatPhrase struct {
	phrase
	said     [slotCountAll]struct{ from, to int } // the words that filled a slot
	repeats  bool                                 // something in it says that it is no single date
	every    interval
	times    int64 // how many times in each such interval, where it says so
	days     weekdays
	position position
	clocks   []clock
	minutes  []int
	from, to clock
	start    bound
	until    bound
	count    int64
	zone     *time.Location
}

func (p *repeatPhrase) has(s slot) bool { return p.said[s].to > 0 }

// quoted shows the words of a slot.
func (p *repeatPhrase) quoted(s slot) string {
	return quote(strings.Join(p.words[p.said[s].from:p.said[s].to], " "))
}

// fill marks a slot as said by the words from start to the cursor; false where it was said before.
func (p *repeatPhrase) fill(s slot, start int) bool {
	if p.has(s) {
		again := quote(strings.Join(p.words[start:p.at], " "))
		p.at = start
		p.fail(fmt.Errorf("%s cannot stand beside %s, which says the same kind of thing%s", again, p.quoted(s), hintSeveral))
		return false
	}
	p.said[s].from, p.said[s].to = start, p.at
	return true
}

// withoutBounds gives the phrase as it reads without zone, start, end and count.
func (p *repeatPhrase) withoutBounds() string {
	var kept []string
	for i := range p.words {
		outside := true
		for _, s := range [...]slot{slotZone, slotStart, slotUntil, slotCount} {
			outside = outside && (i < p.said[s].from || i >= p.said[s].to)
		}
		if outside {
			kept = append(kept, p.wordAt(i))
		}
	}
	return strings.Join(kept, " ")
}

// bound is a date of a phrase, to be read when its zone is known.
type bound struct {
	whole string  // a date with time as machines write it
	day   someDay // else
	clock clock
	timed bool
}

// bounds resolves from when and until when the phrase holds.
func (p *repeatPhrase) bounds(c *compiled) error {
	var err error
	if p.has(slotStart) {
		if c.start, err = p.start.instant(p.zone, false); err != nil {
			return fmt.Errorf("%s: %w", p.quoted(slotStart), err)
		}
	}
	if p.has(slotUntil) {
		if c.until, err = p.until.instant(p.zone, true); err != nil {
			return fmt.Errorf("%s: %w", p.quoted(slotUntil), err)
		}
	}
	if p.has(slotStart) && p.has(slotUntil) && c.until.Before(c.start) {
		return fmt.Errorf("%s lies before %s, so it never comes", p.quoted(slotUntil), p.quoted(slotStart))
	}
	return nil
}

// instant gives the instant of b; of a day without time its start, or its last millisecond.
func (b *bound) instant(loc *time.Location, last bool) (time.Time, error) {
	t, _, err := parseMachine(b.whole, loc)
	if b.whole == "" {
		err = nil
		c := b.clock
		t = wallDate(b.day.year, b.day.month, b.day.day, c.hour, c.minute, c.second, c.ms).instant(loc)
		if last && !b.timed {
			t = wallDate(b.day.year, b.day.month, b.day.day+1, 0, 0, 0, 0).instant(loc).Add(-time.Millisecond)
		}
	}
	if err == nil && !inYears(t) {
		err = errors.New("it is outside the years 1 to 9999")
	}
	return cut(t.UTC()), err
}
