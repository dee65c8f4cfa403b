package scheduler

import "hash/maphash"

// table finds the place of a key: open addressing in shards, each of which grows by itself, so that no single Add waits
// for a million entries to move. A slot is eight bytes: 32 bits of the key's hash, and its place; the keys themselves lie
// in the arena only. Built-in maps take twice the time and three times the memory here.
type table[K comparable] struct {
	arena  *arena[K]
	seed   maphash.Seed
	shards [shards]shard
}

const (
	shards   = 256
	smallest = 16 // slots of a shard when it is first used
)

// shard has a power of two of slots; 0 is an empty one, since no entry lies at place 0.
type shard struct {
	slots []uint64
	count int
}

// mark is 32 bits of a key's hash: the lower ones say in which shard it lies, the upper ones where in it.
func (t *table[K]) mark(key K) uint32 {
	return uint32(maphash.Comparable(t.seed, key)) //nolint:gosec // the lower half is meant
}

func (t *table[K]) shard(mark uint32) *shard { return &t.shards[mark%shards] }

// find gives the slot in which a key lies, and its place; that is 0 if the key is not there.
func (t *table[K]) find(mark uint32, key K) (slot int, place uint32) {
	s := t.shard(mark)
	if s.count == 0 {
		return 0, 0
	}
	mask := len(s.slots) - 1
	for i := s.home(mark); ; i = (i + 1) & mask {
		held := s.slots[i]
		if held == 0 {
			return 0, 0
		}
		place = uint32(held) //nolint:gosec // the lower half is meant
		if uint32(held>>32) == mark && t.arena.entry(place).key == key {
			return i, place
		}
	}
}

// slot gives the slot that leads to a place that is there.
func (t *table[K]) slot(mark, place uint32) int {
	s := t.shard(mark)
	mask := len(s.slots) - 1
	i := s.home(mark)
	for s.slots[i] != uint64(mark)<<32|uint64(place) {
		i = (i + 1) & mask
	}
	return i
}

func (t *table[K]) insert(mark, place uint32) { t.shard(mark).insert(mark, place) }

func (t *table[K]) remove(mark uint32, slot int) { t.shard(mark).remove(slot) }

// touch reads where the search for a mark begins.
func (t *table[K]) touch(mark uint32) uint64 {
	s := t.shard(mark)
	return s.slots[s.home(mark)]
}

// home is where a key would lie if it were alone. It goes by the upper bits, so that growing moves slots in their order.
func (s *shard) home(mark uint32) int {
	return int(uint64(mark) * uint64(len(s.slots)) >> 32)
}

// insert puts in a key that is not there.
func (s *shard) insert(mark, place uint32) {
	if s.count*4 >= len(s.slots)*3 {
		old := s.slots
		s.slots = make([]uint64, max(smallest, 2*len(old)))
		for _, held := range old {
			if held != 0 {
				s.put(held)
			}
		}
	}
	s.put(uint64(mark)<<32 | uint64(place))
	s.count++
}

func (s *shard) put(held uint64) {
	mask := len(s.slots) - 1
	i := s.home(uint32(held >> 32))
	for s.slots[i] != 0 {
		i = (i + 1) & mask
	}
	s.slots[i] = held
}

// remove empties a slot and moves up what had to step aside for it.
func (s *shard) remove(i int) {
	mask := len(s.slots) - 1
	for j := (i + 1) & mask; s.slots[j] != 0; j = (j + 1) & mask {
		home := s.home(uint32(s.slots[j] >> 32))
		if (j-home)&mask >= (j-i)&mask {
			s.slots[i] = s.slots[j]
			i = j
		}
	}
	s.slots[i] = 0
	s.count--
}
