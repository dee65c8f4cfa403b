package httpd

import (
	"context"
	"net/http"
	"time"

	"github.com/adlayer/after/store"
)

// CookieAt gives the session cookie that a name would have got at an instant.
func (s *Server) CookieAt(name string, at time.Time) (string, error) {
	_, salt, err := s.auth.named(name)
	return cookieName + "=" + s.auth.newCookie(name, salt, at), err
}

// SetLockoutClock replaces the clock that ends lockouts.
func (s *Server) SetLockoutClock(now func() time.Time) {
	s.auth.locks.mu.Lock()
	defer s.auth.locks.mu.Unlock()
	s.auth.locks.now = now
}

// Paced puts the deadlines of a Server on a handler.
func Paced(limits Limits, next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{s: &Server{opts: Options{Limits: limits.withDefaults()}}, w: w, r: r}
		c.pace() //nolint:contextcheck // the request carries it
		next(c.w, c.r)
	})
}

// Held is how many bytes of request bodies are in memory.
func (s *Server) Held() int64 { return s.bodies.held.Load() }

// KeepHashes makes and keeps the hashes of plain passwords now, and gives the names of those that are still plain.
func (s *Server) KeepHashes(ctx context.Context) (plain []string) {
	s.auth.keepHashes(ctx)
	for name, known := range s.auth.admins {
		if known.quick.Load() != nil {
			plain = append(plain, name)
		}
	}
	return plain
}

// GatherRefs lets a reader of _bulk_get gather documents. It gives the bytes that it has, and how many of the documents it leaves to be sent
// one by one.
func GatherRefs(snap *store.Snapshot, ids ...string) (gathered, left int, err error) {
	refs := make([]bulkRef, len(ids))
	for i, id := range ids {
		refs[i] = bulkRef{id: store.AppendString(nil, id), doc: id}
	}
	readers, rows := []refReader{{snap: snap}}, make([]gatheredRow, len(refs))
	err = gatherRows(readers, refs, rows, readOptions{})
	for i := range rows {
		if rows[i].reader == nil {
			left++
		}
	}
	return len(readers[0].b), left, err
}

// FilterAll lets a feed of all leaves ask a filter function that all pass. It gives how many bytes the function got at once, and the rows.
func FilterAll(db *store.Database, snap *store.Snapshot) (asked []int, rows string, err error) {
	f := feed{db: db, q: &changesQuery{feed: "continuous", limit: -1, interval: 1, allLeaves: true}}
	f.q.function = func(docs [][]byte) ([]bool, error) {
		size, passes := 0, make([]bool, len(docs))
		for i, doc := range docs {
			size, passes[i] = size+len(doc), true
		}
		asked = append(asked, size)
		return passes, nil
	}
	for more := true; more && err == nil; {
		more, err = f.readFunction(snap)
	}
	return asked, string(f.buf), err
}

// Descend runs a descending feed with a filter function that all pass, and gives how many documents the function got each time. Where end is set,
// the server ends while it is asked first.
func (s *Server) Descend(db *store.Database, w http.ResponseWriter, r *http.Request, end bool) (asked []int, err error) {
	q := &changesQuery{feed: "normal", limit: -1, interval: 1, descending: true}
	q.function = func(docs [][]byte) ([]bool, error) {
		if asked = append(asked, len(docs)); end {
			s.stop()
		}
		passes := make([]bool, len(docs))
		for i := range passes {
			passes[i] = true
		}
		return passes, nil
	}
	f := feed{c: &call{s: s, w: w, r: r}, db: db, q: q}
	err = f.follow()
	return asked, err
}

// Inside is the transport of a replication that somebody began with these rights.
func (s *Server) Inside(name string, admin bool, roles ...string) http.RoundTripper {
	return &inside{s: s, who: &identity{name: name, roles: roles, admin: admin, via: "cookie"}}
}

// Histogram is one of the figures.
type Histogram struct{ h histogram }

// Add counts a value in a second.
func (h *Histogram) Add(second int64, v uint64) { h.h.add(second, v) }

// Figures are those of the ten seconds that end with this one.
func (h *Histogram) Figures(second int64) distribution { return distributionOf(h.h.counted(second, 1)) }

// Counts are the figures of a server.
type Counts struct{ c counts }

// NewCounts gives figures of nothing yet.
func NewCounts() *Counts { return &Counts{counts{started: time.Now()}} }

// Request counts a request that is answered at once.
func (c *Counts) Request(w http.ResponseWriter, r *http.Request) {
	counted := c.c.begin(w, r)
	counted.whole = true
	counted.end()
}
