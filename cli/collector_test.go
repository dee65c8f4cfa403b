package cli

import "testing"

// TestGCPercent: a small heap may grow fourfold, a large one to twice what is alive, and those in between by as much as is plenty.
func TestGCPercent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		alive uint64
		want  int
	}{{0, 300}, {1 << 20, 300}, {10 << 20, 300}, {16 << 20, 200}, {20 << 20, 160}, {32 << 20, 100}, {1 << 40, 100}} {
		if got := gcPercentFor(c.alive); got != c.want {
			t.Errorf("%d MiB: %d, not %d", c.alive>>20, got, c.want)
		}
	}
}
