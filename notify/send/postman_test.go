package send

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus/hooks/test"

	"github.com/adlayer/after/notify"
	"github.com/adlayer/after/notify/mailer"
)

// nobody is a mailer without a mail server.
type nobody struct{ Mailer }

func (nobody) Ready() bool { return false }

// TestNoMailServerIsSaid at once when the feed brings what is to be mailed, and without a look at what waits.
func TestNoMailServerIsSaid(t *testing.T) {
	t.Parallel()
	log, said := test.NewNullLogger()
	s := &sender{Options: Options{Names: []string{"w"}, Mailer: nobody{}, Keep: time.Hour, Log: log}}
	m := newPostman(s)
	m.passed = time.Now()
	it := &item{Notice: notify.Notice{ID: "notice:t", By: "w", Task: "t", At: time.Now(), To: notify.To{Email: []string{"a@example.org"}}}}
	m.consider(t.Context(), it, nil)
	timer := time.NewTimer(0)
	defer timer.Stop()
	m.turn(t.Context(), timer, func() error { return m.pass(t.Context(), t.Context()) }) // there is no database to look into
	if e := said.LastEntry(); e == nil || !strings.Contains(e.Message, "mail.host") || e.Data["waiting"] != 1 {
		t.Errorf("said was %v", e)
	}
}

// TestMailsThatAreNotAllowed say nothing of the mail server, which is not asked: one that was away is still tried with one notice. They need not wait for it.
func TestMailsThatAreNotAllowed(t *testing.T) {
	t.Parallel()
	mails, err := mailer.New(mailer.Options{Host: "127.0.0.1", Port: 1, From: "after@example.org", Allow: []string{"example.org"}})
	if err != nil {
		t.Fatal(err)
	}
	db := &server{write: func(body []byte) (int, []string) {
		return http.StatusCreated, make([]string, bytes.Count(body, []byte(`"_id":`)))
	}}
	s := db.open(t, mails)
	log, said := test.NewNullLogger()
	s.Log = log
	m := s.mails
	m.windows = newWindows(time.Minute)
	m.server.fail(time.Now().Add(-time.Hour), m.Retry, 0)
	bring := func(g *gathering, ids ...string) {
		t.Helper()
		for _, id := range ids {
			it, err := read(bytes.ReplaceAll(notice(t, id, time.Now(), ""), []byte("a@example.org"), []byte("a@example.com")))
			if err != nil {
				t.Fatal(err)
			}
			m.consider(t.Context(), it, g)
		}
	}
	bring(nil, "first")
	if e := said.LastEntry(); e == nil || !strings.Contains(e.Message, "takes no mails to a@example.com") || m.server.failures != 1 {
		t.Errorf("%d failures are known of the mail server, and said was %v", m.server.failures, e)
	}
	bring(nil, "second")
	m.windows.sets["a@example.com"].until = time.Now()
	g := newGathering(m)
	bring(g, "second", "third")
	if len(g.wanted) != 2 {
		t.Errorf("%d of 2 are gathered, and the others wait for the mail server", len(g.wanted))
	}
}
