package store

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
)

// TestPlaces: what several put into a growing table at once is there afterwards, nearly all of it, and within the memory it was given.
func TestPlaces(t *testing.T) {
	const documents, writers, limit = 20_000, 4, 1 << 18
	var reserved atomic.Int64
	p := newPlaces(limit, func(bytes int) { reserved.Add(int64(bytes)) })
	if n := reserved.Load(); n != placesAtFirst*placeSize {
		t.Errorf("%d bytes are reserved for a table that is empty", n)
	}
	var under sync.WaitGroup
	for w := range writers {
		under.Go(func() {
			for i := w; i < documents; i += writers {
				p.put(1, strconv.Itoa(i), 1)
				p.put(1, strconv.Itoa(i), uint64(i)+2)
			}
		})
	}
	under.Wait()
	unknown, wrong := 0, 0
	for i := range documents {
		switch p.get(1, strconv.Itoa(i)) {
		case uint64(i) + 2:
		case 0:
			unknown++
		default:
			wrong++
		}
		if p.get(2, strconv.Itoa(i)) != 0 {
			wrong++
		}
	}
	// Few are lost by chance: in sets that were full before the table grew, or while it did.
	if unknown > documents/10 || wrong > documents/50 {
		t.Errorf("of %d documents %d are not known and %d are taken for others", documents, unknown, wrong)
	}
	if size := int64(len(*p.slots.Load())) * placeSize; size > limit || size != reserved.Load() {
		t.Errorf("the table has %d bytes of %d, and %d are reserved", size, limit, reserved.Load())
	}
}

// TestPlacesFull: a table that may not grow any more forgets, and keeps to its size; one without memory remembers nothing.
func TestPlacesFull(t *testing.T) {
	p := newPlaces(placesAtFirst*placeSize, func(int) {})
	const documents = 10 * placesAtFirst
	for i := range documents {
		p.put(1, strconv.Itoa(i), 7)
	}
	known := 0
	for i := range documents {
		if p.get(1, strconv.Itoa(i)) != 0 {
			known++
		}
	}
	if slots := len(*p.slots.Load()); slots != placesAtFirst || known < placesAtFirst/2 || known > documents/2 {
		t.Errorf("%d documents are known by %d slots", known, slots)
	}
	p.put(1, "far", placeSeqLimit)
	if seq := p.get(1, "far"); seq == placeSeqLimit {
		t.Error("a sequence that has no room in a slot is remembered")
	}
	none := newPlaces(100, func(int) { t.Error("memory is taken") })
	none.put(1, "a", 7)
	if seq := none.get(1, "a"); seq != 0 {
		t.Errorf("without memory, %d is remembered", seq)
	}
}

// TestPlacesGrow: the put that has the table grow moves nothing itself, and what was known before is known while the rest moves, and then.
func TestPlacesGrow(t *testing.T) {
	p := newPlaces(64*placesAtFirst*placeSize, func(int) {})
	known := func(documents int) (n int) {
		for i := range documents {
			if p.get(1, strconv.Itoa(i)) == uint64(i)+1 {
				n++
			}
		}
		return n
	}
	before := 0
	for i := 0; len(*p.slots.Load()) < 8*placesAtFirst || p.old.Load() != nil; i++ {
		slots := p.slots.Load()
		p.put(1, strconv.Itoa(i), uint64(i)+1)
		if p.slots.Load() == slots && p.old.Load() == nil {
			continue
		}
		now := known(i + 1)
		if p.slots.Load() != slots && p.moved.Load() > 0 {
			t.Errorf("a table of %d slots moves at once", len(*slots))
		}
		if now < before || now < (i+1)*8/10 {
			t.Errorf("of %d documents %d are known while the table grows", i+1, now)
		}
		before = now * 99 / 100 // some meet others in their sets
	}
}
