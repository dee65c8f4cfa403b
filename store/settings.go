package store

import (
	"context"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// settingKey is where a setting of the store is kept, beside the last database number.
func settingKey(name string) []byte { return append([]byte{0x00, 's'}, name...) }

// Setting reads what SetSetting stored under a name; nil if nothing was.
func (s *Store) Setting(name string) ([]byte, error) {
	v := s.views.acquire()
	if v == nil {
		return nil, ErrClosed
	}
	defer s.views.release(v)
	raw, err := getCopy(v.snap, settingKey(name))
	if err != nil {
		return nil, fmt.Errorf("reading the setting %s of the store in %s: %w", name, s.dir, err)
	}
	return raw, nil
}

// SetSetting stores a value of the server's own, which belongs to no database, and returns when it is on disk.
func (s *Store) SetSetting(ctx context.Context, name string, value []byte) error {
	return s.do(ctx, func(b *pebble.Batch) error { return b.Set(settingKey(name), value, nil) }, nil)
}
