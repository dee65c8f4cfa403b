package send

import (
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus/hooks/test"

	"github.com/adlayer/after/notify"
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
