package send_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"strings"
	"time"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/jobs"
	"github.com/adlayer/after/notify"
	"github.com/adlayer/after/notify/mailer"
	"github.com/adlayer/after/notify/send"
)

// ofNobody: what is to be told of workers that nobody runs any more is told by others, also where their fences refuse an address that the worker's own
// might let pass; what is of another site, or of another fleet, is told there, until it is long too old. What is of a worker that runs is left to it.
func ofNobody(w *world) {
	const many, mailed = 20, 3
	now, old := time.Now(), time.Now().Add(-150*time.Hour)
	w.answer = func(id string, n int) error {
		if n == 1 && strings.Contains(id, "t000007") {
			return jobs.Permanent(errors.New("it must not be called from here"))
		}
		return nil
	}
	url := notify.To{URL: "http://a.example.org/told"}
	w.of("gone", "", many, url, now, "")
	w.of("gone", "", mailed, notify.To{Email: []string{"a@example.org"}}, now, "")
	w.of("gone", "away", 2, url, old, "")
	w.of("gone", "away", 2, notify.To{Email: []string{"a@example.org"}}, old, "")
	w.of("gone", "away", 3, notify.To{URL: "http://b.example.org/told"}, now, "")
	w.of("there", "", 4, url, old, "")
	w.of("copy", "", 5, url, now, "")
	stop := w.start(2, send.Options{
		TakeOver: 20 * time.Millisecond, Site: "here", Window: time.Millisecond,
		Fleet: func(context.Context, []string) (running, known []string, err error) {
			return []string{"w", "there"}, []string{"gone", "last"}, nil
		},
	})
	defer stop()
	w.gone(many + mailed + 4)
	// Whoever is seen later is taken over later: all others were looked at once more by then, and for longer than their workers may be away.
	w.of("last", "", 1, url, now, "")
	w.gone(many + mailed + 4 + 1)
	stop()
	of := map[string]int{}
	for id := range w.posted {
		of[strings.TrimPrefix(id[:strings.LastIndex(id, "t0")], notify.Prefix)]++
	}
	if !maps.Equal(of, map[string]int{"gone": many, "last": 1}) || w.mailed != mailed {
		w.t.Errorf("posted were %v, and mailed %d", of, w.mailed)
	}
	listing, err := w.db.AllDocs(w.t.Context(), couch.Range{Start: notify.Prefix, End: notify.Prefix + "\ufff0", IncludeDocs: true})
	if err != nil {
		w.t.Fatal(err)
	}
	left := map[string]int{}
	for _, row := range listing.Rows {
		n, err := notify.Decode(row.Doc)
		if err != nil || bytes.Contains(row.Doc, []byte("sending")) {
			w.t.Errorf("%s: %v", row.Doc, err)
		}
		left[n.By+" "+n.Site]++
	}
	if !maps.Equal(left, map[string]int{"gone away": 3, "there ": 4, "copy ": 5}) {
		w.t.Errorf("left are %v", left)
	}
}

// refusedForOthers: what is to be mailed of workers that are gone is tried on where this mail server, or this configuration, refuses it: another one may
// not. Who was told is not told again.
func refusedForOthers(w *world) {
	tries := map[string]int{}
	w.server = func(_ int, to mailer.Recipients) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		set := strings.Join(to.Addresses, " ")
		tries[set]++
		w.refused = nil
		switch n := tries[set]; {
		case strings.Contains(set, "b@example.org") && n < 3:
			w.refused = map[string]error{"b@example.org": errors.New("mail.allow")}
		case set == "c@example.org" && n == 1:
			return &mailer.Error{Permanent: true}
		}
		return nil
	}
	for _, to := range [][]string{{"a@example.org", "b@example.org"}, {"c@example.org"}} {
		w.of("gone", "", 1, notify.To{Email: to}, time.Now(), "")
	}
	w.written = 2
	w.sends(1, send.Options{
		TakeOver: 20 * time.Millisecond,
		Fleet:    func(_ context.Context, names []string) (running, known []string, err error) { return nil, names, nil },
	})
	if want := map[string]int{"a@example.org b@example.org": 1, "b@example.org": 3, "c@example.org": 2}; !maps.Equal(tries, want) {
		w.t.Errorf("mailed were %v, want %v", tries, want)
	}
}
