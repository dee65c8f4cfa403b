package send

import (
	"bytes"
	"context"
	"encoding/json"
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
	mails  []int // the notices of each that was tried, negative where it was refused
}

func (p *picky) One(_ context.Context, n *notify.Notice, _ mailer.Recipients) (map[string]error, error) {
	return nil, p.take(1, string(n.Result) == `"rude"`)
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

// TestRefusedForOthers: the notice of a worker that is gone that was refused for what it says is tried by itself from then on. Neither the digests of its
// recipients nor their turns suffer.
func TestRefusedForOthers(t *testing.T) {
	t.Parallel()
	written := map[string]json.RawMessage{}
	db := &server{write: func(body []byte) (int, []string) {
		var bulk struct{ Docs []json.RawMessage }
		if err := json.Unmarshal(body, &bulk); err != nil {
			t.Error(err)
		}
		for _, doc := range bulk.Docs {
			if it, err := read(doc); err == nil {
				written[it.ID] = doc
			}
		}
		return http.StatusCreated, make([]string, len(bulk.Docs))
	}}
	mails := &picky{polite: 3}
	s := db.open(t, mails)
	m, now := s.mails, time.Now()
	s.TakeOver, s.Fleet = time.Hour, func(context.Context, []string) (running, known []string, err error) { return nil, nil, nil }
	s.absences.names = map[string]*absence{"gone": {wanted: now, since: now.Add(-2 * time.Hour), known: true}}
	s.absences.looked, s.absences.seen = now, now
	m.windows = newWindows(time.Minute)
	adopt := func(id, result string) *item {
		doc := bytes.Replace(notice(t, id, now, result), []byte(`"http://a.example.org/told"`), []byte(`""`), 1)
		it, err := read(bytes.Replace(doc, []byte(`"by":"w"`), []byte(`"by":"gone"`), 1))
		if err != nil {
			t.Fatal(err)
		}
		return it
	}
	inDigest, byItself := adopt("a", "rude"), adopt("b", "rude")
	set := m.setOf(inDigest)
	g := newGathering(m)
	g.add(set, inDigest)
	g.take(t.Context())
	g.flush(t.Context())
	m.windows.retry(now)
	m.consider(t.Context(), byItself, nil)
	for _, it := range []*item{inDigest, byItself} { // an hour passes
		it, err := read(written[it.ID])
		if err != nil || it.state.Email.Attempts != 1 || it.state.Email.Next == "" {
			t.Fatalf("%+v is written: %v", it, err)
		}
		it.state.Email.Next = ""
		doc, err := it.document(it.state)
		if err != nil {
			t.Fatal(err)
		}
		db.hold(doc)
	}
	for _, id := range []string{"c", "d", "e"} {
		db.hold(adopt(id, "").raw)
	}
	m.windows.sent(set, now.Add(-2*time.Minute), true, false)
	mails.mails = nil
	if err := m.pass(t.Context(), t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := []int{-1, -1, 3}; !slices.Equal(mails.mails, want) || m.windows.failures(set) != 0 {
		t.Errorf("tried were %v with %d failures, want %v", mails.mails, m.windows.failures(set), want)
	}
}
