package cli

import (
	"errors"
	"syscall"

	"github.com/adlayer/after/fleet"
	"github.com/adlayer/after/store"
)

// held says whether an error means that another process has what was asked for: a worker's name, a folder, an address.
func held(err error) bool {
	if _, ok := errors.AsType[*fleet.HeldError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*fleet.InUseError](err); ok {
		return true
	}
	_, ok := errors.AsType[*store.HeldError](err)
	return ok || errors.Is(err, syscall.EADDRINUSE)
}
