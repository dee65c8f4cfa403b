package store

import (
	"strings"
	"sync"

	"github.com/adlayer/after/internal/jsonscan"
)

// Interest says which writes a subscriber has to hear of; others may reach it, too, but none of these passes it by. The zero value hears of
// all.
type Interest struct {
	// Fields are conditions of which one suffices.
	Fields []FieldIs
	// IDs are documents that are meant whatever they say.
	IDs []string
	// Deleted means every deletion.
	Deleted bool
}

// FieldIs is the condition that the member at Path, names from the document inwards, is the string Value or an array that holds it. Value
// is of printable ASCII without quotes and backslashes.
type FieldIs struct {
	Path  []string
	Value string
}

func (i Interest) everything() bool { return len(i.Fields) == 0 && len(i.IDs) == 0 && !i.Deleted }

// Subscription tells one subscriber of a database about writes. Only one goroutine may use it.
type Subscription struct {
	db       *Database
	interest Interest
	ready    chan struct{}

	// The rest belongs to the hub.
	due []uint64 // sequences of writes of interest since the last Take, ascending
	all bool     // there were more than fit, or nobody told them apart
}

// mostDue is how many sequences a subscription holds; beyond it the subscriber reads all that changed.
const mostDue = 256

// hub has the subscriptions of a database. A write is matched by its values, whatever the number of subscriptions that wait for others.
type hub struct {
	mu      sync.Mutex
	closed  bool
	members map[*Subscription]struct{}
	all     map[*Subscription]struct{} // those that hear of everything
	deleted map[*Subscription]struct{}
	ids     map[string][]*Subscription
	fields  []*watched
}

// watched is a field that subscriptions look at.
type watched struct {
	path   []string
	values map[string][]*Subscription // by the value in quotes
	count  map[*Subscription]int      // how many values each has
}

// Subscribe begins to tell of writes. The first Take says that all may have changed.
func (d *Database) Subscribe(i Interest) *Subscription {
	s := &Subscription{db: d, interest: i, ready: make(chan struct{}, 1), all: true}
	h := &d.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	h.add(s)
	if h.closed {
		s.signal()
	}
	return s
}

// Close ends the subscription.
func (s *Subscription) Close() {
	h := &s.db.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	h.remove(s)
}

// Ready gets a value when there is something to Take, and when the database is dropped or the store closed.
func (s *Subscription) Ready() <-chan struct{} { return s.ready }

// Take gives a view, and the sequences up to it of the writes of interest since the last Take; all means that there may be more, so that
// everything that changed since must be looked at. It fails where Snapshot does.
func (s *Subscription) Take() (snap *Snapshot, due []uint64, all bool, err error) {
	if err := s.db.readable(); err != nil {
		return nil, nil, false, err
	}
	h := &s.db.hub
	h.mu.Lock()
	v := s.db.store.views.acquire()
	due, all = s.due, s.all
	s.due, s.all = nil, s.interest.everything()
	h.mu.Unlock()
	if v == nil {
		return nil, nil, false, ErrClosed
	}
	snap, err = s.db.snapshotOf(v)
	return snap, due, all, err
}

func (s *Subscription) signal() {
	select {
	case s.ready <- struct{}{}:
	default: // it has been told
	}
}

// give tells the subscription of a write.
func (s *Subscription) give(seq uint64) {
	n := len(s.due)
	switch {
	case s.all || n > 0 && s.due[n-1] == seq:
	case n == mostDue:
		s.due, s.all = nil, true
	default:
		s.due = append(s.due, seq)
	}
	s.signal()
}

func (h *hub) add(s *Subscription) {
	if h.members == nil {
		h.members, h.all, h.deleted = map[*Subscription]struct{}{}, map[*Subscription]struct{}{}, map[*Subscription]struct{}{}
		h.ids = map[string][]*Subscription{}
	}
	h.members[s] = struct{}{}
	if s.interest.everything() {
		h.all[s] = struct{}{}
	}
	if s.interest.Deleted {
		h.deleted[s] = struct{}{}
	}
	for _, id := range s.interest.IDs {
		h.ids[id] = append(h.ids[id], s)
	}
	for _, f := range s.interest.Fields {
		w := h.field(f.Path)
		quoted := `"` + f.Value + `"`
		w.values[quoted] = append(w.values[quoted], s)
		w.count[s]++
	}
}

// field finds what is watched at a path, or begins to.
func (h *hub) field(path []string) *watched {
	key := strings.Join(path, "\x00")
	for _, w := range h.fields {
		if strings.Join(w.path, "\x00") == key {
			return w
		}
	}
	w := &watched{path: path, values: map[string][]*Subscription{}, count: map[*Subscription]int{}}
	h.fields = append(h.fields, w)
	return w
}

func (h *hub) remove(s *Subscription) {
	delete(h.members, s)
	delete(h.all, s)
	delete(h.deleted, s)
	for _, id := range s.interest.IDs {
		without(h.ids, id, s)
	}
	for _, f := range s.interest.Fields {
		w := h.field(f.Path)
		without(w.values, `"`+f.Value+`"`, s)
		delete(w.count, s)
	}
	kept := h.fields[:0]
	for _, w := range h.fields {
		if len(w.count) > 0 {
			kept = append(kept, w)
		}
	}
	clear(h.fields[len(kept):])
	h.fields = kept
}

// without takes a subscription out of a list.
func without(lists map[string][]*Subscription, key string, s *Subscription) {
	list := lists[key]
	for i := 0; i < len(list); {
		if list[i] == s {
			list[i] = list[len(list)-1]
			list[len(list)-1] = nil
			list = list[:len(list)-1]
			continue
		}
		i++
	}
	if len(list) == 0 {
		delete(lists, key)
		return
	}
	lists[key] = list
}

// close wakes all subscribers for the last time.
func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for s := range h.members {
		s.signal()
	}
}

// dispatch tells those who have to hear of the documents that a request wrote. h.mu is held.
func (h *hub) dispatch(r *request) {
	if len(h.members) == 0 {
		return
	}
	for s := range h.all {
		s.signal()
	}
	if len(h.all) == len(h.members) {
		return
	}
	for i := range r.docs {
		if res := &r.results[i]; res.seq != 0 {
			h.tell(&r.docs[i], res)
		}
	}
}

func (h *hub) tell(d *Doc, res *Result) {
	if res.branched { // the winner may be another revision: only a reader can say what it holds
		for s := range h.members {
			s.give(res.seq)
		}
		return
	}
	if d.Deleted {
		for s := range h.deleted {
			s.give(res.seq)
		}
	}
	for _, s := range h.ids[d.ID] {
		s.give(res.seq)
	}
	for _, w := range h.fields {
		w.tell(d.Body, res.seq)
	}
}

func (w *watched) tell(body []byte, seq uint64) {
	value, ok := memberAt(body, w.path)
	switch {
	case !ok:
	case value[0] == '"' && isPlain(value[1:len(value)-1]):
		for _, s := range w.values[string(value)] {
			s.give(seq)
		}
	case value[0] == '"', value[0] == '[': // strings can be equal that have other bytes, arrays hold many
		for s := range w.count {
			s.give(seq)
		}
	}
}

// isPlain tells whether a string is equal only to one of the same bytes.
func isPlain(text []byte) bool {
	for _, c := range text {
		if c < ' ' || c >= 0x7f || c == '\\' {
			return false
		}
	}
	return true
}

// memberAt finds the value at a path in a canonical object; where a name occurs in arrays or under other spellings, it is not found.
func memberAt(body []byte, path []string) (value []byte, ok bool) {
	value = body
	for _, name := range path {
		if value, ok = memberOf(value, name); !ok {
			return nil, false
		}
	}
	return value, len(value) > 0
}

func memberOf(object []byte, name string) ([]byte, bool) {
	if len(object) < 2 || object[0] != '{' {
		return nil, false
	}
	for i := 1; i < len(object) && object[i] == '"'; {
		end := jsonscan.StringEnd(object, i)
		start := end + 1 // behind the colon
		stop := jsonscan.ValueEnd(object, start)
		if end < 0 || stop < 0 {
			return nil, false
		}
		if string(object[i+1:end-1]) == name {
			return object[start:stop], true
		}
		i = stop + 1 // behind the comma
	}
	return nil, false
}
