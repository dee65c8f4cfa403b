package task

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"strconv"
	"time"

	"github.com/adlayer/after/when"
)

// retryPolicy is a parsed retry. The zero value never retries.
type retryPolicy struct {
	limit    int64
	interval time.Duration
	backoff  backoff
	max      time.Duration
}

type backoff uint8

const (
	exponential backoff = iota // doubles
	linear                     // grows by the interval
	constant
)

const (
	defaultInterval = 30 * time.Second
	defaultMax      = time.Hour
)

// parseRetry reads {"limit", "interval", "backoff", "max"} or a number, which is the limit.
func parseRetry(raw []byte) (retryPolicy, error) {
	p := retryPolicy{limit: -1, interval: defaultInterval}
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
	if p.limit < 0 {
		return retryPolicy{}, errors.New("limit: is missing; say how many times an error is retried")
	}
	if p.max == 0 {
		p.max = max(defaultMax, p.interval)
	}
	return p, nil
}

func (p *retryPolicy) set(key string, value []byte) (err error) {
	switch key {
	case "limit":
		p.limit, err = parseLimit(value)
	case "interval":
		p.interval, err = when.ParseDurationJSON(value)
	case "max":
		if p.max, err = when.ParseDurationJSON(value); err == nil && p.max <= 0 {
			err = errors.New("must be above zero")
		}
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
		err = errors.New("unknown key; known are limit, interval, backoff and max")
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

// delay is the pause before the retry of this number, from 1. It varies by up to a tenth, so that tasks that failed together do not
// come back together, but is the same for the same firing and number, and never above max.
func (p *retryPolicy) delay(key string, number int64) time.Duration {
	base := float64(p.interval)
	switch p.backoff {
	case exponential:
		base *= math.Pow(2, float64(min(number-1, 100)))
	case linear:
		base *= float64(number)
	case constant:
	}
	limit := float64(p.max)
	base = min(base, limit)
	base *= 1 + jitter(key, number)
	if base > limit {
		base = 2*limit - base
	}
	return time.Duration(base).Truncate(time.Millisecond)
}

// jitter is a number from -0.1 to 0.1 that looks random over keys and numbers.
func jitter(key string, number int64) float64 {
	h := fnv.New64a()
	_, _ = h.Write(strconv.AppendInt(append([]byte(key), '#'), number, 10)) // a hash never fails
	const steps = 1 << 20
	mixed := h.Sum64() * 0x9e3779b97f4a7c15 >> 44
	return 0.2*float64(mixed)/steps - 0.1
}
