package scheduler

import "math/bits"

// The shape of the wheel. Lists are numbered; a list's number is also the place of its head among the links.
const (
	levelBits = 12
	fan       = 1 << levelBits // lists of a level
	levels    = 3              // seconds, blocks of 4096 seconds, super-blocks of 4096 blocks

	levelLists = 1024 // where the lists of the levels begin; before them one for each millisecond of the current second

	beyond = levelLists + levels*fan // what is further ahead than all levels reach
	late   = beyond + 1              // what was due before the current second when it was added
	firing = late + 1                // what Expire is about to hand out
	heads  = firing + 1

	chunk = 4096
	none  = ^uint32(0)
)

type node struct{ next, prev uint32 }

type entry[K comparable] struct {
	node

	due int64 // milliseconds since 1970
	key K
}

// arena keeps entries in fixed chunks and chains them into circular lists by place. The first places are the heads of the
// lists, which hold nothing.
type arena[K comparable] struct {
	chunks []*[chunk]entry[K]
	heads  [heads]node
	filled [(heads + 63) / 64]uint64 // one bit for each list: it holds something
	used   int                       // places taken so far from the chunks
	live   int                       // of these, places that hold an entry
	vacant uint32                    // head of the chain of freed places; 0 = none

	// The earliest instant of one list, where it is known: see earliest.
	seenList uint32
	seenDue  int64
}

func (a *arena[K]) init() {
	for l := range a.heads {
		a.heads[l] = node{next: uint32(l), prev: uint32(l)}
	}
	a.seenList = none
}

func (a *arena[K]) node(place uint32) *node {
	if place < heads {
		return &a.heads[place]
	}
	return &a.entry(place).node
}

func (a *arena[K]) entry(place uint32) *entry[K] {
	place -= heads
	return &a.chunks[place/chunk][place%chunk]
}

func (a *arena[K]) alloc(key K, due int64) uint32 {
	a.live++
	place := a.vacant
	if place != 0 {
		a.vacant = a.entry(place).next
	} else {
		if a.used == len(a.chunks)*chunk {
			a.chunks = append(a.chunks, new([chunk]entry[K]))
		}
		place = heads + uint32(a.used) //nolint:gosec // four thousand million entries do not fit into memory
		a.used++
	}
	e := a.entry(place)
	e.key, e.due = key, due
	return place
}

func (a *arena[K]) free(place uint32) {
	*a.entry(place) = entry[K]{node: node{next: a.vacant}} // lets go of what the key refers to
	a.vacant = place
	a.live--
}

// link appends a place to a list.
func (a *arena[K]) link(list, place uint32, due int64) {
	head := a.node(list)
	*a.node(place) = node{next: list, prev: head.prev}
	a.node(head.prev).next = place
	head.prev = place
	a.filled[list/64] |= 1 << (list % 64)
	if list == a.seenList && due < a.seenDue {
		a.seenDue = due
	}
}

// unlink takes a place out of whatever list it is in.
func (a *arena[K]) unlink(place uint32) {
	n := *a.node(place)
	a.node(n.prev).next = n.next
	a.node(n.next).prev = n.prev
	if n.prev == n.next && n.prev < heads {
		a.filled[n.prev/64] &^= 1 << (n.prev % 64)
	}
	if a.seenList != none && a.entry(place).due == a.seenDue {
		a.seenList = none
	}
}

// splice moves everything in one list to the end of another.
func (a *arena[K]) splice(to, from uint32) {
	f, t := *a.node(from), a.node(to)
	a.node(t.prev).next = f.next
	a.node(f.next).prev = t.prev
	a.node(f.prev).next = to
	t.prev = f.prev
	a.filled[to/64] |= 1 << (to % 64)
	if to == a.seenList {
		a.seenList = none
	}
	a.clear(from)
}

// clear makes a list empty; its entries are then in the caller's hands.
func (a *arena[K]) clear(list uint32) {
	*a.node(list) = node{next: list, prev: list}
	a.filled[list/64] &^= 1 << (list % 64)
	if list == a.seenList {
		a.seenList = none
	}
}

func (a *arena[K]) occupied(list uint32) bool {
	return a.filled[list/64]&(1<<(list%64)) != 0
}

// first finds the first list from start up to but not including end that holds anything.
func (a *arena[K]) first(start, end uint32) (uint32, bool) {
	if start >= end {
		return 0, false
	}
	word := start / 64
	w := a.filled[word] &^ (1<<(start%64) - 1)
	for w == 0 {
		if word++; word*64 >= end {
			return 0, false
		}
		w = a.filled[word]
	}
	l := word*64 + uint32(bits.TrailingZeros64(w)) //nolint:gosec // 0 to 63
	return l, l < end
}

// earliest is the least instant in a list that is not empty. It is remembered for one list at a time.
func (a *arena[K]) earliest(list uint32) int64 {
	if list == a.seenList {
		return a.seenDue
	}
	place := a.node(list).next
	due := a.entry(place).due
	for place != list {
		due = min(due, a.entry(place).due)
		place = a.node(place).next
	}
	a.seenList, a.seenDue = list, due
	return due
}

// digit is where a second lies within the lists of a level.
func digit(s int64, level int) int64 { return s >> (levelBits * level) & (fan - 1) }

// parent says which turn of a level a second belongs to: the level holds seconds of the same turn only.
func parent(s int64, level int) int64 { return s >> (levelBits * (level + 1)) }

func listAt(level int, digit int64) uint32 {
	return uint32(levelLists + int64(level)*fan + digit) //nolint:gosec // below heads
}
