package store

import (
	"errors"
	"fmt"
	"testing"

	"github.com/sirupsen/logrus/hooks/test"
)

// TestTroubleIsSaidOnce: what fails again and again with a file of another number each time is logged once.
func TestTroubleIsSaidOnce(t *testing.T) {
	t.Parallel()
	log, said := test.NewNullLogger()
	work := &trouble{log: log}
	for n := range 100 {
		work.failed(fmt.Errorf("creating object %06d: no space left on device", n))
	}
	if n := len(said.AllEntries()); n != 1 {
		t.Errorf("it was logged %d times", n)
	}
	work.failed(errors.New("the disk is gone"))
	if n := len(said.AllEntries()); n != 2 {
		t.Errorf("another trouble was not logged: %d", n)
	}
}
