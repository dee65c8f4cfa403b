package store

import (
	"fmt"
	"strings"
	"sync/atomic"

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

	// single tells that writes come one by one, as what was written between the last two syncs of the log says.
	single atomic.Bool
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
	l := &logFile{g: g, name: name, step: min(logStep, int64(g.s.opts.MemTableSize/4))} //nolint:gosec // far below the limit
	if g.s.logFailed.Load() {
		return l
	}
	f, err := open()
	if err != nil {
		g.lost(fmt.Errorf("making %s: %w", name, err))
		return l
	}
	l.File = f
	if info, err := f.Stat(); err == nil {
		l.room = info.Size() // of a log that is used again
	}
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
