package when

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// longestCron bounds a cron line, in bytes.
const longestCron = 1024

// cronSeries is a cron line on the clocks of a zone.
type cronSeries struct {
	clockSeries

	line *cronLine
	// own is the zone that the line itself names where that is another than the one it was read in; else "".
	own string
}

func (c *cronSeries) String() string {
	if c.own != "" {
		return "CRON_TZ=" + c.own + " " + c.line.String()
	}
	return c.line.String()
}

func (c *cronSeries) anchored() bool { return false }

// parseCron reads a cron line of five fields (minute, hour, day of month, month, weekday), six (seconds first) or seven (years last),
// or a macro such as "@daily" or "@every 90s". A prefix such as "CRON_TZ=Europe/Berlin " sets the zone.
func parseCron(text string, scope Scope) (parsed, error) {
	p, err := readCron(strings.TrimSpace(text), scope)
	if err != nil {
		return parsed{}, fmt.Errorf("cannot read the cron line %s: %w", quote(text), err)
	}
	return p, nil
}

func readCron(text string, scope Scope) (parsed, error) {
	if len(text) > longestCron {
		return parsed{}, fmt.Errorf("longer than %d bytes", longestCron)
	}
	loc, own, text, err := cronZone(text, scope)
	if err != nil {
		return parsed{}, err
	}
	if strings.HasPrefix(text, "@") {
		name, rest, _ := strings.Cut(text, " ")
		if strings.EqualFold(name, "@every") {
			return cronEvery(rest, loc)
		}
		if text, err = cronMacro(text); err != nil {
			return parsed{}, err
		}
	}
	line, err := parseCronLine(text, scope.Seed)
	if err != nil {
		return parsed{}, err
	}
	if len(text) > longestCron/2 && len(line.String()) > longestCron {
		return parsed{}, fmt.Errorf("longer than %d bytes when all of its values are written out", longestCron)
	}
	series := &cronSeries{line: line, own: own}
	series.clockSeries = clockSeries{
		pattern:  line,
		loc:      loc,
		skipsGap: line.hour.steps,
		twice:    line.second.steps || line.minute.steps || line.hour.steps,
	}
	if !line.comes() {
		return parsed{}, errors.New("it never comes: no day is on all of its day, month, weekday and year fields")
	}
	if _, ok := series.after(firstReading, firstReading); !ok {
		return parsed{}, errors.New("it never comes: the clocks of its zone jump over all of its times")
	}
	return parsed{series: series, comes: true}, nil
}

// cronZone takes the prefix CRON_TZ= or TZ= off a line.
func cronZone(text string, scope Scope) (loc *time.Location, own, rest string, err error) {
	name, ok := cutZonePrefix(text)
	if !ok {
		return scope.zone(), "", text, nil
	}
	name, rest, _ = strings.Cut(name, " ")
	rest = strings.TrimSpace(rest)
	if rest == "" {
		return nil, "", "", errors.New("nothing comes after the zone; write it like \"CRON_TZ=Europe/Berlin 0 9 * * *\"")
	}
	if loc, err = LoadLocation(name); err != nil {
		return nil, "", "", err
	}
	if loc.String() != scope.zone().String() {
		own = loc.String()
	}
	return loc, own, rest, nil
}

func cutZonePrefix(text string) (rest string, ok bool) {
	if rest, ok = strings.CutPrefix(text, "CRON_TZ="); ok {
		return rest, true
	}
	return strings.CutPrefix(text, "TZ=")
}

// cronMacro gives the fields that a macro stands for.
func cronMacro(text string) (string, error) {
	switch strings.ToLower(text) {
	case "@yearly", "@annually":
		return "0 0 1 1 *", nil
	case "@monthly":
		return "0 0 1 * *", nil
	case "@weekly":
		return "0 0 * * 0", nil
	case "@daily", "@midnight":
		return "0 0 * * *", nil
	case "@hourly":
		return "0 * * * *", nil
	case "@reboot":
		return "", errors.New("@reboot names no time: a task is not bound to the start of a machine; use a date")
	}
	return "", fmt.Errorf("%s is unknown; known are @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly and @every 90s", quote(text))
}

// cronEvery reads what follows @every: an exact length of time, counted from the first date.
func cronEvery(text string, loc *time.Location) (parsed, error) {
	if strings.TrimSpace(text) == "" {
		return parsed{}, errors.New("@every needs a length of time, such as \"@every 90s\"")
	}
	length, err := ParseDuration(text)
	switch {
	case err != nil:
		return parsed{}, err
	case length < time.Millisecond:
		return parsed{}, errors.New("it never advances: @every needs at least a millisecond")
	}
	return parsed{series: &intervalSeries{every: interval{ms: length.Milliseconds()}, loc: loc}}, nil
}

// LooksLikeCron says whether text is meant as a cron line, be it a wrong one: a macro, a zone before it, a field that is a star, or
// fields throughout.
func LooksLikeCron(text string) bool {
	text = strings.TrimSpace(text)
	if _, ok := cutZonePrefix(text); ok || strings.HasPrefix(text, "@") {
		return true
	}
	fields := strings.Fields(text)
	if len(fields) < 2 || strings.HasPrefix(text, "{") {
		return false
	}
	all := len(fields) >= 5
	for _, field := range fields {
		if field[0] == '*' || field[0] == '?' {
			return true
		}
		all = all && isCronField(field)
	}
	return all || len(fields) >= 5 && isCronNumbers(fields[0]) && isCronNumbers(fields[1])
}

func isCronNumbers(field string) bool { return strings.Trim(field, "0123456789,-/~") == "" }

// isCronField says whether a word has only what fields are made of: numbers, signs, and letters that mean something in one.
func isCronField(field string) bool {
	field = strings.ToUpper(field)
	for field != "" {
		switch {
		case strings.IndexByte("0123456789*?/,-~#()LWH", field[0]) >= 0:
			field = field[1:]
		case len(field) >= 3 && (cronName(cronMonth, field[:3]) >= 0 || cronName(cronWeekday, field[:3]) >= 0):
			field = field[3:]
		default:
			return false
		}
	}
	return true
}
