package embedded

import "testing"

// TestMemoryLimit: the engine's part counts once, what is alive beside it as often as the collector's percentage says, what of it is much twice, and a small heap has room.
func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	m := &memory{engine: 36 * mib}
	for alive, want := range map[uint64]uint64{0: 76 * mib, 30 * mib: 76 * mib, 46 * mib: 76 * mib, 56 * mib: 116 * mib, 68 * mib: 164 * mib, 136 * mib: 300 * mib} {
		if got := m.limitFor(alive); got != want {
			t.Errorf("%d MiB alive: a limit of %d, want %d", alive/mib, got, want)
		}
	}
}
