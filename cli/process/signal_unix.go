//go:build unix

package process

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// NotifyStop delivers the signals that ask for an end; NotifyReload those that ask to read the configuration again.
func NotifyStop(c chan<- os.Signal) { signal.Notify(c, syscall.SIGINT, syscall.SIGTERM) }

// NotifyReload delivers SIGHUP.
func NotifyReload(c chan<- os.Signal) { signal.Notify(c, syscall.SIGHUP) }

// Drain asks a process to end gracefully.
func Drain(pid int) error { return send(pid, syscall.SIGTERM) }

// Hurry asks a process that drains to end at once. It is another signal than Drain's: two of the same kind may arrive as one.
func Hurry(pid int) error { return send(pid, syscall.SIGINT) }

// Kill ends a process without asking.
func Kill(pid int) error { return send(pid, syscall.SIGKILL) }

func send(pid int, signal syscall.Signal) error {
	err := syscall.Kill(pid, signal)
	if err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("sending %s to process %d: %w", signal, pid, err)
	}
	return nil
}
