package task

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/adlayer/after/when"
)

// Expect says how often a task is to be done: the field expect, "every 1h", or {"every": "1h", "worker": "watchman"} where another worker
// than the task's own watches over it.
type Expect struct {
	Every  time.Duration // at least a second
	Worker string        // "" is the task's own
}

const leastExpected = time.Second

// ParsePeriod reads how often something is expected: "every 1h", "1h", "every day".
func ParsePeriod(text string) (time.Duration, error) {
	amount := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(text), "every "))
	every, err := when.ParseDuration(amount)
	if err != nil { // "every day" has no number
		if one, oneErr := when.ParseDuration("1 " + amount); oneErr == nil {
			every, err = one, nil
		}
	}
	switch {
	case err != nil:
		return 0, err
	case every < leastExpected:
		return 0, fmt.Errorf("%q is too short: at least %v", shortenText(text, mostHistoryError), leastExpected)
	}
	return every, nil
}

// ParseExpect reads the field expect.
func ParseExpect(value []byte) (*Expect, error) {
	e := &Expect{}
	if value[0] != '{' {
		return e, e.readEvery(value)
	}
	err := eachField(value, func(key, value []byte) error {
		switch string(key) {
		case "every":
			return e.readEvery(value)
		case "worker":
			text, ok := unquote(value)
			if !ok {
				return fmt.Errorf("worker: must be a string, not %s", shorten(value))
			}
			e.Worker = string(text)
		default:
			return fmt.Errorf("%q is an unknown key; known are every and worker", shorten(key))
		}
		return nil
	})
	if err == nil && e.Every == 0 {
		err = errors.New("every is missing: how often is it to be done?")
	}
	return e, err
}

func (e *Expect) readEvery(value []byte) (err error) {
	text, ok := unquote(value)
	if !ok {
		return fmt.Errorf("must be a period such as \"every 1h\", not %s", shorten(value))
	}
	e.Every, err = ParsePeriod(string(text))
	return err
}

// LastDone gives when the task was last done, as far as its document tells; zero is never.
func (t *Task) LastDone() time.Time {
	switch {
	case t.Plan != nil && !t.Plan.Done.IsZero():
		return t.Plan.Done
	case t.Plan != nil && t.Plan.Last != nil && t.Plan.Last.Status == Done:
		return t.Plan.Last.At
	case t.Status == Done:
		return t.Finished
	}
	return time.Time{}
}

func (p *Plan) done() time.Time {
	if p == nil {
		return time.Time{}
	}
	return p.Done
}
