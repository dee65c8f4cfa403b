package when

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// longestDuration is what a time.Duration can hold, in milliseconds: about 292 years.
const longestDuration = math.MaxInt64 / int64(time.Millisecond)

// ParseDuration reads a length of time that is the same everywhere: "30s", "1h30m", "1.5 hours", "500ms", "2d" (of 24 hours),
// "1w", "1 hour and 30 minutes", "PT30S". Years and months are refused, and so is anything negative.
func ParseDuration(text string) (time.Duration, error) {
	v, err := parseInterval(strings.TrimSpace(text))
	if err == nil && v.months != 0 {
		err = errors.New("years and months have no fixed length; use weeks, days or less")
	}
	if err == nil && v.mean() > float64(longestDuration) {
		err = errors.New("more than 292 years")
	}
	if err != nil {
		return 0, fmt.Errorf("cannot read the duration %s: %w", quote(text), err)
	}
	return time.Duration(v.days*day+v.ms) * time.Millisecond, nil
}

// ParseDurationJSON reads a duration from JSON: a string as ParseDuration takes it, or a number of milliseconds.
func ParseDurationJSON(raw []byte) (time.Duration, error) {
	raw = bytes.TrimSpace(raw)
	switch kindOf(raw) {
	case kindString:
		text, err := unquote(raw)
		if err != nil {
			return 0, fmt.Errorf("cannot read the duration: %w", err)
		}
		return ParseDuration(text)
	case kindNumber:
		ms, err := strconv.ParseFloat(string(raw), 64)
		switch {
		case err != nil || ms > float64(longestDuration/2):
			return 0, fmt.Errorf("cannot read the duration %s: more than 146 years in milliseconds", shorten(string(raw)))
		case ms < 0:
			return 0, fmt.Errorf("cannot read the duration %s: it is negative", shorten(string(raw)))
		}
		return time.Duration(ms * float64(time.Millisecond)), nil
	default:
		return 0, fmt.Errorf("cannot read the duration %s: it must be a string such as \"30s\" or a number of milliseconds", shorten(string(raw)))
	}
}

// parseInterval reads an ISO 8601 duration or amounts in words.
func parseInterval(text string) (interval, error) {
	switch {
	case text == "":
		return interval{}, errors.New("it is empty; write it like \"30s\" or \"1h30m\"")
	case len(text) > longestDate:
		return interval{}, fmt.Errorf("longer than %d bytes", longestDate)
	case text[0] == '-':
		return interval{}, errors.New("it is negative")
	case text[0] == 'P' || text[0] == 'p':
		return parseISO(text)
	}
	p := phrase{words: split(text)}
	v, ok := p.amounts()
	if !ok || !p.done() {
		return interval{}, p.lost("write it like \"30s\", \"1h30m\" or \"PT30S\"")
	}
	return v, nil
}

// parseISO reads an ISO 8601 duration: P[nY][nM][nW][nD][T[nH][nM][nS]], where the last number may have a fraction unless
// it counts years or months.
func parseISO(text string) (interval, error) {
	days, clock, timed := strings.Cut(strings.ToUpper(text[1:]), "T")
	if timed && clock == "" {
		return interval{}, errors.New("nothing comes after the T")
	}
	if !timed && days == "" {
		return interval{}, errors.New("nothing comes after the P")
	}
	if timed && strings.ContainsAny(days, ".,") {
		return interval{}, errors.New("only the last number can have a fraction")
	}
	v, err := parseISOPart(days, "YMWD", [...]string{"y", "M", "w", "d"})
	if err != nil {
		return interval{}, err
	}
	rest, err := parseISOPart(clock, "HMS", [...]string{"h", "m", "s", ""})
	if err != nil {
		return interval{}, err
	}
	sum, ok := v.plus(rest)
	if !ok {
		return interval{}, errTooLong
	}
	return sum, nil
}

// parseISOPart reads numbers with the letters of units, each at most once and in this order; keys are their names for keyUnit.
func parseISOPart(text, letters string, keys [4]string) (interval, error) {
	var sum interval
	next, fraction := 0, false
	for text != "" {
		end := strings.IndexFunc(text, func(r rune) bool { return (r < '0' || r > '9') && r != '.' && r != ',' })
		if fraction {
			return interval{}, errors.New("only the last number can have a fraction")
		}
		at := -1
		if end > 0 {
			at = strings.IndexByte(letters[next:], text[end])
		}
		if at < 0 {
			return interval{}, fmt.Errorf("%s is not understood; write it like P1M2DT1H10M5S", quote(text))
		}
		u, _, _ := keyUnit(keys[next+at])
		v, err := quantity(text[:end], u)
		if err != nil {
			return interval{}, err
		}
		fraction = strings.ContainsAny(text[:end], ".,")
		sum.months, sum.days, sum.ms = sum.months+v.months, sum.days+v.days, sum.ms+v.ms
		next, text = next+at+1, text[end+1:]
	}
	return sum, nil
}
