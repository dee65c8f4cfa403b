package wait_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adlayer/after/internal/wait"
)

func TestFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if !wait.For(t.Context(), time.Minute) || time.Since(began) != time.Minute {
			t.Errorf("it waited for %v", time.Since(began))
		}
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if began = time.Now(); wait.For(ctx, time.Minute) || time.Since(began) != time.Second {
			t.Errorf("the context did not end it: %v", time.Since(began))
		}
	})
}

func TestDoubled(t *testing.T) {
	t.Parallel()
	for failures, want := range map[int]time.Duration{0: 5 * time.Second, 1: 5 * time.Second, 2: 10 * time.Second, 5: 80 * time.Second, 10: 2560 * time.Second, 11: time.Hour, 1000: time.Hour} {
		if got := wait.Doubled(5*time.Second, failures, time.Hour); got != want {
			t.Errorf("after %d failures: %v, want %v", failures, got, want)
		}
	}
	if got := wait.Doubled(time.Hour, 1, time.Minute); got != time.Minute {
		t.Errorf("longer than the most: %v", got)
	}
}
