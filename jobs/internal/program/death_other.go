//go:build unix && !linux

package program

import "syscall"

// endWithUs has no counterpart here: the process outlives a worker that is killed.
func endWithUs(*syscall.SysProcAttr) {}
