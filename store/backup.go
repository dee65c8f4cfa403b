package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// unfinished is what the name of a folder ends with that is not complete yet.
const unfinished = ".unfinished-"

// Backup copies the store, as it is at one moment, into a folder that is not there yet; reads and writes go on. Where the folder is on the same
// file system the bulk of it costs no space at first, since files that never change are linked. The folder is complete once it has its name; it is
// a store like any other, with the same UUID. What a backup into the same folder left that did not come to its end, by a crash, is removed.
func (s *Store) Backup(ctx context.Context, dir string) error {
	if err := s.begin(); err != nil {
		return err
	}
	defer s.writers.Done()
	if err := errors.Join(ctx.Err(), s.Failed()); err != nil {
		return err
	}
	fs := s.opts.FS
	if _, err := fs.Stat(dir); err == nil {
		return &Error{http.StatusPreconditionFailed, "file_exists", "The backup's folder " + dir + " is there already: name one that is not."}
	}
	if _, err := fs.Stat(fs.PathDir(dir)); err != nil {
		return BadRequest("The folder %s, in which the backup is to be, cannot be used: %v", fs.PathDir(dir), err)
	}
	making := dir + unfinished + s.uuid[:8]
	if _, twice := s.backups.LoadOrStore(making, true); twice {
		return &Error{http.StatusPreconditionFailed, "file_exists", "A backup into the folder " + dir + " is under way."}
	}
	defer s.backups.Delete(making)
	err := fs.RemoveAll(making)
	if err == nil {
		err = s.db.Checkpoint(making, pebble.WithFlushedWAL())
	}
	if unsynced, ok := s.backups.Load(making); ok && err == nil {
		err, _ = unsynced.(error)
	}
	if err == nil {
		err = writeFormat(fs, making, format{Format: formatVersion, UUID: s.uuid})
	}
	if err == nil {
		err = s.Failed() // a write failed meanwhile, maybe the backup's own
	}
	if err == nil {
		err = complete(fs, making, dir)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("backing the store up to %s: %w", dir, err), fs.RemoveAll(making))
	}
	return nil
}

func writeFormat(fs vfs.FS, dir string, f format) error {
	raw, err := json.Marshal(f)
	if err != nil {
		return err
	}
	if err := writeFile(fs, fs.PathJoin(dir, formatFile), append(raw, '\n')); err != nil {
		return err
	}
	return syncDir(fs, dir)
}

// complete gives a folder its name.
func complete(fs vfs.FS, making, dir string) error {
	if err := fs.Rename(making, dir); err != nil {
		return err
	}
	return syncDir(fs, fs.PathDir(dir))
}

// Restore copies a backup into dir, which must be empty or not there: it has everything or nothing when Restore returns. Before anything is copied,
// check looks at the backup, open for reading only; its error ends the matter.
func Restore(ctx context.Context, backup, dir string, o Options, check func(*Store) error) (err error) {
	fs := o.withDefaults().FS
	there, err := fs.List(dir)
	switch {
	case err == nil && len(there) > 0:
		return &Error{http.StatusPreconditionFailed, "file_exists", "The folder " + dir + " is not empty: restore into one that is, or is not there."}
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("looking into %s: %w", dir, err)
	}
	exists := err == nil
	if _, err := fs.Stat(fs.PathJoin(backup, formatFile)); errors.Is(err, os.ErrNotExist) && strings.Contains(fs.PathBase(backup), unfinished) {
		return fmt.Errorf("%s is of a backup that did not come to its end, and is not complete: take another one: %w", backup, err)
	}
	st, err := OpenReadOnly(backup, o)
	if err != nil {
		return fmt.Errorf("opening the backup: %w", err)
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	if err := check(st); err != nil {
		return err
	}
	making := dir + unfinished + st.UUID()[:8]
	if err = fs.RemoveAll(making); err == nil { // of a restore that was cut short
		err = copyFolder(ctx, fs, backup, making)
	}
	if err == nil && exists {
		err = fs.Remove(dir)
	}
	if err == nil {
		err = complete(fs, making, dir)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("restoring %s into %s: %w", backup, dir, err), fs.RemoveAll(making))
	}
	return nil
}

// copyFolder copies the files of a store. They are not linked: the engine writes some of them anew in their place.
func copyFolder(ctx context.Context, fs vfs.FS, from, to string) error {
	names, err := fs.List(from)
	if err != nil {
		return err
	}
	if err := fs.MkdirAll(to, privateFolder); err != nil {
		return err
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		if name == "LOCK" || name == ownerFile {
			continue
		}
		if err := vfs.Copy(fs, fs.PathJoin(from, name), fs.PathJoin(to, name)); err != nil {
			return fmt.Errorf("copying %s: %w", name, err)
		}
	}
	return syncDir(fs, to)
}
