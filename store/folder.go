package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// formatVersion is the version of the folder's layout that this code writes; older ones are read, newer ones refused.
const formatVersion = 1

const (
	formatFile = "after-store.json" // what the folder is
	ownerFile  = "owner.json"       // who holds it
)

// IsStore gives an error, which is an os.ErrNotExist, where a folder holds no store.
func IsStore(dir string, o Options) error {
	fs := o.withDefaults().FS
	if _, err := fs.Stat(fs.PathJoin(dir, formatFile)); err != nil {
		return fmt.Errorf("there is no store in %s: %w", dir, err)
	}
	return nil
}

// folderLock keeps other processes out of the folder.
type folderLock struct {
	fs   vfs.FS
	dir  string
	lock *pebble.Lock
}

// Owner is who holds a folder.
type Owner struct {
	PID   int       `json:"pid"`
	Host  string    `json:"host"`
	Since time.Time `json:"since"`
}

// HeldError says that another process holds the folder.
type HeldError struct {
	Dir   string
	Owner Owner // zero if it could not be read
	Err   error
}

func (e *HeldError) Error() string {
	if e.Owner.PID == 0 {
		return fmt.Sprintf("the store in %s is held by another process: %v", e.Dir, e.Err)
	}
	return fmt.Sprintf("the store in %s is held by process %d on %s since %s: stop it, or use another folder",
		e.Dir, e.Owner.PID, e.Owner.Host, e.Owner.Since.Format(time.RFC3339))
}

func (e *HeldError) Unwrap() error { return e.Err }

func lockFolder(fs vfs.FS, dir string) (*folderLock, error) {
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the store's folder %s: %w", dir, err)
	}
	lock, err := pebble.LockDirectory(dir, fs)
	if err != nil {
		if _, opening := errors.AsType[*os.PathError](err); opening && (errors.Is(err, os.ErrPermission) || errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.ENOSPC)) {
			return nil, fmt.Errorf("the store's folder %s cannot be written: %w", dir, err)
		}
		held := &HeldError{Dir: dir, Err: err}
		if raw, err := readFile(fs, fs.PathJoin(dir, ownerFile)); err == nil {
			_ = json.Unmarshal(raw, &held.Owner) // an unreadable owner is just not named
		}
		return nil, held
	}
	l := &folderLock{fs: fs, dir: dir, lock: lock}
	if _, looking := fs.(readOnlyFS); looking {
		return l, nil // it lasts as long as a look does, and the medium may take no writes
	}
	host, _ := os.Hostname() // only for the message
	raw, err := json.Marshal(Owner{PID: os.Getpid(), Host: host, Since: time.Now().UTC().Truncate(time.Second)})
	if err == nil {
		err = writeFile(fs, fs.PathJoin(dir, ownerFile), raw)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("writing who holds the store's folder %s: %w", dir, err), lock.Close())
	}
	return l, nil
}

func (l *folderLock) release() error {
	if _, looking := l.fs.(readOnlyFS); looking {
		return l.lock.Close()
	}
	err := l.fs.Remove(l.fs.PathJoin(l.dir, ownerFile))
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, l.lock.Close())
}

// readOnlyFS is a file system for looking only. Where a lock cannot be made since nothing can be written there, nobody else can write either.
type readOnlyFS struct{ vfs.FS }

func (readOnlyFS) MkdirAll(string, os.FileMode) error { return nil }

func (f readOnlyFS) Lock(name string) (io.Closer, error) {
	lock, err := f.FS.Lock(name)
	if errors.Is(err, os.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return io.NopCloser(nil), nil
	}
	return lock, err
}

// Unwrap gives the file system beneath.
func (f readOnlyFS) Unwrap() vfs.FS { return f.FS }

// format is what the folder's own file says.
type format struct {
	Format int    `json:"format"`
	UUID   string `json:"uuid"`
}

// checkFormat reads which version wrote the folder, and marks a new one.
func checkFormat(fs vfs.FS, dir string) (uuid string, err error) {
	path := fs.PathJoin(dir, formatFile)
	raw, err := readFile(fs, path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		f := format{Format: formatVersion, UUID: NewUUID()}
		if err = writeFormat(fs, dir, f); err != nil {
			return "", fmt.Errorf("marking the store's folder %s: %w", dir, err)
		}
		return f.UUID, nil
	case err != nil:
		return "", fmt.Errorf("reading %s: %w", path, err)
	}
	var f format
	if err := json.Unmarshal(raw, &f); err != nil || f.Format < 1 {
		return "", fmt.Errorf("%s does not say which version wrote this store: %q", path, strings.TrimSpace(string(raw)))
	}
	if f.Format > formatVersion {
		return "", fmt.Errorf("the store in %s was written by a newer version (format %d, this one knows up to %d): use that version",
			dir, f.Format, formatVersion)
	}
	return f.UUID, nil
}

func readFile(fs vfs.FS, path string) ([]byte, error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(f)
	return raw, errors.Join(err, f.Close())
}

// writeFile replaces a file as a whole: a reader, or a crash, sees the old one or the new one.
func writeFile(fs vfs.FS, path string, raw []byte) error {
	f, err := fs.Create(path+".new", vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return fs.Rename(path+".new", path)
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
