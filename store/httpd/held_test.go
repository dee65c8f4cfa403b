package httpd_test

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/adlayer/after/couch/couchtest"
	"github.com/adlayer/after/internal/torture"
	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/script"
)

func TestMain(m *testing.M) {
	script.Main()
	couchtest.ServeIfAsked()
	torture.Checks(100)
	goleak.VerifyTestMain(m)
}

// TestHeldFolder opens a folder that another process holds.
func TestHeldFolder(t *testing.T) {
	t.Parallel()
	c := couchtest.NewProcess(t, os.Args[0])
	c.Start()
	dir, pid := c.Data(), c.PID()
	_, err := store.Open(dir, store.Options{})
	var held *store.HeldError
	if !errors.As(err, &held) || held.Owner.PID != pid || !strings.Contains(err.Error(), strconv.Itoa(held.Owner.PID)) {
		t.Fatalf("the error does not say who holds the folder: %v", err)
	}
	c.Kill()
	st, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatalf("the folder of a process that was killed cannot be opened: %v", err)
	}
	if _, err := store.Open(dir, store.Options{}); !errors.As(err, &held) || held.Owner.PID != os.Getpid() {
		t.Errorf("a second open in the same process: %v", err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
}
