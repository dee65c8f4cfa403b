package store

import (
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2"
)

// TestPieces: what is merged at once follows the tables of the largest level, within the database.
func TestPieces(t *testing.T) {
	t.Parallel()
	table := func(largest string, size uint64) (info pebble.SSTableInfo) {
		info.Largest.UserKey, info.Size = []byte(largest), size
		return info
	}
	levels := [][]pebble.SSTableInfo{
		{table("x", 100), table("b", 100)},
		{table("d", 5)},
		{table("a", 4), table("c", 4), table("d", 1), table("e", 2), table("f", 9), table("g", 1), table("z", 9)},
	}
	for _, test := range []struct {
		lower, upper string
		want         []string
	}{{"a", "m", []string{"d", "f"}}, {"d", "m", []string{"e", "f"}}, {"a", "zz", []string{"d", "f", "z"}}, {"a", "c", nil}} {
		var got []string
		for _, end := range ends(levels, 9, []byte(test.lower), []byte(test.upper)) {
			got = append(got, string(end))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("from %s to %s: %v, want %v", test.lower, test.upper, got, test.want)
		}
	}
	if got := ends(make([][]pebble.SSTableInfo, 7), 9, []byte("a"), []byte("z")); got != nil {
		t.Errorf("without tables: %v", got)
	}
}
