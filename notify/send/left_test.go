package send

import (
	"strconv"
	"testing"
	"time"

	"github.com/adlayer/after/changes"
	"github.com/adlayer/after/notify"
)

// TestLeftToAPass has the postman look through the notices at once for what it could not take when it was brought.
func TestLeftToAPass(t *testing.T) {
	t.Parallel()
	now, old := time.Now(), time.Now().Add(-2*time.Hour)
	bring := func(s *sender, docs ...[]byte) {
		var rows []changes.Row
		for _, doc := range docs {
			rows = append(rows, changes.Row{Doc: doc})
		}
		s.arrived(t.Context(), t.Context(), rows)
	}
	for name, c := range map[string]struct {
		mailer Mailer
		begin  func(t *testing.T, s *sender)
	}{
		"brought while its post is in hand": {somebody{}, func(t *testing.T, s *sender) {
			t.Helper()
			s.hold(notify.Prefix+"a", s.posts.rounds)
			bring(s, notice(t, "a", now, ""))
			s.release(notify.Prefix + "a")
		}},
		"too old, and brought while its post is in hand": {nobody{}, func(t *testing.T, s *sender) {
			t.Helper()
			s.hold(notify.Prefix+"a", s.posts.rounds)
			bring(s, notice(t, "a", old, ""))
			s.release(notify.Prefix + "a")
		}},
		"too old, and given up while its post is in hand": {nobody{}, func(t *testing.T, s *sender) {
			t.Helper()
			s.hold(notify.Prefix+"a", s.posts.rounds)
			it, err := read(notice(t, "a", old, ""))
			if err != nil {
				t.Fatal(err)
			}
			s.mails.consider(t.Context(), it, nil)
			s.release(notify.Prefix + "a")
		}},
		"too old, and its post is over just before that is waited for": {nobody{}, func(t *testing.T, s *sender) {
			t.Helper()
			s.hold(notify.Prefix+"a", s.posts.rounds)
			it, err := read(notice(t, "a", old, ""))
			if err != nil {
				t.Fatal(err)
			}
			s.mails.leave(it, time.Time{})
			s.release(notify.Prefix + "a")
			s.await(notify.Prefix+"a", s.mails.rounds)
		}},
		"too old, and more than wait for the postman": {nobody{}, func(t *testing.T, s *sender) {
			t.Helper()
			for i := range mostArrived + 1 {
				bring(s, notice(t, strconv.Itoa(i), old, ""))
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var db server
			s := db.open(t, c.mailer)
			c.begin(t, s)
			timer := time.NewTimer(time.Hour)
			defer timer.Stop()
			s.mails.turn(t.Context(), timer, func() error { return s.mails.pass(t.Context(), t.Context()) })
			if db.looks.Load() != 1 {
				t.Error("the notices were not looked through")
			}
		})
	}
}
