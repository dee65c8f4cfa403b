package store_test

import (
	"os"
	"testing"

	"github.com/adlayer/after/internal/torture"
)

func TestMain(m *testing.M) {
	torture.Checks(35) // the engine's own assertions under the race detector make each a matter of half a second
	os.Exit(m.Run())
}
