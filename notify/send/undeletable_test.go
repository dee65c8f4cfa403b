package send

import (
	"bytes"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/adlayer/after/notify"
)

// TestDeletionsThatAreRefused leave notices of which it is written that they were told, once: nobody tells them again, and nobody hurries to delete them.
func TestDeletionsThatAreRefused(t *testing.T) {
	t.Parallel()
	deletions := 0
	var written []json.RawMessage
	db := &server{write: func(body []byte) (int, []string) {
		if bytes.Contains(body, []byte(`"_deleted":true`)) {
			deletions++
			return http.StatusCreated, []string{"forbidden"}
		}
		var bulk struct{ Docs []json.RawMessage }
		if err := json.Unmarshal(body, &bulk); err != nil {
			t.Error(err)
		}
		written = append(written, bulk.Docs...)
		return http.StatusCreated, make([]string, len(bulk.Docs))
	}}
	db.hold(notice(t, "a", time.Now(), ""))
	s := db.open(t, somebody{})
	s.record(t.Context(), []ref{{id: notify.Prefix + "a", rev: "1-a"}})
	if deletions != 1 || len(written) != 1 {
		t.Fatalf("%d deletions, and written was %s", deletions, written)
	}
	db.rows = nil
	db.hold(written[0])
	pass := func(s *sender) {
		t.Helper()
		if err := s.posts.pass(t.Context(), t.Context()); err != nil {
			t.Error(err)
		}
		s.posts.hands.Wait()
		if err := s.mails.pass(t.Context(), t.Context()); err != nil {
			t.Error(err)
		}
	}
	pass(s)
	if deletions != 1 {
		t.Errorf("its deletion was tried %d times", deletions)
	}
	if until := s.refusals.until(notify.Prefix + "a"); time.Until(until) < mostWait/2 {
		t.Errorf("its deletion is tried again in %v", time.Until(until))
	}
	pass(db.open(t, somebody{})) // which knows of nothing, and has nobody to post or mail with
	if deletions != 2 || len(written) != 1 {
		t.Errorf("later, %d deletions, and written was %s", deletions, written)
	}
}

// TestMarksThatFail are written again, unless they are refused, too.
func TestMarksThatFail(t *testing.T) {
	t.Parallel()
	for failure, want := range map[string]int{"unknown_error": 2, "forbidden": 1} {
		marks := 0
		db := &server{write: func(body []byte) (int, []string) {
			if bytes.Contains(body, []byte(`"_deleted":true`)) {
				return http.StatusCreated, []string{"forbidden"}
			}
			if marks++; marks > 1 {
				failure = ""
			}
			return http.StatusCreated, []string{failure}
		}}
		db.hold(notice(t, "a", time.Now(), ""))
		db.open(t, somebody{}).record(t.Context(), []ref{{id: notify.Prefix + "a", rev: "1-a"}})
		if marks != want {
			t.Errorf("%s: written %d times, want %d", failure, marks, want)
		}
	}
}
