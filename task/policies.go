package task

import (
	"errors"
	"fmt"
	"time"

	"github.com/adlayer/after/when"
)

// missedBounds says how far back and how many missed dates run.
type missedBounds struct {
	window time.Duration // 0 is any
	limit  int64         // of "all": how many of the latest
}

const (
	defaultMissedLimit = 100
	mostMissedLimit    = 100_000
	mostAfter          = 100
)

// waitFor says what a task waits for in others.
type waitFor string

const (
	waitDone  waitFor = "done"
	waitEnded waitFor = "ended"
	waitError waitFor = "error"
)

// readRecurring reads what is about dates: those that were missed, those that come during a run, those that come too late, and errors in
// a row.
func (t *Task) readRecurring() {
	t.missed.limit = defaultMissedLimit
	if value := t.value(fieldMissed); value != nil {
		if err := t.readMissed(value); err != nil {
			t.wrong(fieldMissed, err)
		}
	}
	switch overlap := Overlap(t.text(fieldOverlap)); overlap {
	case "":
	case OverlapSkip, OverlapQueue, OverlapQueueAll, OverlapCancel, OverlapAllow:
		t.Overlap = overlap
	default:
		t.wrong(fieldOverlap, fmt.Errorf("must be \"skip\", \"queue\", \"queue-all\", \"cancel\" or \"allow\", not %q", shorten([]byte(overlap))))
	}
	if value := t.value(fieldPauseAfter); value != nil {
		var err error
		if t.pause, err = parseLimit(value); err != nil {
			t.wrong(fieldPauseAfter, err)
		}
	}
	if t.Expires = t.value(fieldExpires); t.Expires != nil {
		if _, err := t.expiry(time.Time{}); err != nil {
			t.wrong(fieldExpires, err)
		}
	}
}

// readMissed reads a word, or an object {"rule", "window", "limit"}.
func (t *Task) readMissed(value []byte) error {
	if value[0] != '{' {
		return t.missedRule(value)
	}
	return eachField(value, func(key, value []byte) (err error) {
		switch string(key) {
		case "rule":
			return t.missedRule(value)
		case "window":
			if t.missed.window, err = when.ParseDurationJSON(value); err != nil {
				return fmt.Errorf("window: %w", err)
			}
		case "limit":
			if t.missed.limit, err = parseLimit(value); err != nil {
				return fmt.Errorf("limit: %w", err)
			}
			if t.missed.limit < 1 || t.missed.limit > mostMissedLimit {
				return fmt.Errorf("limit: must be 1 to %d", mostMissedLimit)
			}
		default:
			return fmt.Errorf("%q is an unknown key; known are rule, window and limit", shorten(key))
		}
		return nil
	})
}

func (t *Task) missedRule(value []byte) error {
	switch text := textOf(value); Missed(text) {
	case MissedRun, "":
		t.Missed = MissedRun
	case MissedSkip:
		t.Missed = MissedSkip
	case MissedAll:
		t.Missed = MissedAll
	default:
		return fmt.Errorf("must be \"run\", \"skip\" or \"all\", not %s", shorten(value))
	}
	if value[0] != '"' {
		return fmt.Errorf("must be \"run\", \"skip\" or \"all\", not %s", shorten(value))
	}
	return nil
}

// readDependence reads what the task waits for.
func (t *Task) readDependence() {
	t.until = waitDone
	switch word := waitFor(t.text(fieldWhen)); word {
	case "":
	case waitDone, waitEnded, waitError:
		t.until = word
	default:
		t.wrong(fieldWhen, fmt.Errorf("must be \"done\", \"ended\" or \"error\", not %q", shorten([]byte(word))))
	}
	value := t.value(fieldAfter)
	if value == nil {
		return
	}
	if err := t.readAfter(value); err != nil {
		t.wrong(fieldAfter, err)
	}
}

func (t *Task) readAfter(value []byte) error {
	wrong := fmt.Errorf("must be the id of a task or an array of ids, not %s", shorten(value))
	if text, ok := unquote(value); ok {
		t.After = []string{string(text)}
	} else {
		if value[0] != '[' {
			return wrong
		}
		err := eachElement(value, func(element []byte) error {
			text, ok := unquote(element)
			switch {
			case !ok:
				return wrong
			case len(t.After) == mostAfter:
				return fmt.Errorf("names more than %d tasks", mostAfter)
			}
			t.After = append(t.After, string(text))
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, id := range t.After {
		switch id {
		case "":
			return errors.New("names a task without an id")
		case t.ID:
			return errors.New("names the task itself: it would wait for ever")
		}
	}
	return nil
}

// expiry gives the instant by which a firing must have started; zero is never. A duration counts from the nominal date.
func (t *Task) expiry(nominal time.Time) (time.Time, error) {
	if t.Expires == nil {
		return time.Time{}, nil
	}
	if t.Expires[0] == '"' {
		if d, err := when.ParseDurationJSON(t.Expires); err == nil {
			return later(nominal, d), nil
		}
	}
	loc, err := when.LoadLocation(t.Timezone)
	if err != nil {
		loc = time.UTC // timezone says so itself
	}
	date, err := when.ParseDateJSON(t.Expires, time.Time{}, loc)
	switch {
	case err != nil:
		return time.Time{}, err
	case date.Words:
		return time.Time{}, errors.New("words would move with every reading; write a date such as \"2026-12-01 09:00\", or a duration such as \"10m\"")
	}
	return date.Time, nil
}

// ExpiresAt gives the instant after which the next firing of the task may not start any more; zero is never. A task that nobody has planned
// yet expires as if it were planned now, or at v.Since.
func (t *Task) ExpiresAt(v View) time.Time {
	if t.Expires == nil || t.invalid != nil {
		return time.Time{}
	}
	var nominal time.Time
	switch {
	case t.Plan == nil || t.Asks():
		_, first, _, _, err := t.firstFiring(v.since(), v)
		if err != nil {
			return time.Time{} // it ends as an error when it is planned
		}
		nominal = first
	case t.Plan.Interrupted:
		return time.Time{}
	default:
		nominal = t.Plan.Nominal
	}
	at, _ := t.expiry(nominal) // what cannot be read made the task invalid
	return at
}

func (v View) since() time.Time {
	if v.Since.IsZero() {
		return cut(v.Now)
	}
	return cut(v.Since)
}

// Expired says whether the planned firing may not start any more at now.
func (t *Task) Expired(now time.Time) bool {
	if t.Expires == nil || t.Plan == nil {
		return false
	}
	at := t.ExpiresAt(View{})
	return !at.IsZero() && now.After(at)
}

// Expire gives the document of a task whose next firing could not start in time: an error of kind expired; a repeat goes on.
func Expire(t *Task, v View) Decision {
	v.Now = cut(v.Now)
	return t.displaced(t.expire(v), v)
}

func (t *Task) expire(v View) Decision {
	next := t.change(v)
	if t.Plan == nil || t.Asks() {
		var err error
		if next, _, err = t.draft(v.since(), v); err != nil {
			return t.refuse(err, v)
		}
	}
	if next.Retries > 0 && next.Error != nil { // it did start: what failed then says more than that its retry came too late
		failure := *next.Error
		failure.Next = time.Time{}
		next.setError(&failure)
		return next.advance(Outcome{Err: errors.New(failure.Message), Kind: failure.Kind}, v)
	}
	at, _ := t.expiry(next.Plan.Nominal) // what cannot be read made the task invalid
	err := fmt.Errorf("it could not start before it expired at %s", when.Format(at))
	next.setError(&Failure{Message: err.Error(), Kind: KindExpired})
	return next.advance(Outcome{Err: err, Kind: KindExpired}, v)
}
