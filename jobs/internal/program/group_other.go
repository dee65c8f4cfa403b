//go:build !unix

package program

import "os/exec"

// group leaves the process as it is: the end of its context kills it alone.
func group(*exec.Cmd) {}

// kill has nothing to do where there are no process groups.
func kill(int) {}
