package store

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// guard is the engine's file system. The engine ends the process where its log of writes cannot be closed, made or written, a full disk among the
// reasons. The guard keeps such errors from it and ends the store instead: from the first one on nothing reaches the log any more and no write is
// answered, so that what lies on disk ends with a write that was, and goes on to be read.
//
// Once the store has failed, for whatever reason, its tables stay as they are, too: the engine would try again what it must not (what it has written to
// its list of tables may be there though it was told otherwise), and remove tables that the list on disk has.
//
// While it is being opened, the engine brings what is in the log alone to tables, and tries that for ever. A store that fails then is frozen: whatever
// the engine writes leads nowhere, and nothing is removed, so that the opening comes to its end with the folder as it was. Nor does it hear of errors with
// which it would leave the opening half way, and what it has begun in the background behind.
type guard struct {
	vfs.FS
	s *Store

	fresh   sync.Map                 // the paths of tables that were made since the list of tables was written last
	unnamed atomic.Pointer[manifest] // a list that is written, and is none yet: no marker names it

	// single tells that writes come one by one, as what was written between the last two syncs of the log says.
	single atomic.Bool
}

// frozen tells that the store has failed while it was being opened.
func (s *Store) frozen() bool { return s.opening.Load() && s.Failed() != nil }

// Unwrap gives the file system beneath.
func (g *guard) Unwrap() vfs.FS { return g.FS }

const logSuffix, tableSuffix, manifestPrefix, markerPrefix = ".log", ".sst", "MANIFEST-", "marker.manifest."

// ours tells whether a file is the engine's own, rather than one of a backup.
func (g *guard) ours(name, suffix string) bool {
	return strings.HasSuffix(name, suffix) && g.PathDir(name) == g.PathJoin(g.s.dir)
}

func (g *guard) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	switch {
	case g.s.frozen():
		return g.nowhere(name), nil
	case g.ours(name, logSuffix):
		return g.log(name, func() (vfs.File, error) { return g.FS.Create(name, category) }), nil
	case g.ours(name, tableSuffix):
		g.s.trouble.wait(g.s.ctx.Done())
		if err := g.s.Failed(); err != nil {
			return nil, err
		}
		g.fresh.Store(name, true)
	case strings.HasPrefix(g.PathBase(name), manifestPrefix):
		if err := g.s.Failed(); err != nil {
			return nil, err
		}
		f, err := g.FS.Create(name, category)
		if err != nil {
			return nil, err
		}
		m := &manifest{f, g}
		g.unnamed.Store(m)
		return m, nil
	case strings.HasPrefix(g.PathBase(name), markerPrefix):
		g.fresh.Clear()
		g.unnamed.Store(nil)
	}
	f, err := g.FS.Create(name, category)
	switch {
	case strings.HasSuffix(name, tableSuffix), !g.s.opening.Load():
		return f, err
	case err == nil:
		return &small{f, g, name}, nil
	}
	if err = g.early("making", name, err); err != nil {
		return nil, err
	}
	return g.nowhere(name), nil
}

// early keeps an error of the engine's from it while the store is being opened: the store fails instead.
func (g *guard) early(what, name string, err error) error {
	if err == nil || !g.s.opening.Load() {
		return err
	}
	g.s.fail(fmt.Errorf("%s %s: %w", what, name, err))
	return nil
}

func (g *guard) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if g.s.frozen() {
		return g.nowhere(to), nil
	}
	if g.ours(to, logSuffix) {
		return g.log(to, func() (vfs.File, error) { return g.FS.ReuseForWrite(from, to, category) }), nil
	}
	return g.FS.ReuseForWrite(from, to, category)
}

func (g *guard) Remove(name string) error {
	if err := g.s.Failed(); err != nil && g.PathDir(name) == g.PathJoin(g.s.dir) {
		if _, fresh := g.fresh.Load(name); !fresh {
			if g.s.frozen() {
				err = nil
			}
			return err
		}
	}
	return g.FS.Remove(name)
}

func (g *guard) Rename(from, to string) error {
	if g.s.frozen() {
		return nil
	}
	return g.early("renaming", from, g.FS.Rename(from, to))
}

// nowhere is a file that takes everything and is not there.
func (g *guard) nowhere(name string) vfs.File { return &logFile{g: g, name: name} }

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

// manifest is a list of the tables. The engine does not go on with one that it could not write.
type manifest struct {
	vfs.File
	g *guard
}

func (f *manifest) Write(p []byte) (int, error) {
	return len(p), f.try("writing", func() error {
		if f.g.unnamed.Load() != f {
			f.g.fresh.Clear()
		}
		_, err := f.File.Write(p)
		return err
	})
}

func (f *manifest) Sync() error { return f.try("syncing", f.File.Sync) }

// try does something to the list unless the store has failed.
func (f *manifest) try(what string, do func() error) error {
	if f.g.s.frozen() {
		return nil
	}
	if err := f.g.s.Failed(); err != nil {
		return err
	}
	return f.g.early(what, "the list of tables", do())
}

// small is a file of the opening that is neither a table nor a list of them nor a log.
type small struct {
	vfs.File
	g    *guard
	name string
}

func (f *small) Write(p []byte) (int, error) {
	if f.g.s.frozen() {
		return len(p), nil
	}
	_, err := f.File.Write(p)
	return len(p), f.g.early("writing", f.name, err)
}

func (f *small) Sync() error { return f.g.early("syncing", f.name, f.File.Sync()) }

func (f *small) Close() error { return f.g.early("closing", f.name, f.File.Close()) }
