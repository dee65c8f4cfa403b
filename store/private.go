package store

import (
	"errors"
	"fmt"
	"os"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// private is the operating system's file system, in which nobody but its owner can read what the store makes: the folder may be one
// that was there before, and open to others.
type private struct{ vfs.FS }

const (
	privateFile   = 0o600
	privateFolder = 0o700
)

func (p private) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return closed(name)(p.FS.Create(name, category))
}

func (p private) OpenReadWrite(name string, category vfs.DiskWriteCategory, options ...vfs.OpenOption) (vfs.File, error) {
	return closed(name)(p.FS.OpenReadWrite(name, category, options...))
}

func (p private) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return closed(to)(p.FS.ReuseForWrite(from, to, category))
}

func (p private) MkdirAll(dir string, _ os.FileMode) error { return p.FS.MkdirAll(dir, privateFolder) }

// closed takes the rights of others to a file that was just opened for writing.
func closed(name string) func(vfs.File, error) (vfs.File, error) {
	return func(f vfs.File, err error) (vfs.File, error) {
		if err != nil {
			return nil, err
		}
		if err := os.Chmod(name, privateFile); err != nil {
			return nil, errors.Join(fmt.Errorf("keeping a file of the store to its owner: %w", err), f.Close())
		}
		return f, nil
	}
}

// Unwrap gives the file system beneath.
func (p private) Unwrap() vfs.FS { return p.FS }
