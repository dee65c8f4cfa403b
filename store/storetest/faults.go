package storetest

import (
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// Faults gives a file system whose operations fail where inject says so. Unlike errorfs alone it sees what is done to a file that is used again,
// as logs are.
func Faults(fs vfs.FS, inject func(errorfs.Op) error) vfs.FS {
	injector := errorfs.InjectorFunc(inject)
	return &faults{errorfs.Wrap(fs, injector), injector}
}

type faults struct {
	vfs.FS
	injector errorfs.Injector
}

func (f *faults) Unwrap() vfs.FS { return f.FS }

func (f *faults) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.ReuseForWrite(from, to, category)
	if err != nil {
		return nil, err
	}
	return errorfs.WrapFile(file, f.injector), nil
}
