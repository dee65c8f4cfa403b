// Package torture lets tests of random or repeated things run longer, and repeats them.
//
// The environment says how: AFTER_TORTURE is the factor by which they are longer, AFTER_SEED the seed of a run that is to be repeated.
package torture

import (
	"flag"
	"os"
	"strconv"
	"testing"
	"time"
)

// Times is n, or as many times n as AFTER_TORTURE says.
func Times(n int) int {
	if factor, err := strconv.Atoi(os.Getenv("AFTER_TORTURE")); err == nil && factor > 0 {
		return n * factor
	}
	return n
}

// Checks has each property of rapid in the test program tried n times, or as many times n as AFTER_TORTURE says; -rapid.checks has the last word.
// A TestMain calls it.
func Checks(n int) {
	if err := flag.Set("rapid.checks", strconv.Itoa(Times(n))); err != nil {
		panic(err) // the program has no such property
	}
}

// Asked tells whether long tests are asked for.
func Asked() bool { return Times(1) > 1 }

// Seed gives the seed of a random test, and logs it: AFTER_SEED, or a new one.
func Seed(tb testing.TB) uint64 {
	tb.Helper()
	return SeedOr(tb, uint64(time.Now().UnixNano()))
}

// SeedOr is Seed with a given seed in the place of a new one.
func SeedOr(tb testing.TB, seed uint64) uint64 {
	tb.Helper()
	if text := os.Getenv("AFTER_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			tb.Fatal("AFTER_SEED: ", err)
		}
	}
	tb.Logf("AFTER_SEED=%d", seed)
	return seed
}
