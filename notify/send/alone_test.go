package send

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/adlayer/after/notify"
	"github.com/adlayer/after/notify/mailer"
)

// picky is a mail server that takes no rude mails, by themselves or in digests of more notices than are polite.
type picky struct {
	somebody

	polite int
	likes  bool  // it has come to like rude ones
	mails  []int // the notices of each that was tried, negative where it was refused
}

func (p *picky) One(_ context.Context, n *notify.Notice, _ mailer.Recipients) (map[string]error, error) {
	return nil, p.take(1, string(n.Result) == `"rude"` && !p.likes)
}

func (p *picky) Digest(_ context.Context, d *mailer.Digest, _ mailer.Recipients) (map[string]error, error) {
	return nil, p.take(d.Count(), d.Count() > p.polite)
}

func (p *picky) take(notices int, rude bool) error {
	if rude {
		p.mails = append(p.mails, -notices)
		return &mailer.Error{Permanent: true}
	}
	p.mails = append(p.mails, notices)
	return nil
}

// adopting is a postman that tells the notices of a worker that is gone.
type adopting struct {
	*sender

	t       *testing.T
	db      *server
	picky   *picky
	written map[string]json.RawMessage // what was written last of each notice
}

func newAdopting(t *testing.T) *adopting {
	t.Helper()
	r := &adopting{t: t, picky: &picky{}, written: map[string]json.RawMessage{}}
	r.db = &server{write: func(body []byte) (int, []string) {
		var bulk struct{ Docs []json.RawMessage }
		if err := json.Unmarshal(body, &bulk); err != nil {
			t.Error(err)
		}
		for _, doc := range bulk.Docs {
			if it, err := read(doc); err == nil {
				r.written[it.ID] = doc
			}
		}
		return http.StatusCreated, make([]string, len(bulk.Docs))
	}}
	r.sender = r.db.open(t, r.picky)
	now := time.Now()
	r.TakeOver, r.Fleet = time.Hour, func(context.Context, []string) (running, known []string, err error) { return nil, nil, nil }
	r.absences.names = map[string]*absence{"gone": {wanted: now, since: now.Add(-2 * time.Hour), known: true}}
	r.absences.looked, r.absences.seen = now, now
	r.mails.windows = newWindows(time.Minute)
	return r
}

// notice gives one of the worker that is gone.
func (r *adopting) notice(id, result string) *item {
	r.t.Helper()
	doc := bytes.Replace(notice(r.t, id, time.Now(), result), []byte(`"http://a.example.org/told"`), []byte(`""`), 1)
	it, err := read(bytes.Replace(doc, []byte(`"by":"w"`), []byte(`"by":"gone"`), 1))
	if err != nil {
		r.t.Fatal(err)
	}
	return it
}

// hourLater gives what was written of a notice that was tried so often, when it may be tried again.
func (r *adopting) hourLater(id string, attempts int) []byte {
	r.t.Helper()
	it, err := read(r.written[id])
	if err != nil || it.state.Email.Attempts != attempts || it.state.Email.Next == "" {
		r.t.Fatalf("%+v is written: %v", it, err)
	}
	it.state.Email.Next = ""
	doc, err := it.document(it.state)
	if err != nil {
		r.t.Fatal(err)
	}
	return doc
}

// TestManyRefusedForOthers: however many notices of a worker that is gone were refused for what they say, one is tried at a time, less and less often, and each
// in its turn. Once the mail server takes one, all are tried.
func TestManyRefusedForOthers(t *testing.T) {
	t.Parallel()
	const many = page / 2
	r := newAdopting(t)
	set := ""
	for i := range many {
		it := r.notice(fmt.Sprintf("%03d", i), "rude")
		it.state.Email = progress{Attempts: 1, Error: "no", Alone: true}
		doc, err := it.document(it.state)
		if err != nil {
			t.Fatal(err)
		}
		r.db.hold(doc)
		set = r.mails.setOf(it)
	}
	pass := func() []int {
		t.Helper()
		clear(r.written)
		r.picky.mails = nil
		if err := r.mails.pass(t.Context(), t.Context()); err != nil {
			t.Fatal(err)
		}
		return r.picky.mails
	}
	last := time.Duration(0)
	for i := range 10 {
		if tried := pass(); !slices.Equal(tried, []int{-1}) || len(r.written) != 1 {
			t.Fatalf("pass %d: tried were %v", i, tried)
		}
		for id := range r.written { // an hour passes
			doc := r.hourLater(id, 2) // none is tried for the third time
			r.db.replace(id, doc)
		}
		if tried := pass(); len(tried) != 0 {
			t.Errorf("pass %d: tried again at once were %v", i, tried)
		}
		s := r.mails.windows.of(set)
		pause := time.Until(s.aside.until)
		if pause < min(last, mostPause-time.Minute) || pause > mostPause {
			t.Errorf("pass %d: the next one is tried in %v, after %v", i, pause, last)
		}
		last, s.aside.until = pause, time.Now()
	}
	r.picky.likes = true
	if tried := pass(); !slices.Equal(tried, []int{1}) {
		t.Errorf("tried at a server that takes them again were %v", tried)
	}
	if tried := pass(); len(tried) != many {
		t.Errorf("tried at once after that were %d of %d", len(tried), many)
	}
}

// TestRefusedForOthers: the notice of a worker that is gone that was refused for what it says is tried by itself from then on. Neither the digests of its
// recipients nor their turns suffer.
func TestRefusedForOthers(t *testing.T) {
	t.Parallel()
	r := newAdopting(t)
	m, db, mails, now := r.mails, r.db, r.picky, time.Now()
	mails.polite = 3
	inDigest, byItself := r.notice("a", "rude"), r.notice("b", "rude")
	set := m.setOf(inDigest)
	g := newGathering(m)
	g.add(set, inDigest)
	g.take(t.Context())
	g.flush(t.Context())
	m.windows.retry(now)
	m.consider(t.Context(), byItself, nil)
	for _, it := range []*item{inDigest, byItself} { // an hour passes
		db.hold(r.hourLater(it.ID, 1))
	}
	for _, id := range []string{"c", "d", "e"} {
		db.hold(r.notice(id, "").raw)
	}
	m.windows.sent(set, now.Add(-2*time.Minute), true, false)
	mails.mails = nil
	if err := m.pass(t.Context(), t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := []int{-1, 3}; !slices.Equal(mails.mails, want) || m.windows.failures(set) != 0 {
		t.Errorf("tried were %v with %d failures, want %v", mails.mails, m.windows.failures(set), want)
	}
}
