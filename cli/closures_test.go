package cli

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/adlayer/after/when"
)

// TestClosuresOfASilentServer: it is asked once, whatever number of calendars a rule names, and the rule is shown without them.
func TestClosuresOfASilentServer(t *testing.T) {
	t.Parallel()
	asked, ended := 0, false
	c := &closures{done: func() {}, open: func() (func(string) (*when.Calendar, error), func(), error) {
		return func(string) (*when.Calendar, error) { asked++; return nil, context.DeadlineExceeded }, func() { ended = true }, nil
	}}
	rule, _, err := ruleOf(`{"days": 1, "except": ["holidays", "audit", "holidays"]}`, when.Scope{Calendar: c.calendar})
	if err != nil || rule == nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	c.tell(&app{Streams: Streams{Err: &said}})
	c.close()
	want := "the calendars holidays, audit were not read, so that their days are not left out: the server does not answer within 2 s\n"
	if asked != 1 || !ended || !strings.HasPrefix(said.String(), want) {
		t.Errorf("asked %d times, ended %v, said %s", asked, ended, said.String())
	}
}

// TestClosuresWithoutNeed: a rule that names no calendar asks nobody, so that a configuration that cannot be read is no mistake until one
// does.
func TestClosuresWithoutNeed(t *testing.T) {
	t.Parallel()
	opened := 0
	c := &closures{done: func() {}, open: func() (func(string) (*when.Calendar, error), func(), error) {
		opened++
		return nil, nil, errors.New("couch.url is wrong")
	}}
	if _, _, err := ruleOf(`{"cron": "0 9 * * *", "adjust": "next"}`, when.Scope{Calendar: c.calendar}); err != nil || opened != 0 {
		t.Errorf("opened %d times, %v", opened, err)
	}
	var said bytes.Buffer
	if c.tell(&app{Streams: Streams{Err: &said}}); said.Len() > 0 {
		t.Errorf("said %s", said.String())
	}
	_, _, err := ruleOf(`{"cron": "0 9 * * *", "except": "holidays"}`, when.Scope{Calendar: c.calendar})
	if err == nil || !strings.Contains(err.Error(), "couch.url is wrong") {
		t.Error(err)
	}
	c.close()
}
