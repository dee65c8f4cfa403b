// Package wait waits before what has failed is tried again.
package wait

import (
	"context"
	"time"
)

// For waits for d, and says whether the context let it to the end.
func For(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// Doubled is how long to wait after so many failures in a row, the first of which is 1: twice as long after each, from the first wait to the most.
func Doubled(first time.Duration, failures int, most time.Duration) time.Duration {
	d := min(first, most)
	for ; failures > 1 && d < most; failures-- {
		if d > most/2 {
			return most
		}
		d *= 2
	}
	return d
}
