package store

import (
	"slices"
	"sync"
)

// EventKind is what happened to a database.
type EventKind string

// The kinds of events, in CouchDB's words.
const (
	Created EventKind = "created"
	Updated EventKind = "updated"
	Deleted EventKind = "deleted"
)

// Event tells that something happened to a database, once or several times since the last Take.
type Event struct {
	Database string
	Kind     EventKind
}

// Watch tells one watcher of what happens to the databases of a store. Its events are few, however much is written: each database has one at
// most of each kind between two calls of Take.
type Watch struct {
	store *Store
	ready chan struct{}

	mu     sync.Mutex
	events []Event
	seen   map[Event]struct{}
}

// watches are the watchers of a store.
type watches struct {
	mu   sync.RWMutex
	list []*Watch
}

// Watch begins to tell of events.
func (s *Store) Watch() *Watch {
	w := &Watch{store: s, ready: make(chan struct{}, 1), seen: map[Event]struct{}{}}
	s.watches.mu.Lock()
	defer s.watches.mu.Unlock()
	s.watches.list = append(s.watches.list, w)
	return w
}

// Close ends the watch.
func (w *Watch) Close() {
	all := &w.store.watches
	all.mu.Lock()
	defer all.mu.Unlock()
	all.list = slices.DeleteFunc(all.list, func(one *Watch) bool { return one == w })
}

// Ready gets a value when there is something to Take.
func (w *Watch) Ready() <-chan struct{} { return w.ready }

// Take gives the events since the last call: updates in the order in which they happened first, the others in that in which they happened last, so
// that the later of Created and Deleted says whether the database is there.
func (w *Watch) Take() []Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	events := w.events
	w.events = nil
	clear(w.seen)
	return events
}

func (w *Watch) tell(e Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, known := w.seen[e]
	if known && e.Kind != Updated {
		w.events = slices.DeleteFunc(w.events, func(before Event) bool { return before == e })
	}
	if !known || e.Kind != Updated {
		w.seen[e] = struct{}{}
		w.events = append(w.events, e)
	}
	select {
	case w.ready <- struct{}{}:
	default: // it has been told
	}
}

// tell tells all watchers.
func (s *Store) tell(name string, kind EventKind) {
	s.watches.mu.RLock()
	defer s.watches.mu.RUnlock()
	for _, w := range s.watches.list {
		w.tell(Event{name, kind})
	}
}
