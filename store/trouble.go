package store

import (
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// trouble follows the background work of the engine that fails: flushes and compactions, which the engine begins again at once and without end.
type trouble struct {
	log logrus.FieldLogger

	mu   sync.Mutex
	last time.Time
	said string // what was logged last, without its numbers
	at   time.Time
	err  error // of the last compaction; nil if it went well
}

const (
	// troublePause is how long background work waits after it has failed.
	troublePause = time.Second
	// troubleSaid is how often the same trouble is logged.
	troubleSaid = 10 * time.Minute
)

// failed takes an error of background work.
func (t *trouble) failed(err error) {
	now := time.Now()
	text := shortly(err)
	trouble := strings.Map(noDigit, text) // each try makes a file of another number
	t.mu.Lock()
	t.last = now
	say := trouble != t.said || now.Sub(t.at) > troubleSaid
	if say {
		t.said, t.at = trouble, now
	}
	t.mu.Unlock()
	if say {
		t.log.WithField(logrus.ErrorKey, text).Error("store: background work failed and is tried again")
	}
}

func noDigit(r rune) rune {
	if r >= '0' && r <= '9' {
		return -1
	}
	return r
}

// compacted takes the end of a compaction of the engine.
func (t *trouble) compacted(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.err = err
}

// compaction is the error of the engine's last compaction.
func (t *trouble) compaction() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

// wait lets background work begin: at once, or some time after it has failed.
func (t *trouble) wait(done <-chan struct{}) {
	t.mu.Lock()
	left := troublePause - time.Since(t.last)
	none := t.last.IsZero()
	t.mu.Unlock()
	if none || left <= 0 {
		return
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
}
