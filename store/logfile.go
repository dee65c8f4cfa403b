package store

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// logFile is a log of writes. File is nil where it could not be made.
//
// While writes come one by one it is made longer ahead of them, with zeros: the sync of a file that grows has to bring the file system's own records to
// disk, too, and takes twice the time of one that only has new content, or many times where others keep these records busy. A log that ends with
// zeros is read up to them. Batches do not pay for what each of them would have to fill first.
type logFile struct {
	vfs.File
	g    *guard
	name string

	at     int64 // where the next write goes
	room   int64 // how long the file is
	step   int64 // how much is added at once
	synced int64 // where the last sync was
}

const (
	logStep    = 256 << 10
	mostSingle = 64 << 10 // between two syncs
)

// try does something to the file unless the log has failed before.
func (f *logFile) try(what string, do func() error) {
	if f.File == nil || f.g.s.logFailed.Load() {
		return
	}
	if err := do(); err != nil {
		f.g.lost(fmt.Errorf("%s %s: %w", what, f.name, err))
	}
}

func (f *logFile) Write(p []byte) (int, error) {
	f.try("writing", func() error {
		if err := f.extend(int64(len(p))); err != nil {
			return err
		}
		n, err := f.File.Write(p)
		f.at += int64(n)
		return err
	})
	return len(p), nil
}

// extend makes the file longer where size more bytes would come to its end.
func (f *logFile) extend(size int64) error {
	if f.at+size <= f.room || !f.g.single.Load() {
		return nil
	}
	f.room = max(f.room, f.at) + max(f.step, size)
	_, err := f.WriteAt(make([]byte, f.room-f.at), f.at)
	return err
}

// settle looks at what a sync brings to disk.
func (f *logFile) settle() {
	f.g.single.Store(f.at-f.synced <= mostSingle)
	f.synced = f.at
}

func (f *logFile) Preallocate(offset, length int64) error {
	f.try("making room in", func() error { return f.File.Preallocate(offset, length) })
	return nil
}

func (f *logFile) Sync() error {
	f.settle()
	f.try("syncing", func() error { return f.File.Sync() })
	return nil
}

func (f *logFile) SyncData() error {
	f.settle()
	f.try("syncing", func() error { return f.File.SyncData() })
	return nil
}

func (f *logFile) SyncTo(length int64) (full bool, err error) {
	f.try("syncing", func() (err error) {
		full, err = f.File.SyncTo(length)
		return err
	})
	return full, nil
}

func (f *logFile) Close() error {
	if f.File == nil {
		return nil
	}
	err := f.File.Close()
	if err != nil && !f.g.s.logFailed.Load() {
		f.g.lost(fmt.Errorf("closing %s: %w", f.name, err))
	}
	return nil
}

func (f *logFile) Stat() (vfs.FileInfo, error) {
	if f.File != nil {
		if i, err := f.File.Stat(); err == nil {
			return i, nil
		}
	}
	return nothing{}, nil
}

func (f *logFile) Prefetch(offset, length int64) error {
	if f.File == nil {
		return nil
	}
	return f.File.Prefetch(offset, length)
}

func (f *logFile) Fd() uintptr {
	if f.File == nil {
		return vfs.InvalidFd
	}
	return f.File.Fd()
}

// nothing is what a log that could not be made says of itself: it is empty.
type nothing struct{ vfs.FileInfo }

func (nothing) Size() int64 { return 0 }
