package store

import (
	"fmt"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/sirupsen/logrus"
)

func engineOptions(s *Store, cache *pebble.Cache) *pebble.Options {
	o := &pebble.Options{
		FS:                          &guard{FS: s.opts.FS, s: s},
		ReadOnly:                    s.readOnly,
		Lock:                        s.lock.lock,
		Cache:                       cache,
		Logger:                      engineLog{s},
		FormatMajorVersion:          pebble.FormatNewest,
		MemTableSize:                s.opts.MemTableSize,
		MemTableStopWritesThreshold: max(2*mostTables, engineWaits/int(s.opts.MemTableSize)), //nolint:gosec // far below the limit
		L0CompactionThreshold:       6,
		L0StopWritesThreshold:       2 * mostLayers,
		LBaseMaxBytes:               128 << 20,
		BytesPerSync:                1 << 20,
		CompactionConcurrencyRange:  func() (lower, upper int) { return 1, 2 },
	}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		// A document from anywhere costs one block, and another one where it is not remembered where it is (places). To unpack one of 8 KiB takes
		// a third of the time that the whole document takes, and with 4 KiB a million are 3 % larger on disk, compressed as below.
		o.Levels[i].BlockSize = 4 << 10
		o.Levels[i].IndexBlockSize = 32 << 10
	}
	o.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionFastest })
	o.EventListener = &pebble.EventListener{
		BackgroundError: s.trouble.failed,
		FlushBegin:      func(pebble.FlushInfo) { s.flushes.begun.Add(1) },
		FlushEnd: func(i pebble.FlushInfo) {
			if i.Err == nil || i.Err.Error() == nothingFlushed {
				s.flushes.ended.Add(1)
			} else {
				s.flushes.begun.Add(-1) // it is done again
			}
			if i.Err != nil && i.Err.Error() != nothingFlushed { // what is written would gather in memory until writers wait without an end
				s.fail(fmt.Errorf("bringing writes from memory to a table: %w", i.Err))
			}
			s.gate.move()
		},
		CompactionEnd: func(i pebble.CompactionInfo) {
			s.trouble.compacted(i.Err)
			s.gate.move()
		},
		DataCorruption: func(i pebble.DataCorruptionInfo) {
			if !s.frozen() { // else it is a table that leads nowhere
				s.damaged.report(i)
			}
		},
		DiskSlow: func(i pebble.DiskSlowInfo) { s.log.WithField("disk", i.String()).Warn("store: the disk is slow") },
	}
	return o
}

// nothingFlushed is what the engine gives for a flush of nothing that lasts.
const nothingFlushed = "pebble: empty table"

// damage says once of each file that it is damaged. Whoever reads there gets an error; all else goes on.
type damage struct {
	log   logrus.FieldLogger
	files sync.Map // by path
}

func (d *damage) report(i pebble.DataCorruptionInfo) {
	if _, said := d.files.LoadOrStore(i.Path, true); !said {
		d.log.WithFields(logrus.Fields{"file": i.Path, logrus.ErrorKey: shortly(i.Details)}).
			Error("store: a file is damaged: what is in it cannot be read; restore the folder from a backup")
	}
}

// shortly gives an error of the engine without the stack that it carries.
func shortly(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\n")
	return text
}

// engineLog takes the engine's messages. Those that would end the process end the store instead: its calls then fail with the reason.
type engineLog struct{ s *Store }

func (l engineLog) Infof(string, ...any) {} // its housekeeping is of no interest

func (l engineLog) Errorf(format string, args ...any) { l.s.log.Errorf(format, args...) }

func (l engineLog) Fatalf(format string, args ...any) {
	err := fmt.Errorf(format, args...) //nolint:err113 // the engine's own words
	l.s.fail(err)
	// After a failed write or a failed manifest the engine returns an error to its caller; anything else is a broken invariant, after which
	// its state must not be used further.
	if strings.Contains(format, "fatal commit error") || strings.HasPrefix(err.Error(), "MANIFEST") {
		return
	}
	l.s.broken.Store(true)
	panic(err)
}
