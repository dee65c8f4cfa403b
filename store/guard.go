package store

import (
	"fmt"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// guard is the engine's file system. The engine ends the process where its log of writes cannot be closed, made or written, a full disk among the
// reasons. The guard keeps such errors from it and ends the store instead: from the first one on nothing reaches the log any more and no write is
// answered, so that what lies on disk ends with a write that was, and goes on to be read.
//
// Once the store has failed, for whatever reason, its tables stay as they are, too: the engine would try again what it must not (what it has written to
// its list of tables may be there though it was told otherwise), and remove tables that the list on disk has.
type guard struct {
	vfs.FS
	s *Store
}

// Unwrap gives the file system beneath.
func (g *guard) Unwrap() vfs.FS { return g.FS }

const logSuffix, tableSuffix, manifestPrefix = ".log", ".sst", "MANIFEST-"

// ours tells whether a file is the engine's own, rather than one of a backup.
func (g *guard) ours(name, suffix string) bool {
	return strings.HasSuffix(name, suffix) && g.PathDir(name) == g.PathJoin(g.s.dir)
}

func (g *guard) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	switch {
	case g.ours(name, logSuffix):
		return g.log(name, func() (vfs.File, error) { return g.FS.Create(name, category) }), nil
	case g.ours(name, tableSuffix):
		g.s.trouble.wait(g.s.ctx.Done())
		if err := g.s.Failed(); err != nil {
			return nil, err
		}
	case strings.HasPrefix(g.PathBase(name), manifestPrefix):
		if err := g.s.Failed(); err != nil {
			return nil, err
		}
		f, err := g.FS.Create(name, category)
		if err != nil {
			return nil, err
		}
		return &manifest{f, g}, nil
	}
	return g.FS.Create(name, category)
}

func (g *guard) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if g.ours(to, logSuffix) {
		return g.log(to, func() (vfs.File, error) { return g.FS.ReuseForWrite(from, to, category) }), nil
	}
	return g.FS.ReuseForWrite(from, to, category)
}

func (g *guard) Remove(name string) error {
	if err := g.s.Failed(); err != nil && g.PathDir(name) == g.PathJoin(g.s.dir) {
		return err
	}
	return g.FS.Remove(name)
}

// log makes a log of writes; one that leads nowhere where it cannot be made.
func (g *guard) log(name string, open func() (vfs.File, error)) vfs.File {
	l := &logFile{g: g, name: name}
	if g.s.logFailed.Load() {
		return l
	}
	f, err := open()
	if err != nil {
		g.lost(fmt.Errorf("making %s: %w", name, err))
		return l
	}
	l.File = f
	return l
}

// lost ends the store: its log is not what the engine thinks.
func (g *guard) lost(err error) {
	g.s.fail(err)
	g.s.logFailed.Store(true)
}

func (g *guard) OpenDir(name string) (vfs.File, error) {
	f, err := g.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	if _, ok := g.s.backups.Load(name); ok {
		return &copied{f, g, name}, nil
	}
	if g.PathJoin(name) != g.PathJoin(g.s.dir) {
		return f, nil
	}
	return &folder{f, g}, nil
}

// copied is the folder of a backup. The engine panics, with its locks held, where it cannot be synced: the backup is told instead.
type copied struct {
	vfs.File
	g    *guard
	name string
}

func (f *copied) Sync() error {
	if err := f.File.Sync(); err != nil {
		f.g.s.backups.Store(f.name, fmt.Errorf("syncing the folder %s: %w", f.name, err))
	}
	return nil
}

// folder is the one in which the log is.
type folder struct {
	vfs.File
	g *guard
}

func (f *folder) Sync() error {
	if err := f.File.Sync(); err != nil {
		f.g.lost(fmt.Errorf("syncing the folder %s: %w", f.g.s.dir, err))
	}
	return nil
}

// manifest is a list of the tables.
type manifest struct {
	vfs.File
	g *guard
}

func (f *manifest) Write(p []byte) (int, error) {
	if err := f.g.s.Failed(); err != nil {
		return 0, err
	}
	return f.File.Write(p)
}

func (f *manifest) Sync() error {
	if err := f.g.s.Failed(); err != nil {
		return err
	}
	return f.File.Sync()
}

// logFile is a log of writes. File is nil where it could not be made.
type logFile struct {
	vfs.File
	g    *guard
	name string
}

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
		_, err := f.File.Write(p)
		return err
	})
	return len(p), nil
}

func (f *logFile) Preallocate(offset, length int64) error {
	f.try("making room in", func() error { return f.File.Preallocate(offset, length) })
	return nil
}

func (f *logFile) Sync() error {
	f.try("syncing", func() error { return f.File.Sync() })
	return nil
}

func (f *logFile) SyncData() error {
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
