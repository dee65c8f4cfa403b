package scheduler

// entry is a key and where it lies in the lists. A place that holds none is a link in the chain of freed places.
type entry[K comparable] struct {
	key  K
	mark uint32 // the key's hash
	pos  uint32 // in the lists; of a freed place, the next freed one
}

// arena keeps entries in fixed chunks, so that growing copies none. Places are counted from 1.
type arena[K comparable] struct {
	chunks []*[perChunk]entry[K]
	used   uint32 // places taken so far from the chunks
	live   int    // of these, places that hold an entry
	vacant uint32 // head of the chain of freed places; 0 = none
}

const perChunk = 4096

func (a *arena[K]) entry(place uint32) *entry[K] {
	return &a.chunks[place/perChunk][place%perChunk]
}

// alloc takes a place for a key. It lies in no list yet.
func (a *arena[K]) alloc(key K, mark uint32) uint32 {
	a.live++
	place := a.vacant
	if place != 0 {
		a.vacant = a.entry(place).pos
	} else {
		a.used++
		place = a.used
		if int(place/perChunk) == len(a.chunks) {
			a.chunks = append(a.chunks, new([perChunk]entry[K]))
		}
	}
	e := a.entry(place)
	e.key, e.mark, e.pos = key, mark, 0
	return place
}

func (a *arena[K]) free(place uint32) {
	*a.entry(place) = entry[K]{pos: a.vacant} // lets go of what the key refers to
	a.vacant = place
	a.live--
}
