//go:build unix

package program

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// group gives the process a group of its own, and makes the end of its context an end of all of that group.
func group(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	endWithUs(cmd.SysProcAttr)
	cmd.Cancel = func() error {
		err := syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		if errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone
		}
		return err
	}
}

// kill ends what is left of a group whose first process has ended.
func kill(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }
