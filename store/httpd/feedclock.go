package httpd

import (
	"time"
)

// feedClock has the timers of one feed.
type feedClock struct {
	beats *time.Ticker
	end   *time.Timer
}

func newFeedClock(q *changesQuery) *feedClock {
	c := &feedClock{}
	if q.heartbeat > 0 {
		c.beats = time.NewTicker(q.heartbeat)
	}
	if q.timeout > 0 {
		c.end = time.NewTimer(q.timeout)
	}
	return c
}

func (c *feedClock) beat() <-chan time.Time {
	if c.beats == nil {
		return nil
	}
	return c.beats.C
}

func (c *feedClock) timeout() <-chan time.Time {
	if c.end == nil {
		return nil
	}
	return c.end.C
}

func (c *feedClock) stop() {
	if c.beats != nil {
		c.beats.Stop()
	}
	if c.end != nil {
		c.end.Stop()
	}
}
