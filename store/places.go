package store

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// places remembers at which sequence documents were written last, eight bytes for each, so that many of a large database are read without their
// records, which lie in as many other blocks. What it tells is a guess, since it forgets, mixes up and runs ahead of snapshots: the row at the
// sequence says whose it is, and its mark whether it was written over.
//
// A slot holds 28 bits of the hash of a document, and above them the sequence. A document may be in any slot of its set, which is named by the
// lowest bits of the hash: so a table that is full gives way to one that is twice as large, up to a limit, without the names of documents.
type places struct {
	seed    maphash.Seed
	most    int                             // slots at most; 0: nothing is remembered
	reserve func(bytes int)                 // is told of memory that is taken
	slots   atomic.Pointer[[]atomic.Uint64] // nil: nothing is remembered
	used    atomic.Int64

	growing sync.Mutex
	old     atomic.Pointer[[]atomic.Uint64] // the table before this one, until all of it is in this one
	moved   atomic.Int64                    // how much of it is
}

const (
	placesAtFirst = 1 << 10
	placeSize     = 8 // bytes
	placeSet      = 8 // slots, which are one line of the processor's cache
	placeHashBits = 28
	placeHashMask = 1<<placeHashBits - 1
	placeSeqLimit = 1 << (64 - placeHashBits)
	placesMoved   = 16 * placeSet // slots that come from the table before with each put
)

// newPlaces makes a memory of so many bytes at most, which begins small.
func newPlaces(size int64, reserve func(bytes int)) *places {
	p := &places{seed: maphash.MakeSeed(), reserve: reserve}
	for n := placesAtFirst; int64(n)*placeSize <= size; n *= 2 {
		p.most = n
	}
	if p.most > 0 {
		slots := make([]atomic.Uint64, placesAtFirst)
		reserve(len(slots) * placeSize)
		p.slots.Store(&slots)
	}
	return p
}

// hash tells documents of different databases apart.
func (p *places) hash(number uint32, id string) uint64 {
	return maphash.String(p.seed, id) ^ uint64(number)*0x9e3779b97f4a7c15>>7
}

// placeSetOf are the slots in which a document may be.
func placeSetOf(slots []atomic.Uint64, hash uint64) []atomic.Uint64 {
	first := int(hash&placeHashMask) & (len(slots)/placeSet - 1) * placeSet
	return slots[first : first+placeSet]
}

// get gives the sequence at which a document may have been written last; 0 if nothing is known.
func (p *places) get(number uint32, id string) uint64 {
	slots := p.slots.Load()
	if slots == nil {
		return 0
	}
	hash := p.hash(number, id)
	seq := seqIn(*slots, hash)
	if seq == 0 {
		if old := p.old.Load(); old != nil {
			return seqIn(*old, hash)
		}
	}
	return seq
}

func seqIn(slots []atomic.Uint64, hash uint64) uint64 {
	set := placeSetOf(slots, hash)
	for i := range set {
		if place := set[i].Load(); place != 0 && place&placeHashMask == hash&placeHashMask {
			return place >> placeHashBits
		}
	}
	return 0
}

// put remembers that a document was written at seq. Several may do so at once; what one of them tells may be lost.
func (p *places) put(number uint32, id string, seq uint64) {
	slots := p.slots.Load()
	if slots == nil || seq >= placeSeqLimit {
		return
	}
	hash := p.hash(number, id)
	free := enter(*slots, hash, seq<<placeHashBits|hash&placeHashMask)
	if old := p.old.Load(); old != nil {
		p.move(*old, *slots)
		return
	}
	if free && p.used.Add(1) > int64(len(*slots))*3/4 && len(*slots) < p.most {
		p.grow()
	}
}

// enter puts a place into its set: over that of the same document, where one is free, or over another, and tells whether it was free.
func enter(slots []atomic.Uint64, hash, place uint64) (free bool) {
	set := placeSetOf(slots, hash)
	var slot *atomic.Uint64
	for i := range set {
		there := set[i].Load()
		if there != 0 && there&placeHashMask == place&placeHashMask {
			set[i].Store(place)
			return false
		}
		if there == 0 && slot == nil {
			slot = &set[i]
		}
	}
	if slot == nil {
		set[hash>>placeHashBits%placeSet].Store(place)
		return false
	}
	slot.Store(place)
	return true
}

// grow doubles the table. What the one before has comes over bit by bit, so that no put takes long. What is put meanwhile may be forgotten.
func (p *places) grow() {
	p.growing.Lock()
	defer p.growing.Unlock()
	old := p.slots.Load()
	if p.used.Load() <= int64(len(*old))*3/4 || len(*old) >= p.most || p.old.Load() != nil { // another one was quicker
		return
	}
	slots := make([]atomic.Uint64, 2*len(*old))
	p.reserve(len(*old) * placeSize)
	p.moved.Store(0)
	p.old.Store(old)
	p.slots.Store(&slots)
}

// move brings a part of the table before into this one.
func (p *places) move(old, slots []atomic.Uint64) {
	to := int(p.moved.Add(placesMoved))
	from := to - placesMoved
	if from >= len(old) {
		return
	}
	for i := range old[from:to] {
		if place := old[from+i].Load(); place != 0 {
			admit(slots, place)
		}
	}
	if to < len(old) {
		return
	}
	p.used.Store(int64(len(old)) * 3 / 4) // about: so many were in it
	p.old.Store(nil)
}

// admit puts a place into its set unless there is a newer one of its document, or no room.
func admit(slots []atomic.Uint64, place uint64) {
	set := placeSetOf(slots, place)
	for i := range set {
		there := set[i].Load()
		if there == 0 && set[i].CompareAndSwap(0, place) || there&placeHashMask == place&placeHashMask {
			return
		}
	}
}
