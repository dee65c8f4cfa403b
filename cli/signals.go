package cli

import (
	"context"
	"os"
	"os/signal"

	"github.com/adlayer/after/cli/process"
)

// interruptible ends the context at the first interrupt; the second one ends the program as usual.
func interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 1)
	process.NotifyStop(signals)
	go func() {
		select {
		case <-signals:
			cancel()
		case <-ctx.Done():
		}
		signal.Stop(signals)
	}()
	return ctx, cancel
}

// orders are the signals that a process which serves gets.
type orders struct{ stop, reload chan os.Signal }

// takeOrders has them from now on. It comes before anybody hears that the process is ready: a signal that nobody takes ends it.
func takeOrders() orders {
	o := orders{make(chan os.Signal, 2), make(chan os.Signal, 1)}
	process.NotifyStop(o.stop)
	process.NotifyReload(o.reload)
	return o
}

// abandoned says whether the process ran on a terminal that is gone: then SIGHUP means what it always did, that the person
// has closed the window.
func (a *app) abandoned() bool {
	if !a.talks {
		return false
	}
	terminal, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return true
	}
	_ = terminal.Close()
	return false
}
