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

// hash gives the shard of a key, and the part of its hash that is kept in the slot.
func (t *table[K]) hash(key K) (s *shard, mark uint32) {
	h := maphash.Comparable(t.seed, key)
	return &t.shards[h%shards], uint32(h >> 32)
}

// find gives the slot in which a key lies, and its place; the slot is -1 if the key is not there.
func (t *table[K]) find(s *shard, mark uint32, key K) (slot int, place uint32) {
	if s.count == 0 {
		return -1, 0
	}
	mask := len(s.slots) - 1
	for i := s.home(mark); ; i = (i + 1) & mask {
		held := s.slots[i]
		if held == 0 {
			return -1, 0
		}
		place = uint32(held) //nolint:gosec // the lower half is meant
		if uint32(held>>32) == mark && t.arena.entry(place).key == key {
			return i, place
		}
	}
}

// of gives the slot that leads to a place. It is -1 where none is found: a key that is not equal to itself, as a float may
// be, has another hash each time.
func (s *shard) of(mark, place uint32) int {
	if s.count == 0 {
		return -1
	}
	slots := len(s.slots) - 1
	i := s.home(mark)
	for s.slots[i] != uint64(mark)<<32|uint64(place) {
		if s.slots[i] == 0 {
			return -1
		}
		i = (i + 1) & slots
	}
	return i
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
