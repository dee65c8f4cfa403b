package task

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/adlayer/after/when"
)

// retryPolicy is a parsed retry. The zero value never retries.
type retryPolicy struct {
	limit     int64
	intervals []time.Duration // the pause before each retry; the last one for all that follow, where backoff is constant
	backoff   backoff
	factor    float64 // of exponential
	max       time.Duration
	jitter    float64       // part of a pause by which it varies either way
	total     time.Duration // from the firing's nominal date; no retry starts later. 0 is any
	retryOn   []string      // kinds, codes and classes of codes that alone are retried; nil is all
	giveUpOn  []string      // those that are not
}

type backoff uint8

const (
	exponential backoff = iota // grows by the factor
	linear                     // grows by the interval
	constant
)

const (
	defaultInterval = 30 * time.Second
	defaultMax      = time.Hour
	defaultFactor   = 2
	defaultJitter   = 0.1
	mostIntervals   = 100
)

// parseRetry reads an object, or a number, which is the limit.
func parseRetry(raw []byte) (retryPolicy, error) {
	p := retryPolicy{limit: -1, factor: defaultFactor, jitter: defaultJitter}
	switch {
	case raw[0] != '{':
		limit, err := parseLimit(raw)
		if err != nil {
			return retryPolicy{}, fmt.Errorf("must be a number or an object with limit: %w", err)
		}
		p.limit = limit
	default:
		err := eachField(raw, func(key, value []byte) error {
			if string(value) == "null" {
				return nil
			}
			if err := p.set(string(key), value); err != nil {
				return fmt.Errorf("%s: %w", shorten(key), err)
			}
			return nil
		})
		if err != nil {
			return retryPolicy{}, err
		}
	}
	return p, p.complete()
}

// complete fills in what is not said.
func (p *retryPolicy) complete() error {
	if p.limit < 0 && len(p.intervals) > 1 {
		p.limit = int64(len(p.intervals))
	}
	if p.limit < 0 {
		return errors.New("limit: is missing; say how many times an error is retried")
	}
	if len(p.intervals) == 0 {
		p.intervals = []time.Duration{defaultInterval}
	}
	if len(p.intervals) > 1 {
		p.backoff = constant
	}
	if p.max == 0 {
		p.max = max(defaultMax, slices.Max(p.intervals))
	}
	return nil
}

func (p *retryPolicy) set(key string, value []byte) (err error) {
	switch key {
	case "limit":
		p.limit, err = parseLimit(value)
	case "interval":
		p.intervals, err = parseIntervals(value)
	case "max":
		p.max, err = aboveZero(value)
	case "total":
		p.total, err = aboveZero(value)
	case "factor":
		p.factor, err = parseNumber(value, 1, 1000)
	case "jitter":
		p.jitter, err = parseNumber(value, 0, 1)
	case "retry_on":
		p.retryOn, err = parseConditions(value)
	case "give_up_on":
		p.giveUpOn, err = parseConditions(value)
	case "backoff":
		switch textOf(value) {
		case "exponential":
			p.backoff = exponential
		case "linear":
			p.backoff = linear
		case "constant":
			p.backoff = constant
		default:
			err = fmt.Errorf("must be \"exponential\", \"linear\" or \"constant\", not %s", shorten(value))
		}
	default:
		err = errors.New("unknown key; known are limit, interval, backoff, factor, max, jitter, total, retry_on and give_up_on")
	}
	return err
}

func parseLimit(value []byte) (int64, error) {
	limit, err := strconv.ParseInt(string(shorten(value)), 10, 64)
	if err != nil || limit < 0 {
		return 0, fmt.Errorf("must be a whole number, zero or more, not %s", shorten(value))
	}
	return limit, nil
}

func parseNumber(value []byte, least, most float64) (float64, error) {
	n, err := strconv.ParseFloat(string(shorten(value)), 64)
	if err != nil || !(n >= least && n <= most) {
		return 0, fmt.Errorf("must be a number from %g to %g, not %s", least, most, shorten(value))
	}
	return n, nil
}

func aboveZero(value []byte) (time.Duration, error) {
	d, err := when.ParseDurationJSON(value)
	if err == nil && d <= 0 {
		err = errors.New("must be above zero")
	}
	return d, err
}

// parseIntervals reads one duration or an array of them.
func parseIntervals(value []byte) ([]time.Duration, error) {
	if value[0] != '[' {
		d, err := when.ParseDurationJSON(value)
		return []time.Duration{d}, err
	}
	var all []time.Duration
	err := eachElement(value, func(element []byte) error {
		d, err := when.ParseDurationJSON(element)
		if err == nil && len(all) == mostIntervals {
			err = fmt.Errorf("more than %d intervals", mostIntervals)
		}
		all = append(all, d)
		return err
	})
	if err == nil && len(all) == 0 {
		err = errors.New("has no interval")
	}
	return all, err
}

// parseConditions reads an array of kinds of errors ("timeout"), codes (503) and classes of codes ("5xx").
func parseConditions(value []byte) ([]string, error) {
	wrong := errors.New("must be an array of kinds such as \"timeout\", codes such as 503 and classes such as \"5xx\"")
	if value[0] != '[' {
		return nil, wrong
	}
	all := []string{}
	err := eachElement(value, func(element []byte) error {
		if text, ok := unquote(element); ok {
			if !isKind(string(text)) && !isClass(string(text)) {
				return fmt.Errorf("%q is neither a kind (%s) nor a class of codes such as \"5xx\"", shorten(text), strings.Join(retryKinds(), ", "))
			}
			all = append(all, string(text))
			return nil
		}
		if _, err := strconv.ParseInt(string(shorten(element)), 10, 64); err != nil {
			return wrong
		}
		all = append(all, string(element))
		return nil
	})
	return all, err
}

// retryKinds are the kinds of errors that another attempt could mend.
func retryKinds() []string {
	return []string{KindJob, KindPanic, KindTimeout, KindOverlap, KindInvalid}
}

func isKind(text string) bool { return slices.Contains(retryKinds(), text) }

// isClass says whether text is a class of HTTP codes, "1xx" to "5xx".
func isClass(text string) bool {
	return len(text) == 3 && text[0] >= '1' && text[0] <= '5' && text[1:] == "xx"
}

// holds says whether one of the conditions is true of an outcome.
func holds(conditions []string, o Outcome) bool {
	code := strconv.FormatInt(o.Code, 10)
	for _, c := range conditions {
		if c == o.kind() || c == code || isClass(c) && len(code) == 3 && code[0] == c[0] {
			return true
		}
	}
	return false
}

// retries says whether an error of the planned firing is tried again.
func (t *Task) retries(o Outcome, v View) bool {
	p := &t.retry
	switch {
	case t.Retries >= p.limit:
		return false
	case p.total > 0 && t.retryDue(o, v).After(later(t.Plan.Nominal, p.total)):
		return false
	case t.Expired(t.retryDue(o, v)):
		return false
	case len(p.giveUpOn) > 0 && holds(p.giveUpOn, o):
		return false
	case o.Permanent:
		return o.Code != 0 && holds(p.retryOn, Outcome{Code: o.Code, Kind: KindUnknown}) // the code itself is named, not its kind
	case p.retryOn != nil:
		return holds(p.retryOn, o)
	}
	return o.retryable()
}

// retryDue gives the date of the next retry after an error.
func (t *Task) retryDue(o Outcome, v View) time.Time {
	return later(v.Now, max(o.RetryAfter, t.retry.delay(t.Plan.Key, t.Retries+1)))
}

// delay is the pause before the retry of this number, from 1. It varies by the jitter, so that tasks that failed together do not come
// back together, but is the same for the same firing and number, and never above max.
func (p *retryPolicy) delay(key string, number int64) time.Duration {
	base := float64(p.intervals[min(number, int64(len(p.intervals)))-1])
	switch p.backoff {
	case exponential:
		base *= math.Pow(p.factor, float64(min(number-1, 100)))
	case linear:
		base *= float64(number)
	case constant:
	}
	limit := float64(p.max)
	base = min(base, limit)
	base *= 1 + p.jitter*jitter(key, number)
	if base > limit {
		base = 2*limit - base
	}
	return time.Duration(base).Truncate(time.Millisecond)
}

// jitter is a number from -1 to 1 that looks random over keys and numbers.
func jitter(key string, number int64) float64 {
	h := fnv.New64a()
	_, _ = h.Write(strconv.AppendInt(append([]byte(key), '#'), number, 10)) // a hash never fails
	const steps = 1 << 20
	mixed := h.Sum64() * 0x9e3779b97f4a7c15 >> 44
	return 2*float64(mixed)/steps - 1
}
