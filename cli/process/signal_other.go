//go:build !unix

package process

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }

// NotifyStop delivers the signal that asks for an end.
func NotifyStop(c chan<- os.Signal) { signal.Notify(c, os.Interrupt, syscall.SIGTERM) }

// NotifyReload delivers nothing: there is no such signal here.
func NotifyReload(chan<- os.Signal) {}

// Drain cannot be asked of another process here.
func Drain(int) error {
	return errors.New("this system has no way to ask another process to end: press Ctrl-C where it runs, or use --now")
}

// Hurry does what Kill does.
func Hurry(pid int) error { return Kill(pid) }

// Kill ends a process without asking.
func Kill(pid int) error {
	p, err := os.FindProcess(pid)
	if err == nil {
		err = p.Kill()
	}
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("ending process %d: %w", pid, err)
	}
	return nil
}
