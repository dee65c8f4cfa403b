package cli

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/adlayer/after/when"
)

// repeatFlags say when a task fires again.
type repeatFlags struct {
	rule, until    string
	flag           string // that gave the rule; empty is repeat
	times          int64
	jitter, adjust string
	except         []string
}

func (f *repeatFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.rule, "repeat", "",
		"`again` and again: 5m, \"every weekday at 9:00\", \"0 9 * * MON-FRI\", P1M, FREQ=WEEKLY;BYDAY=FR, or the document's object")
	flags.Int64Var(&f.times, "times", 0, "how `often` a repeat fires in all (default: for ever)")
	flags.StringVar(&f.until, "until", "", "the last `date` a repeat may have")
	flags.StringVar(&f.jitter, "jitter", "", "start each firing of a repeat up to this `long` after its date, spread evenly: 30s")
	flags.StringArrayVar(&f.except, "except", nil,
		"leave out a `day` of a repeat, a range (2026-12-24/2027-01-01), or the days of a calendar, by its id; may be given more than once")
	flags.StringVar(&f.adjust, "adjust", "", "`where` a date of a repeat goes that is on a weekend or left out: next, previous or skip")
}

// bounds are the flags that say more of the rule, as the document's object has them.
func (f *repeatFlags) bounds(now time.Time, loc *time.Location) (map[string]any, error) {
	object := map[string]any{}
	if f.times != 0 {
		object["limit"] = f.times
	}
	if f.until != "" {
		date, err := when.ParseDate(f.until, now, loc)
		if err != nil {
			return nil, fmt.Errorf("--until: %w", err)
		}
		object["until"] = when.Format(date.Time)
		if isDay(f.until) { // that whole day
			object["until"] = strings.TrimSpace(f.until)
		}
	}
	if f.jitter != "" {
		if _, err := when.ParseDuration(f.jitter); err != nil {
			return nil, fmt.Errorf("--jitter: %w", err)
		}
		object["jitter"] = f.jitter
	}
	if len(f.except) > 0 {
		object["except"] = f.except
	}
	if f.adjust != "" {
		object["adjust"] = f.adjust
	}
	return object, nil
}

// isDay says whether a text is a date without a time, as 2026-12-01.
func isDay(text string) bool {
	_, err := time.Parse(time.DateOnly, strings.TrimSpace(text))
	return err == nil
}

// document makes the document's `repeat` of the flags: a rule in any grammar, or the document's object; nil where there is none. A bare
// unit or amount means every such time: "month", "1d12h".
func (f *repeatFlags) document(now time.Time, loc *time.Location) (json.RawMessage, error) {
	bounds, err := f.bounds(now, loc)
	if err != nil {
		return nil, err
	}
	text := strings.TrimSpace(f.rule)
	if text == "" {
		if len(bounds) > 0 {
			return nil, errors.New("--times, --until, --jitter, --except and --adjust belong to --repeat")
		}
		return nil, nil
	}
	raw, err := withBounds(text, bounds, when.Scope{Now: now, Zone: loc, Calendar: anyCalendar})
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", cmp.Or(f.flag, "repeat"), err)
	}
	return raw, nil
}

// withBounds makes the document's `repeat` of a rule and of what bounds it.
func withBounds(text string, bounds map[string]any, scope when.Scope) (json.RawMessage, error) {
	_, text, err := ruleOf(text, scope)
	if err != nil {
		return nil, err
	}
	var rule any = text
	if json.Valid([]byte(text)) { // an object, or a number of milliseconds
		rule = json.RawMessage(text)
	}
	if len(bounds) == 0 {
		return json.Marshal(rule)
	}
	object := map[string]any{"every": rule}
	if strings.HasPrefix(text, "{") {
		object = map[string]any{}
		if err := json.Unmarshal([]byte(text), &object); err != nil {
			return nil, err
		}
	}
	maps.Copy(object, bounds)
	raw, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	_, err = when.ParseRule(raw, scope)
	return raw, err
}
