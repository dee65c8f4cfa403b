package send

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus/hooks/test"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/notify"
	"github.com/adlayer/after/notify/mailer"
)

// somebody is a mailer with a mail server.
type somebody struct{ Mailer }

func (somebody) Ready() bool { return true }

// server is a database of notices.
type server struct {
	rows  []json.RawMessage                 // its listing of all
	looks atomic.Int64                      // at it
	write func(body []byte) (int, []string) // a status, and the error of each document
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if strings.HasSuffix(r.URL.Path, "/_all_docs") {
		s.looks.Add(1)
		_ = json.NewEncoder(w).Encode(map[string]any{"total_rows": len(s.rows), "offset": 0, "rows": s.rows})
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	status, failures := s.write(body)
	w.WriteHeader(status)
	rows := make([]map[string]string, len(failures))
	for i, failure := range failures {
		if rows[i] = map[string]string{"id": "n", "rev": "2-a"}; failure != "" {
			rows[i] = map[string]string{"id": "n", "error": failure, "reason": "because"}
		}
	}
	_ = json.NewEncoder(w).Encode(rows)
}

// hold puts notices into the listing.
func (s *server) hold(docs ...[]byte) {
	for i, doc := range docs {
		s.rows = append(s.rows, fmt.Appendf(nil, `{"id":"notice:%d","key":"notice:%[1]d","value":{"rev":"1-a"},"doc":%s}`, i, doc))
	}
}

// replace puts another revision of a notice into the listing.
func (s *server) replace(id string, doc []byte) {
	for i, row := range s.rows {
		if bytes.Contains(row, fmt.Appendf(nil, `"_id":%q`, id)) {
			s.rows[i] = fmt.Appendf(nil, `{"id":"notice:%d","key":"notice:%[1]d","value":{"rev":"1-a"},"doc":%s}`, i, doc)
		}
	}
}

// open gives a sender of a database, whose postman has looked through everything.
func (s *server) open(t *testing.T, m Mailer) *sender {
	t.Helper()
	listening := httptest.NewServer(s)
	t.Cleanup(listening.Close)
	transport := couch.NewTransport(1, nil)
	t.Cleanup(transport.CloseIdleConnections)
	client, err := couch.Dial(listening.URL, couch.Options{Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	log, _ := test.NewNullLogger()
	opened := &sender{
		Options: Options{Database: client.Database("db"), Names: []string{"w"}, Member: "m", Mailer: m, Retry: time.Minute, Keep: time.Hour, Log: log},
		busy:    map[string]*hand{},
	}
	opened.posts, opened.mails = newPoster(opened), newPostman(opened)
	opened.mails.passed = time.Now()
	return opened
}

// notice gives a document for a mail and a post, which has failed and is tried again in an hour.
func notice(t *testing.T, id string, at time.Time, result string) []byte {
	t.Helper()
	n := notify.Notice{
		ID: notify.Prefix + id, Rev: "1-a", By: "w", Event: "done", Task: "t", Job: "j", Key: "k", At: at,
		To: notify.To{URL: "http://a.example.org/told", Email: []string{"a@example.org"}},
	}
	if result != "" {
		n.Result = json.RawMessage(`"` + result + `"`)
	}
	raw, err := n.Encode()
	if err != nil {
		t.Fatal(err)
	}
	state := fmt.Sprintf(`,"sending":{"url":{"attempts":1,"next":%q}}}`, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	return append(bytes.TrimSuffix(raw, []byte("}")), state...)
}

// TestClaimsOfDigests are refused one by one, and are tried again where that was for now.
func TestClaimsOfDigests(t *testing.T) {
	t.Parallel()
	gather := func(t *testing.T, db *server, n int, result string) (g *gathering, next time.Duration) {
		t.Helper()
		m := db.open(t, somebody{}).mails
		g = newGathering(m)
		for i := range n {
			it, err := read(notice(t, fmt.Sprintf("t%03d:", i), time.Now(), result))
			if err != nil {
				t.Fatal(err)
			}
			g.add("a@example.org", it)
		}
		g.take(context.WithoutCancel(t.Context()))
		return g, time.Until(m.next)
	}
	t.Run("for now", func(t *testing.T) {
		t.Parallel()
		for failure, again := range map[string]bool{"unknown_error": true, "conflict": false} {
			g, next := gather(t, &server{write: func([]byte) (int, []string) { return http.StatusCreated, []string{"", failure, ""} }}, 3, "")
			if g.held != 2 || next <= g.Retry != again {
				t.Errorf("%s: %d of 3 are claimed, and the next pass is in %v", failure, g.held, next)
			}
		}
	})
	t.Run("too much at once", func(t *testing.T) {
		t.Parallel()
		db, largest := &server{}, 0
		db.write = func(body []byte) (int, []string) {
			largest = max(largest, len(body))
			if bytes.Contains(body, []byte(":t007:")) { // this one alone is refused then
				return http.StatusRequestEntityTooLarge, nil
			}
			return http.StatusCreated, make([]string, bytes.Count(body, []byte(`"_id":`)))
		}
		g, _ := gather(t, db, page, strings.Repeat("x", 45<<10))
		if g.held != page-1 || largest > mostBytes+page+100 {
			t.Errorf("%d of %d are claimed, with %d bytes at once", g.held, page, largest)
		}
	})
}

// TestClaimsOfOthers: where another process has what a divided digest has room for, the others take its place, in this pass or in one soon.
func TestClaimsOfOthers(t *testing.T) {
	t.Parallel()
	const set, room = "a@example.org", 2
	failure := "conflict"
	m := (&server{write: func(body []byte) (int, []string) {
		return http.StatusCreated, slices.Repeat([]string{failure}, bytes.Count(body, []byte(`"_id":`)))
	}}).open(t, somebody{}).mails
	m.windows.divide(set, time.Now(), 2*room)
	g := newGathering(m)
	gather := func(ids ...string) {
		for _, id := range ids {
			it, err := read(notice(t, id, time.Now(), ""))
			if err != nil {
				t.Fatal(err)
			}
			g.add(set, it)
		}
		g.take(t.Context())
	}
	gather("a", "b", "c")
	if next := time.Until(m.next); g.held != 0 || next > m.Retry {
		t.Errorf("%d are claimed, and the next pass is in %v", g.held, next)
	}
	failure = ""
	if gather("d", "e", "f"); g.held != room {
		t.Errorf("%d of another page are claimed, want %d", g.held, room)
	}
}

// TestClaimsThatFailForNow take from no digest its turn: what was gathered is mailed together once the database takes the claims.
func TestClaimsThatFailForNow(t *testing.T) {
	t.Parallel()
	const set = "a@example.org"
	db := &server{write: func(body []byte) (int, []string) {
		return http.StatusCreated, slices.Repeat([]string{"unknown_error"}, bytes.Count(body, []byte(`"_id":`)))
	}}
	db.hold(notice(t, "a", time.Now(), ""), notice(t, "b", time.Now(), ""))
	m := db.open(t, somebody{}).mails
	m.windows = newWindows(time.Minute)
	m.windows.sent(set, time.Now().Add(-2*time.Minute), true, false)
	if err := m.pass(t.Context(), t.Context()); err != nil {
		t.Fatal(err)
	}
	if next, _ := m.windows.choose(set, time.Now(), false); next != digest {
		t.Errorf("what was gathered is not mailed together any more: %v", next)
	}
}

// away is a mailer whose mail server takes nothing.
type away struct{ somebody }

func (away) One(context.Context, *notify.Notice, mailer.Recipients) (map[string]error, error) {
	return nil, &mailer.Error{Server: true}
}

// TestDigestsThatDoNotLeave keep their turn, whether they were tried or not: the pass that gathered them may last until the server is tried again.
func TestDigestsThatDoNotLeave(t *testing.T) {
	t.Parallel()
	db := &server{write: func(body []byte) (int, []string) {
		return http.StatusCreated, make([]string, bytes.Count(body, []byte(`"_id":`)))
	}}
	m := db.open(t, away{}).mails
	m.windows = newWindows(time.Minute)
	begun := time.Now()
	g := newGathering(m)
	sets := []string{"a@example.org", "b@example.org"}
	for _, set := range sets {
		m.windows.sent(set, begun.Add(-2*time.Minute), true, false)
		it, err := read(notice(t, set, begun, ""))
		if err != nil {
			t.Fatal(err)
		}
		g.add(set, it)
	}
	g.take(t.Context())
	g.flush(t.Context())
	m.windows.settle(begun, g.waiting)
	for _, set := range sets {
		if next, _ := m.windows.choose(set, begun, false); next != digest {
			t.Errorf("what was gathered for %s is not mailed together any more: %v", set, next)
		}
	}
}

// TestHeavyDigests are followed at once by what they had no room for, and light ones that leave at the same time are not.
func TestHeavyDigests(t *testing.T) {
	t.Parallel()
	db := &server{write: func(body []byte) (int, []string) {
		return http.StatusCreated, make([]string, bytes.Count(body, []byte(`"_id":`)))
	}}
	m := db.open(t, &refusing{}).mails
	m.windows = newWindows(time.Minute)
	g := newGathering(m)
	add := func(set string, n int, result string) {
		for i := range n {
			it, err := read(notice(t, set+strconv.Itoa(i), time.Now(), result))
			if err != nil {
				t.Fatal(err)
			}
			g.add(set, it)
		}
	}
	add("light@example.org", 2, "")
	add("heavy@example.org", mostWeight>>20, strings.Repeat("x", 1<<20)) // they stay for their posts
	g.take(t.Context())
	if g.held != 0 {
		t.Fatalf("%d are held with a weight of %d", g.held, g.weight)
	}
	for set, want := range map[string]choice{"light@example.org": gather, "heavy@example.org": digest} {
		if next, _ := m.windows.choose(set, time.Now(), false); next != want {
			t.Errorf("after the digest for %s: %v, want %v", set, next, want)
		}
	}
}

// TestClaimsThatAreRefused for good are tried again less and less often, by either owner, and the log tells once.
func TestClaimsThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, pass := range map[string]func(ctx context.Context, s *sender, gathered bool) error{
		"alone": func(ctx context.Context, s *sender, _ bool) error { return s.mails.pass(ctx, ctx) },
		"digest": func(ctx context.Context, s *sender, gathered bool) error {
			if gathered {
				s.mails.windows = newWindows(time.Minute)
				s.mails.windows.sent("a@example.org", time.Now().Add(-2*time.Minute), true, false)
			}
			return s.mails.pass(ctx, ctx)
		},
		"post": func(ctx context.Context, s *sender, _ bool) error {
			defer s.posts.hands.Wait()
			return s.posts.pass(ctx, ctx)
		},
	} {
		for _, failure := range []string{"forbidden", "unauthorized"} {
			t.Run(name+" "+failure, func(t *testing.T) {
				t.Parallel()
				tries := 0
				db := &server{write: func([]byte) (int, []string) {
					tries++
					return http.StatusCreated, []string{failure}
				}}
				doc := notice(t, "a", time.Now(), "")
				if name == "post" {
					doc = bytes.Replace(doc, []byte(`"sending"`), []byte(`"tried"`), 1)
				}
				db.hold(doc)
				s := db.open(t, somebody{})
				log, said := test.NewNullLogger()
				s.Log = log
				for first := range 3 {
					if err := pass(t.Context(), s, first == 0); err != nil {
						t.Fatal(err)
					}
				}
				if n := len(said.AllEntries()); tries != 1 || n != 1 {
					t.Errorf("tried %d times, and said %d times", tries, n)
				}
				lessAndLess(t, s)
			})
		}
	}
}

// lessAndLess has a notice refused on and on.
func lessAndLess(t *testing.T, s *sender) {
	t.Helper()
	last := time.Duration(0)
	for now := time.Now(); last < mostWait; {
		pause := s.refusals.add(notify.Prefix+"a", now, s.Retry).Sub(now)
		if pause <= last {
			t.Fatalf("after %v it is tried in %v", last, pause)
		}
		last = pause
	}
	s.refusals.forget(time.Now().Add(4 * mostWait))
	if !s.refusals.until(notify.Prefix + "a").IsZero() {
		t.Error("it is remembered for ever")
	}
}

// TestRequestsThatAreRefused are no fault of the notices in them: these are claimed, and what came of them is written, as soon as we may again.
func TestRequestsThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusForbidden, http.StatusUnauthorized} {
		tries := 0
		db := &server{write: func([]byte) (int, []string) {
			if tries++; tries > 4 {
				return http.StatusCreated, []string{""}
			}
			return status, nil
		}}
		s := db.open(t, somebody{})
		it, err := read(notice(t, "a", time.Now(), ""))
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			before := time.Now()
			if ok, again := s.claim(t.Context(), it); ok || again.Before(before.Add(s.Retry)) || again.After(time.Now().Add(s.Retry)) {
				t.Errorf("%d: claimed %v, and again in %v", status, ok, again.Sub(before))
			}
		}
		s.record(t.Context(), []ref{refTo(it)})
		if tries != 5 || !s.refusals.until(it.ID).IsZero() {
			t.Errorf("%d: tried %d times, and left alone until %v", status, tries, s.refusals.until(it.ID))
		}
	}
}

// TestOutcomesThatAreRefused are written once: what waits behind them goes on.
func TestOutcomesThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"forbidden", "unauthorized"} {
		tries := 0
		db := &server{write: func([]byte) (int, []string) {
			tries++
			return http.StatusCreated, []string{name}
		}}
		s := db.open(t, somebody{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		s.record(ctx, []ref{{id: notify.Prefix + "a", rev: "1-a"}})
		if tries != 1 || ctx.Err() != nil {
			t.Errorf("%s: written %d times: %v", name, tries, ctx.Err())
		}
		cancel()
	}
}
