package scheduler

import (
	"cmp"
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
	arena  arena[K]
	places table[K]
	lists  lists
	base   int64 // the current second since 1970: its entries lie in the millisecond lists

	touched uint64 // keeps the reads of touch from being optimized away
}

// New returns an empty wheel. It takes about 75 KiB; each entry adds its key and 28 to 39 bytes, up to twenty more
// where most entries have been moved to other instants, and in the worst case 128 more: where all but one of those that
// were added one after another for about the same time have been removed. A few entries alone take 128 bytes each.
func New[K comparable]() *Wheel[K] {
	w := &Wheel[K]{}
	w.lists.init()
	w.places = table[K]{arena: &w.arena, seed: maphash.MakeSeed()}
	return w
}

// Add makes key due at an instant, replacing the instant it was due at before. An instant that has passed is due at the
// next [Wheel.Expire].
func (w *Wheel[K]) Add(key K, due time.Time) {
	const ms = int(time.Millisecond)
	at := due.Unix()*1000 + int64((due.Nanosecond()+ms-1)/ms)
	mark := w.places.mark(key)
	_, place := w.places.find(mark, key)
	if place == 0 {
		place = w.arena.alloc(key, mark)
		w.places.insert(mark, place)
	}
	before := w.arena.entry(place).pos
	w.put(w.listOf(at), place, at)
	if before != 0 {
		w.lists.remove(before)
	}
}

// Remove forgets a key and says whether it was there.
func (w *Wheel[K]) Remove(key K) bool {
	mark := w.places.mark(key)
	slot, place := w.places.find(mark, key)
	if place == 0 {
		return false
	}
	w.places.remove(mark, slot)
	w.lists.remove(w.arena.entry(place).pos)
	w.arena.free(place)
	return true
}

// Due gives the instant at which a key is due, in UTC.
func (w *Wheel[K]) Due(key K) (time.Time, bool) {
	_, place := w.places.find(w.places.mark(key), key)
	if place == 0 {
		return time.Time{}, false
	}
	return instant(w.lists.due(w.arena.entry(place).pos)), true
}

// Len is the number of keys held.
func (w *Wheel[K]) Len() int { return w.arena.live }

// Next gives the earliest instant at which a key is due, exactly; it may have passed. It is false for an empty wheel.
//
// It takes constant time within the current second. Further ahead the earliest list is searched once and remembered, until
// its earliest entry is removed.
func (w *Wheel[K]) Next() (time.Time, bool) {
	if w.arena.live == 0 {
		return time.Time{}, false
	}
	for _, l := range [...]uint32{firing, late} {
		if w.lists.occupied(l) {
			return instant(w.lists.earliest(l)), true
		}
	}
	if l, ok := w.lists.first(0, 1000); ok {
		return instant(w.base*1000 + int64(l)), true
	}
	for level := range levels {
		from := digit(w.base, level) + 1
		if l, ok := w.lists.first(listAt(level, from), listAt(level, fan)); ok {
			return instant(w.lists.earliest(l)), true
		}
	}
	return instant(w.lists.earliest(beyond)), true
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
		for l, ok := w.lists.first(0, limit); ok; l, ok = w.lists.first(l, limit) {
			w.splice(l)
		}
	}
	for ahead := 0; w.lists.occupied(firing); ahead-- {
		if ahead == 0 {
			ahead = batch
			w.touch()
		}
		pos, place, due := w.lists.front(firing)
		e := w.arena.entry(place)
		key := e.key
		w.places.remove(e.mark, w.places.slot(e.mark, place))
		w.lists.remove(pos)
		w.arena.free(place)
		fire(key, instant(due))
	}
}

// batch is how many entries are touched ahead of firing them.
const batch = 32

// touch reads what firing the next entries will need, so that the waits for memory overlap: with a million entries they
// are most of what firing costs.
func (w *Wheel[K]) touch() {
	left := batch
	for place := range w.lists.all(firing) {
		w.touched ^= w.places.touch(w.arena.entry(place).mark)
		if left--; left == 0 {
			return
		}
	}
}

// Peek calls visit with every key that is due at or after from and before to, and its instant, in no particular order.
// The wheel must not be changed meanwhile. It costs what lies in the lists that the range touches: within the
// current block of 34 minutes those are single seconds, beyond it such blocks.
func (w *Wheel[K]) Peek(from, to time.Time, visit func(key K, due time.Time)) {
	lo, hi := from.UnixMilli(), to.UnixMilli()
	if hi <= lo {
		return
	}
	see := func(start, end uint32) {
		for l, ok := w.lists.first(start, end); ok; l, ok = w.lists.first(l+1, end) {
			for place, due := range w.lists.all(l) {
				if due >= lo && due < hi {
					visit(w.arena.entry(place).key, instant(due))
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
		if l, ok := w.lists.first(listAt(level, from), listAt(level, end)); ok {
			w.base = (parent(w.base, level)*fan + int64(l-listAt(level, 0))) << (levelBits * level)
			w.spread(l)
			return true
		}
		if same {
			w.base = to
			return false
		}
	}
	// Centuries were skipped at once. What lay between counts as late.
	w.base = to >> (levelBits * levels) << (levelBits * levels)
	w.spread(beyond)
	return true
}

// takeLate moves what was added for seconds before the current one to the end of what fires, in order.
func (w *Wheel[K]) takeLate() {
	if !w.lists.occupied(late) {
		return
	}
	type item struct {
		place uint32
		due   int64
	}
	var items []item
	for place, due := range w.lists.drain(late) {
		items = append(items, item{place, due})
	}
	slices.SortStableFunc(items, func(a, b item) int { return cmp.Compare(a.due, b.due) })
	for _, i := range items {
		w.put(firing, i.place, i.due)
	}
}

// put appends an entry to a list; it must have left the one it lay in, or leave it next.
func (w *Wheel[K]) put(list, place uint32, due int64) {
	w.arena.entry(place).pos = w.lists.append(list, place, due)
}

// spread puts what lies in a list where it belongs as seen from the current second.
func (w *Wheel[K]) spread(list uint32) {
	for place, due := range w.lists.drain(list) {
		w.put(w.listOf(due), place, due)
	}
}

// splice moves everything in a list to the end of what fires. It copies: the lists of milliseconds mostly hold a single
// item, and chained they would keep a bundle each.
func (w *Wheel[K]) splice(list uint32) {
	for place, due := range w.lists.drain(list) {
		w.put(firing, place, due)
	}
}

// rebase goes back in time: every entry is placed anew, in the order in which it lay.
func (w *Wheel[K]) rebase(to int64) {
	w.takeLate()
	for l, ok := w.lists.first(0, late); ok; l, ok = w.lists.first(l, late) {
		w.splice(l)
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
