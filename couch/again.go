package couch

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/adlayer/after/internal/wait"
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
		if !wait.For(ctx, rand.N(time.Duration(n)*unit)) { //nolint:gosec // only spreads the tries
			return context.Cause(ctx)
		}
	}
}
