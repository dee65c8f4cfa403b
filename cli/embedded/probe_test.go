package embedded

import (
	"errors"
	"os"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// disk is a file system that says how full it is.
type disk struct {
	vfs.FS

	usage vfs.DiskUsage
	err   error
}

func (d disk) GetDiskUsage(string) (vfs.DiskUsage, error) { return d.usage, d.err }

// TestProbe: there is room where the disk says so, what is reserved for root among it for root alone; one that says nothing is asked by writing.
func TestProbe(t *testing.T) {
	t.Parallel()
	const room = 10 << 20
	root := os.Geteuid() == 0
	for name, test := range map[string]struct {
		usage vfs.DiskUsage
		err   error
		full  bool
	}{
		"room":         {usage: vfs.DiskUsage{AvailBytes: 2 * room, TotalBytes: 100 * room, UsedBytes: 98 * room}},
		"none":         {usage: vfs.DiskUsage{TotalBytes: 100 * room, UsedBytes: 100 * room}, full: true},
		"too little":   {usage: vfs.DiskUsage{AvailBytes: room, TotalBytes: 100 * room, UsedBytes: 99 * room}, full: true},
		"reserved":     {usage: vfs.DiskUsage{TotalBytes: 100 * room, UsedBytes: 95 * room}, full: !root},
		"says nothing": {},
		"cannot say":   {err: errors.New("not known here")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := Options{FS: disk{FS: vfs.NewMem(), usage: test.usage, err: test.err}}
			if err := o.probe(room); (err != nil) != test.full {
				t.Errorf("the disk is full: %v, want %v", err, test.full)
			}
		})
	}
}
