package couch

import (
	"context"
	"math/rand/v2"
	"time"
)

// Again tries what a conflict refuses (409) up to 20 times, after short whiles that differ from those of others who try the same. It gives the
// error of the last try, or why ctx ended.
func Again(ctx context.Context, try func() error) error {
	const (
		tries = 20
		unit  = 2 * time.Millisecond
	)
	for n := 1; ; n++ {
		err := try()
		if !IsConflict(err) || n == tries {
			return err
		}
		timer := time.NewTimer(rand.N(time.Duration(n) * unit)) //nolint:gosec // only spreads the tries
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-timer.C:
		}
	}
}
