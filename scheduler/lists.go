package scheduler

import (
	"iter"
	"math"
	"math/bits"
)

// The shape of the wheel. Lists are numbered; a list's number is also the number of its head among the links.
const (
	levelBits = 11
	fan       = 1 << levelBits // lists of a level
	levels    = 3              // seconds, blocks of 2048 seconds, super-blocks of 2048 blocks

	levelLists = 1024 // where the lists of the levels begin; before them one for each millisecond of the current second

	beyond = levelLists + levels*fan // what is further ahead than all levels reach
	late   = beyond + 1              // what was due before the current second when it was added
	firing = late + 1                // what Expire is about to hand out
	heads  = firing + 1

	none = ^uint32(0)
)

// An era is what a list of the coarsest level spans: 48 days. Its milliseconds fit into 32 bits.
const (
	eraBits = levelBits * (levels - 1)
	eraSpan = 1000 << eraBits
)

// link chains bundles into circular lists; each list's head is a link too.
type link struct{ next, prev uint32 }

// ref is an item of a list: the place of an entry, and the milliseconds from the start of an era to its instant.
type ref struct{ place, ms uint32 }

// bundle holds consecutive items of one list, so that going through a list needs nothing of the entries and waits for
// memory once for many. It is two cache lines. What is removed leaves a gap; a bundle that holds nothing leaves the list.
type bundle struct {
	link

	era  int32
	live uint16 // one bit for each item that is there
	refs [perBundle]ref
}

const (
	perBundle = 14
	slotBits  = 4 // of a position; the bits above are the bundle

	chunk = 512 // bundles that are allocated together
)

func (b *bundle) due(slot int) int64 { return int64(b.era)*eraSpan + int64(b.refs[slot].ms) }

// lists keeps items in the order in which they were appended. An item has a position, by which it is taken out.
type lists struct {
	chunks []*[chunk]bundle
	heads  [heads]link
	filled [(heads + 63) / 64]uint64 // one bit for each list: it holds something
	used   int                       // bundles taken so far from the chunks
	vacant uint32                    // head of the chain of freed bundles; 0 = none

	// The earliest instant of one list, where it is known: see earliest.
	seenList uint32
	seenDue  int64
}

func (l *lists) init() {
	for i := range l.heads {
		l.heads[i] = link{next: uint32(i), prev: uint32(i)}
	}
	l.seenList = none
}

func (l *lists) link(id uint32) *link {
	if id < heads {
		return &l.heads[id]
	}
	return &l.bundle(id).link
}

func (l *lists) bundle(id uint32) *bundle {
	id -= heads
	return &l.chunks[id/chunk][id%chunk]
}

// append puts an item at the end of a list and gives its position.
func (l *lists) append(list, place uint32, due int64) (pos uint32) {
	era := second(due) >> eraBits
	id := l.heads[list].prev
	var b *bundle
	if id >= heads {
		b = l.bundle(id)
	}
	if b == nil || b.live>>(perBundle-1) != 0 || int64(b.era) != era {
		id, b = l.extend(list, era)
	}
	slot := bits.Len16(b.live)
	b.refs[slot] = ref{place: place, ms: uint32(due - era*eraSpan)} //nolint:gosec // less than an era
	b.live |= 1 << slot
	if list == l.seenList && due < l.seenDue {
		l.seenDue = due
	}
	return id<<slotBits | uint32(slot) //nolint:gosec // 0 to 13
}

// extend puts an empty bundle at the end of a list.
func (l *lists) extend(list uint32, era int64) (uint32, *bundle) {
	id := l.vacant
	if id != 0 {
		l.vacant = l.bundle(id).next
	} else {
		if l.used == len(l.chunks)*chunk {
			l.chunks = append(l.chunks, new([chunk]bundle))
		}
		id = heads + uint32(l.used) //nolint:gosec // so many do not fit into memory
		l.used++
	}
	head := &l.heads[list]
	b := l.bundle(id)
	b.link, b.era, b.live = link{next: list, prev: head.prev}, int32(era), 0 //nolint:gosec // 250 million years
	l.link(head.prev).next = id
	head.prev = id
	l.filled[list/64] |= 1 << (list % 64)
	return id, b
}

// remove takes the item at a position out of whatever list it is in.
func (l *lists) remove(pos uint32) {
	id, slot := pos>>slotBits, int(pos%(1<<slotBits))
	b := l.bundle(id)
	b.live &^= 1 << slot
	if l.seenList != none && b.due(slot) == l.seenDue {
		l.seenList = none
	}
	if b.live == 0 {
		l.drop(id)
	}
}

// due is the instant of the item at a position.
func (l *lists) due(pos uint32) int64 {
	return l.bundle(pos >> slotBits).due(int(pos % (1 << slotBits)))
}

// drop takes an empty bundle out of its list.
func (l *lists) drop(id uint32) {
	b := l.bundle(id)
	l.link(b.prev).next = b.next
	l.link(b.next).prev = b.prev
	if b.prev == b.next && b.prev < heads {
		l.filled[b.prev/64] &^= 1 << (b.prev % 64)
	}
	l.free(id)
}

func (l *lists) free(id uint32) {
	l.bundle(id).next = l.vacant
	l.vacant = id
}

// drain takes everything out of a list, in order. It must be gone through to its end; meanwhile items may be appended to
// any list, also this one.
func (l *lists) drain(list uint32) iter.Seq2[uint32, int64] {
	return func(yield func(place uint32, due int64) bool) {
		id := l.heads[list].next
		l.heads[list] = link{next: list, prev: list}
		l.filled[list/64] &^= 1 << (list % 64)
		if list == l.seenList {
			l.seenList = none
		}
		for id != list {
			b := l.bundle(id)
			b.all(yield)
			next := b.next
			l.free(id)
			id = next
		}
	}
}

// all goes through the places and instants of a list, in order. The list must not be changed meanwhile.
func (l *lists) all(list uint32) iter.Seq2[uint32, int64] {
	return func(yield func(place uint32, due int64) bool) {
		for id := l.heads[list].next; id != list; {
			b := l.bundle(id)
			if !b.all(yield) {
				return
			}
			id = b.next
		}
	}
}

func (b *bundle) all(yield func(place uint32, due int64) bool) bool {
	for live := b.live; live != 0; live &= live - 1 {
		slot := bits.TrailingZeros16(live)
		if !yield(b.refs[slot].place, b.due(slot)) {
			return false
		}
	}
	return true
}

// front is the position, the place and the instant of the first item of a list that is not empty.
func (l *lists) front(list uint32) (pos, place uint32, due int64) {
	id := l.heads[list].next
	b := l.bundle(id)
	slot := bits.TrailingZeros16(b.live)
	return id<<slotBits | uint32(slot), b.refs[slot].place, b.due(slot) //nolint:gosec // 0 to 13
}

func (l *lists) occupied(list uint32) bool {
	return l.filled[list/64]&(1<<(list%64)) != 0
}

// first finds the first list from start up to but not including end that holds anything.
func (l *lists) first(start, end uint32) (uint32, bool) {
	if start >= end {
		return 0, false
	}
	word := start / 64
	w := l.filled[word] &^ (1<<(start%64) - 1)
	for w == 0 {
		if word++; word*64 >= end {
			return 0, false
		}
		w = l.filled[word]
	}
	list := word*64 + uint32(bits.TrailingZeros64(w)) //nolint:gosec // 0 to 63
	return list, list < end
}

// earliest is the least instant in a list that is not empty. It is remembered for one list at a time.
func (l *lists) earliest(list uint32) int64 {
	if list != l.seenList {
		least := int64(math.MaxInt64)
		for _, due := range l.all(list) {
			least = min(least, due)
		}
		l.seenList, l.seenDue = list, least
	}
	return l.seenDue
}

// digit is where a second lies within the lists of a level.
func digit(s int64, level int) int64 { return s >> (levelBits * level) & (fan - 1) }

// parent says which turn of a level a second belongs to: the level holds seconds of the same turn only.
func parent(s int64, level int) int64 { return s >> (levelBits * (level + 1)) }

func listAt(level int, digit int64) uint32 {
	return uint32(levelLists + int64(level)*fan + digit) //nolint:gosec // below heads
}
