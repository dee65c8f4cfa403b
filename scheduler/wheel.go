package scheduler

import (
	"hash/maphash"
	"slices"
	"time"
)

// Wheel holds keys with the instant at which each is due, and gives them back in order of that instant, never early.
//
// Instants have a resolution of one millisecond, rounded up. Keys of the same millisecond come in the order in which they
// were added. Adding, removing and expiring take constant time. A Wheel is not safe for concurrent use: its owner is one
// goroutine. The zero value is not usable; see [New].
type Wheel[K comparable] struct {
	arena[K]

	places table[K]
	base   int64 // the current second since 1970: its entries lie in the millisecond lists

	touched uint64 // keeps the reads of touch from being optimized away
}

// New returns an empty wheel. It takes about 110 KiB; each entry adds its key and 27 to 38 bytes.
func New[K comparable]() *Wheel[K] {
	w := &Wheel[K]{}
	w.init()
	w.places = table[K]{arena: &w.arena, seed: maphash.MakeSeed()}
	return w
}

// Add makes key due at an instant, replacing the instant it was due at before. An instant that has passed is due at the
// next [Wheel.Expire].
func (w *Wheel[K]) Add(key K, due time.Time) {
	at := due.UnixMilli()
	if due.Nanosecond()%int(time.Millisecond) != 0 {
		at++
	}
	shard, mark := w.places.hash(key)
	slot, place := w.places.find(shard, mark, key)
	if slot >= 0 {
		w.unlink(place)
		w.entry(place).due = at
	} else {
		place = w.alloc(key, at)
		shard.insert(mark, place)
	}
	w.link(w.listOf(at), place, at)
}

// Remove forgets a key and says whether it was there.
func (w *Wheel[K]) Remove(key K) bool {
	shard, mark := w.places.hash(key)
	slot, place := w.places.find(shard, mark, key)
	if slot < 0 {
		return false
	}
	shard.remove(slot)
	w.unlink(place)
	w.free(place)
	return true
}

// Due gives the instant at which a key is due, in UTC.
func (w *Wheel[K]) Due(key K) (time.Time, bool) {
	shard, mark := w.places.hash(key)
	slot, place := w.places.find(shard, mark, key)
	if slot < 0 {
		return time.Time{}, false
	}
	return instant(w.entry(place).due), true
}

// Len is the number of keys held.
func (w *Wheel[K]) Len() int { return w.live }

// Next gives the earliest instant at which a key is due, exactly; it may have passed. It is false for an empty wheel.
//
// It takes constant time within the current second. Further ahead the earliest list is searched once and remembered, until
// its earliest entry is removed.
func (w *Wheel[K]) Next() (time.Time, bool) {
	if w.live == 0 {
		return time.Time{}, false
	}
	for _, l := range [...]uint32{firing, late} {
		if w.occupied(l) {
			return instant(w.earliest(l)), true
		}
	}
	if l, ok := w.first(0, 1000); ok {
		return instant(w.base*1000 + int64(l)), true
	}
	for level := range levels {
		from := digit(w.base, level) + 1
		if l, ok := w.first(listAt(level, from), listAt(level, fan)); ok {
			return instant(w.earliest(l)), true
		}
	}
	return instant(w.earliest(beyond)), true
}

// Expire takes out every key that is due at or before now and calls fire with it and its instant, in order.
//
// fire may add and remove keys, also those that are due; what it adds comes at the next Expire at the soonest, so that it
// ends. It must not call Expire. Time may have jumped since the last call: forward by any distance costs no more than what
// is due, back over the start of the current second costs one pass over all entries.
func (w *Wheel[K]) Expire(now time.Time, fire func(key K, due time.Time)) {
	ms := now.UnixMilli()
	to := second(ms)
	if to < w.base {
		w.rebase(to)
	}
	for more := true; more; more = w.step(to) {
		w.takeLate()
		limit := uint32(1000)
		if w.base == to {
			limit = uint32(ms-to*1000) + 1 //nolint:gosec // 1 to 1000
		}
		for l, ok := w.first(0, limit); ok; l, ok = w.first(l, limit) {
			w.splice(firing, l)
		}
	}
	for ahead := 0; w.occupied(firing); ahead-- {
		place := w.node(firing).next
		if ahead == 0 {
			ahead = batch
			w.touch(place)
		}
		key, due := w.entry(place).key, w.entry(place).due
		shard, mark := w.places.hash(key)
		if slot := shard.of(mark, place); slot >= 0 {
			shard.remove(slot)
		}
		w.unlink(place)
		w.free(place)
		fire(key, instant(due))
	}
}

// batch is how many entries are touched ahead of firing them.
const batch = 32

// touch reads what firing the next entries will need, so that the waits for memory overlap: with a million entries they
// are most of what firing costs.
func (w *Wheel[K]) touch(place uint32) {
	for range batch {
		if place < heads {
			return
		}
		e := w.entry(place)
		shard, mark := w.places.hash(e.key)
		if shard.count > 0 {
			w.touched ^= shard.slots[shard.home(mark)]
		}
		place = e.next
	}
}

// Peek calls visit with every key that is due at or after from and before to, and its instant, in no particular order.
// The wheel must not be changed meanwhile. It costs what lies in the lists that the range touches: within the hour those
// are single seconds, beyond that blocks of 68 minutes.
func (w *Wheel[K]) Peek(from, to time.Time, visit func(key K, due time.Time)) {
	lo, hi := from.UnixMilli(), to.UnixMilli()
	if hi <= lo {
		return
	}
	see := func(start, end uint32) {
		for l, ok := w.first(start, end); ok; l, ok = w.first(l+1, end) {
			for place := w.node(l).next; place != l; place = w.node(place).next {
				if e := w.entry(place); e.due >= lo && e.due < hi {
					visit(e.key, instant(e.due))
				}
			}
		}
	}
	see(firing, firing+1)
	see(late, late+1)
	see(0, 1000)
	first, last := max(second(lo), w.base), second(hi-1)
	for level := range levels {
		// What is further ahead than this level's span lies in the coarser levels only.
		start, end := digit(w.base, level)+1, int64(fan)
		if parent(first, level) > parent(w.base, level) || last < w.base {
			continue
		}
		start = max(start, digit(first, level))
		if parent(last, level) == parent(w.base, level) {
			end = digit(last, level) + 1
		}
		if start < end {
			see(listAt(level, start), listAt(level, end))
		}
	}
	see(beyond, beyond+1)
}

// listOf is the list for an instant as seen from the current second.
func (w *Wheel[K]) listOf(ms int64) uint32 {
	s := second(ms)
	switch {
	case s < w.base:
		return late
	case s == w.base:
		return uint32(ms - s*1000) //nolint:gosec // 0 to 999
	}
	for level := range levels {
		if parent(s, level) == parent(w.base, level) {
			return listAt(level, digit(s, level))
		}
	}
	return beyond
}

// step moves the current second to the start of the next list that holds anything up to the second `to`, and spreads that
// list over finer ones. It is false once there is none: the current second is then `to`. Everything of the current second
// must have been taken out before if it is not `to` itself.
func (w *Wheel[K]) step(to int64) bool {
	for level := range levels {
		from, end := digit(w.base, level)+1, int64(fan)
		same := parent(w.base, level) == parent(to, level)
		if same {
			end = digit(to, level) + 1
		}
		if l, ok := w.first(listAt(level, from), listAt(level, end)); ok {
			w.base = (parent(w.base, level)*fan + int64(l-listAt(level, 0))) << (levelBits * level)
			w.spread(l)
			return true
		}
		if same {
			w.base = to
			return false
		}
	}
	// Thousands of years were skipped at once. What lay between counts as late.
	w.base = to >> (levelBits * levels) << (levelBits * levels)
	w.spread(beyond)
	return true
}

// takeLate moves what was added for seconds before the current one to the end of what fires, in order.
func (w *Wheel[K]) takeLate() {
	if !w.occupied(late) {
		return
	}
	var places []uint32
	for place := w.node(late).next; place != late; place = w.node(place).next {
		places = append(places, place)
	}
	slices.SortStableFunc(places, func(a, b uint32) int {
		return int(min(max(w.entry(a).due-w.entry(b).due, -1), 1))
	})
	w.clear(late)
	for _, place := range places {
		w.link(firing, place, w.entry(place).due)
	}
}

// spread puts what lies in a list where it belongs as seen from the current second.
func (w *Wheel[K]) spread(list uint32) {
	place := w.node(list).next
	w.clear(list)
	for place != list {
		next := w.node(place).next
		due := w.entry(place).due
		w.link(w.listOf(due), place, due)
		place = next
	}
}

// rebase goes back in time: every entry is placed anew, in the order in which it lay.
func (w *Wheel[K]) rebase(to int64) {
	w.takeLate()
	for l, ok := w.first(0, late); ok; l, ok = w.first(l, late) {
		w.splice(firing, l)
	}
	w.base = to
	w.spread(firing)
}

// second is the second since 1970 in which a millisecond lies.
func second(ms int64) int64 {
	s := ms / 1000
	if ms%1000 < 0 {
		s--
	}
	return s
}

func instant(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
