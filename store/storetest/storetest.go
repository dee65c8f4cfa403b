// Package storetest ends tests that use a store: with a check of everything that is in it.
package storetest

import (
	"context"
	"errors"
	"testing"

	"github.com/adlayer/after/store"
)

// End checks a store and closes it. One that the test has closed already was its own to check.
func End(tb testing.TB, st *store.Store) {
	tb.Helper()
	if err := st.Check(context.WithoutCancel(tb.Context()), func(p store.Problem) { tb.Errorf("the check says: %s", p) }); errors.Is(err, store.ErrClosed) {
		return
	} else if err != nil {
		tb.Errorf("the check ended early: %v", err)
	}
	if err := st.Close(); err != nil {
		tb.Error(err)
	}
}
