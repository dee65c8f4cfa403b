package task_test

import (
	"os"
	"testing"

	"github.com/adlayer/after/internal/torture"
)

func TestMain(m *testing.M) {
	torture.Checks(100)
	os.Exit(m.Run())
}
