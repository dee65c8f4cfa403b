package worker

import "github.com/adlayer/after/fleet"

// show publishes the newest account of the workers for the heartbeat.
func (l *loop) show() {
	shown := make([]fleet.Worker, 0, len(l.workersOf))
	for _, w := range l.workersOf {
		shown = append(shown, w.Worker)
	}
	l.shown.Store(&shown)
}

// workersShown is the account that was last published; safe for use by any goroutine.
func (l *loop) workersShown() []fleet.Worker { return *l.shown.Load() }
