package when

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

const dateHint = `write a date like "2026-12-01 09:00", or words like "in 5 minutes", "tomorrow at 9:30" or "next friday at 9am"`

// phrase is a cursor over the words of a date or duration.
type phrase struct {
	words []string // as written, without commas
	at    int      // the word to read next
	far   int      // the furthest word that anything could not make sense of
	why   error    // why not, where there is more to say than that
	want  string   // what could stand there, where that is known
}

// split cuts text into words at spaces and commas.
func split(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == '\t' || r == ',' || r == '\n' || r == '\r' })
}

func (p *phrase) done() bool { return p.at == len(p.words) }

// peek gives the next word in lower case, "" at the end.
func (p *phrase) peek() string { return p.ahead(0) }

func (p *phrase) ahead(n int) string {
	if p.at+n >= len(p.words) {
		return ""
	}
	return strings.ToLower(p.words[p.at+n])
}

// take steps over the next words where they are these.
func (p *phrase) take(words ...string) bool {
	for i, word := range words {
		if p.ahead(i) != word {
			return false
		}
	}
	p.at += len(words)
	return true
}

// fail remembers that nothing could be made of the next word, and why if err says more.
func (p *phrase) fail(err error) {
	if p.at > p.far {
		p.want = ""
	}
	if p.at > p.far || (p.at == p.far && p.why == nil) {
		p.far, p.why = p.at, err
	}
}

// expect is fail where it is known what could stand there instead.
func (p *phrase) expect(want string) {
	p.fail(nil)
	if p.at == p.far {
		p.want = want
	}
}

// lost is the error that shows where the phrase stopped making sense.
func (p *phrase) lost(hint string) error {
	far := max(p.at, p.far)
	read := strings.Join(p.words[:far], " ")
	if p.want != "" && far == p.far {
		hint = p.want
	}
	switch {
	case p.why != nil && far == p.far:
		return p.why
	case far == len(p.words):
		return fmt.Errorf("it ends too early, after %s; %s", quote(read), hint)
	case far == 0:
		return fmt.Errorf("%s is not understood; %s", quote(p.words[0]), hint)
	}
	return fmt.Errorf("%s is not understood after %s; %s", quote(p.words[far]), quote(read), hint)
}

// parseWords reads the phrases of the package comment.
func parseWords(text string, now time.Time, loc *time.Location) (time.Time, error) {
	now = cut(now)
	words := split(text)
	if len(words) == 0 {
		return time.Time{}, errors.New("there are no words in it")
	}
	furthest := phrase{words: words, far: -1}
	for _, read := range [...]func(*phrase, time.Time, *time.Location) (time.Time, bool){
		readNow, readRelative, readFromNow, readDayFirst, readTimeFirst,
	} {
		p := phrase{words: words}
		t, ok := read(&p, now, loc)
		if ok && p.done() {
			return t, nil
		}
		p.far = max(p.far, p.at)
		if p.far > furthest.far || (p.far == furthest.far && furthest.why == nil) {
			furthest = p
		}
	}
	furthest.at = 0
	return time.Time{}, furthest.lost(dateHint)
}

func readNow(p *phrase, now time.Time, _ *time.Location) (time.Time, bool) {
	return now, p.take("now")
}

// readRelative reads "in 5 minutes", "5 minutes" and "in 3 days at 9am".
func readRelative(p *phrase, now time.Time, loc *time.Location) (time.Time, bool) {
	p.take("in")
	v, ok := p.amounts()
	if !ok {
		return time.Time{}, false
	}
	t, ok := v.after(now, 1, loc)
	if !ok {
		p.at--
		p.fail(errBeyond)
		return time.Time{}, false
	}
	if p.done() || v.ms != 0 {
		return t, true
	}
	c, ok := p.atClock()
	if !ok {
		return time.Time{}, false
	}
	return c.on(wallOf(t, loc)).instant(loc), true
}

// readFromNow reads "5 minutes from now".
func readFromNow(p *phrase, now time.Time, loc *time.Location) (time.Time, bool) {
	v, ok := p.amounts()
	if !ok || !p.take("from", "now") {
		return time.Time{}, false
	}
	t, ok := v.after(now, 1, loc)
	return t, ok
}

// readDayFirst reads "tomorrow", "friday at 9am", "31 december 2026 21:00".
func readDayFirst(p *phrase, now time.Time, loc *time.Location) (time.Time, bool) {
	d, ok := p.day()
	if !ok {
		return time.Time{}, false
	}
	c, timed := clock{}, false
	if !p.done() {
		if c, timed = p.atClock(); !timed {
			return time.Time{}, false
		}
	}
	return p.resolve(d, c, timed, now, loc)
}

// readTimeFirst reads "at 18:00", "noon tomorrow", "9am on friday".
func readTimeFirst(p *phrase, now time.Time, loc *time.Location) (time.Time, bool) {
	c, ok := p.atClock()
	if !ok {
		return time.Time{}, false
	}
	if p.done() {
		today := c.on(wallOf(now, loc))
		if t := today.instant(loc); t.After(now) {
			return t, true
		}
		return wall{today.AddDate(0, 0, 1)}.instant(loc), true
	}
	d, ok := p.day()
	if !ok {
		return time.Time{}, false
	}
	return p.resolve(d, c, true, now, loc)
}

// on gives the reading of the clock c on the day of w.
func (c clock) on(w wall) wall {
	return wallDate(w.Year(), w.Month(), w.Day(), c.hour, c.minute, c.second, c.ms)
}

// amounts reads one or more numbers with units: "5 minutes", "90s", "1h30m", "2 weeks and 3 days", "half an hour".
func (p *phrase) amounts() (interval, bool) {
	sum, ok := p.amount()
	for ok && !p.done() {
		before := p.at
		p.take("and")
		more, another := p.amount()
		if !another {
			p.at = before
			break
		}
		if sum, ok = sum.plus(more); !ok {
			p.fail(errTooLong)
		}
	}
	return sum, ok
}

func (p *phrase) amount() (interval, bool) {
	if p.peek() == "half" && (p.ahead(1) == "an" || p.ahead(1) == "a") {
		if u, ok := wordUnit(p.ahead(2)); ok && u.ms > second {
			p.at += 3
			return interval{ms: u.ms / 2}, true
		}
	}
	if p.done() {
		p.fail(nil)
		return interval{}, false
	}
	word := p.words[p.at]
	number := word
	if n := numberOf(strings.ToLower(word)); n > 0 {
		number = strconv.Itoa(n)
	} else if !isDigits(word[:1]) {
		p.fail(nil)
		return interval{}, false
	} else if strings.IndexFunc(word, isUnitLetter) > 0 {
		return p.compact(word)
	}
	if !isNumber(number) {
		p.fail(nil)
		return interval{}, false
	}
	p.at++
	if p.done() {
		p.fail(fmt.Errorf("%s of what?", quote(word)))
		return interval{}, false
	}
	return p.counted(number, p.words[p.at])
}

// counted steps over the word that holds number of unit.
func (p *phrase) counted(number, name string) (interval, bool) {
	u, ok := wordUnit(name)
	if !ok {
		var err error
		if name == "M" {
			err = errors.New(`"M" could be minutes or months; write "minutes" or "months"`)
		}
		p.fail(err)
		return interval{}, false
	}
	v, err := quantity(number, u)
	if err != nil {
		p.fail(fmt.Errorf("%s %s: %w", shorten(number), name, err))
		return interval{}, false
	}
	p.at++
	return v, true
}

// compact reads a word like "90s" or "1h30m".
func (p *phrase) compact(word string) (interval, bool) {
	var sum interval
	start := p.at
	for word != "" {
		end := strings.IndexFunc(word, isUnitLetter)
		if end <= 0 || !isNumber(word[:end]) {
			p.at = start
			p.fail(nil)
			return interval{}, false
		}
		number := word[:end]
		stop := strings.IndexFunc(word[end:], func(r rune) bool { return !isUnitLetter(r) })
		name, rest := word[end:], ""
		if stop > 0 {
			name, rest = word[end:end+stop], word[end+stop:]
		}
		p.at = start
		v, ok := p.counted(number, name)
		if !ok {
			return interval{}, false
		}
		if sum, ok = sum.plus(v); !ok {
			p.at = start
			p.fail(errTooLong)
			return interval{}, false
		}
		word = rest
	}
	p.at = start + 1
	return sum, true
}

func isUnitLetter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }

func numberOf(word string) int {
	if word == "a" || word == "an" {
		return 1
	}
	names := [...]string{"one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"}
	return slices.Index(names[:], word) + 1
}

// atClock reads a time of day with or without "at" before it.
func (p *phrase) atClock() (clock, bool) {
	p.take("at")
	if p.take("noon") {
		return clock{hour: 12}, true
	}
	if p.take("midnight") {
		return clock{}, true
	}
	word := strings.ReplaceAll(p.peek(), ".m.", "m")
	if word == "" || !isDigits(word[:1]) {
		p.fail(nil)
		return clock{}, false
	}
	half, words := halfOfDay(word), 1
	if half != "" {
		word = strings.TrimSuffix(word, half)
	} else if next := strings.ReplaceAll(p.ahead(1), ".m.", "m"); next == "am" || next == "pm" {
		half, words = next, 2
	}
	c, err := readClock(word, half)
	if err != nil {
		if errors.Is(err, errNoClock) {
			err = nil
		}
		p.fail(err)
		return clock{}, false
	}
	p.at += words
	if isOClock(p.peek()) {
		p.at++
	}
	return c, true
}

func isOClock(word string) bool { return word == "o'clock" || word == "o’clock" }

func halfOfDay(word string) string {
	for _, half := range [...]string{"am", "pm"} {
		if strings.HasSuffix(word, half) {
			return half
		}
	}
	return ""
}

// errNoClock says that a word is no time of day at all.
var errNoClock = errors.New("no time of day")

// readClock reads "9", "9:30", "17:00:30" with half being "am", "pm" or "".
func readClock(word, half string) (clock, error) {
	var c clock
	switch {
	case isDigits(word) && len(word) <= 2:
		if half == "" && word != "0" && atoi(word) < 13 {
			return clock{}, fmt.Errorf("%s could be morning or evening; write it like \"9am\" or \"09:00\"", quote(word))
		}
		c.hour = atoi(word)
	default:
		if strings.IndexByte(word, ':') == 1 {
			word = "0" + word
		}
		var rest string
		var ok bool
		if c, rest, ok = isoClock(word); !ok || rest != "" {
			return clock{}, errNoClock
		}
	}
	if half != "" {
		if c.hour < 1 || c.hour > 12 {
			return clock{}, fmt.Errorf("there is no %s %s", word, half)
		}
		c.hour %= 12
		if half == "pm" {
			c.hour += 12
		}
	}
	return c, c.check()
}
