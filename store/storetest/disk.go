package storetest

import (
	"errors"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// ErrFull is what a Disk gives that has no room.
var ErrFull = errors.New("no space left on device")

// Disk is a file system in memory that has room for so many bytes.
type Disk struct {
	vfs.FS

	mu    sync.Mutex
	size  int64
	used  int64
	files map[string]*int64

	// Tells has it say how much room there is; Reserves has it refuse to reserve more than that.
	Tells, Reserves bool
}

// NewDisk makes one with room for size bytes.
func NewDisk(size int64) *Disk {
	return &Disk{FS: vfs.NewMem(), size: size, files: map[string]*int64{}}
}

// Resize leaves so much room beside what is used.
func (d *Disk) Resize(free int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.size = d.used + free
}

// Used is how many bytes the files have.
func (d *Disk) Used() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.used
}

// Unwrap gives the file system beneath.
func (d *Disk) Unwrap() vfs.FS { return d.FS }

// GetDiskUsage says how much room there is, if it Tells.
func (d *Disk) GetDiskUsage(path string) (vfs.DiskUsage, error) {
	if !d.Tells {
		return d.FS.GetDiskUsage(path)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return vfs.DiskUsage{AvailBytes: uint64(max(d.size-d.used, 0)), TotalBytes: uint64(d.size), UsedBytes: uint64(d.used)}, nil //nolint:gosec // not negative
}

// Create makes an empty file.
func (d *Disk) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.Create(name, category)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.forget(name)
	d.files[name] = new(int64)
	return &diskFile{File: f, disk: d, size: d.files[name]}, nil
}

// ReuseForWrite makes another file of one that is there.
func (d *Disk) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.ReuseForWrite(from, to, category)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.move(from, to)
	return &diskFile{File: f, disk: d, size: d.files[to]}, nil
}

// Remove gives the room of a file back.
func (d *Disk) Remove(name string) error {
	err := d.FS.Remove(name)
	if err == nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.forget(name)
	}
	return err
}

// Rename gives back the room of a file that was there under the new name.
func (d *Disk) Rename(from, to string) error {
	err := d.FS.Rename(from, to)
	if err == nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.move(from, to)
	}
	return err
}

func (d *Disk) forget(name string) {
	if size := d.files[name]; size != nil {
		d.used -= *size
		delete(d.files, name)
	}
}

func (d *Disk) move(from, to string) {
	size := d.files[from]
	if size == nil || from == to {
		return
	}
	d.forget(to)
	delete(d.files, from)
	d.files[to] = size
}

// grow takes the room of a file that is to have so many bytes.
func (d *Disk) grow(size *int64, to int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	more := to - *size
	if more <= 0 {
		return nil
	}
	if d.used+more > d.size {
		return ErrFull
	}
	d.used += more
	*size = to
	return nil
}

type diskFile struct {
	vfs.File

	disk *Disk
	size *int64
	at   int64
}

func (f *diskFile) Write(p []byte) (int, error) {
	if err := f.disk.grow(f.size, f.at+int64(len(p))); err != nil {
		return 0, err
	}
	n, err := f.File.Write(p)
	f.at += int64(n)
	return n, err
}

func (f *diskFile) WriteAt(p []byte, at int64) (int, error) {
	if err := f.disk.grow(f.size, at+int64(len(p))); err != nil {
		return 0, err
	}
	return f.File.WriteAt(p, at)
}

func (f *diskFile) Preallocate(offset, length int64) error {
	if !f.disk.Reserves {
		return nil
	}
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.disk.used+max(offset+length-*f.size, 0) > f.disk.size {
		return ErrFull
	}
	return nil
}
