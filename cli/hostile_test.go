package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/adlayer/after/config"
	"github.com/adlayer/after/fleet"
	"github.com/adlayer/after/task"
)

// TestNothingSteersTheTerminal: what endpoints, documents and servers say is shown without the characters that a terminal takes for orders.
func TestNothingSteersTheTerminal(t *testing.T) {
	t.Parallel()
	const hostile, harmless = "a\x1b]0;owned\a\u009b2J\x7f\rb", "a ]0;owned  2J  b"
	now := time.Date(2026, 11, 18, 9, 0, 0, 0, time.UTC)
	one, err := task.Decode(fmt.Appendf(nil, `{"_id":"x","worker":"w","job":"j","data":"a%sb"}`, "\u009b2J\x7f"))
	if err != nil {
		t.Fatal(err)
	}
	ways := map[string]func(a *app) error{
		"list": func(a *app) error {
			m := fleet.Sight{Alive: true, Info: fleet.Info{Host: hostile, Avoided: []fleet.Avoided{{Host: hostile, Until: now.Add(time.Minute), Error: hostile + "\nx"}}}}
			a.sayAvoided([]fleet.Sight{m}, now)
			return nil
		},
		"say":     func(a *app) error { a.say("%s", hostile); return nil },
		"println": func(a *app) error { return a.println(hostile) },
		"a table": func(a *app) error { return a.printTable(&table{headers: []string{"X"}, rows: [][]string{{hostile}}}) },
		"a change": func(a *app) error {
			return a.changed(&task.Task{ID: hostile, Status: hostile, Error: &task.Failure{Message: hostile}})
		},
		"the log in colour": func(a *app) error {
			log, err := newLogger(&config.Config{Log: config.Log{Level: "info", Format: "text"}}, "", nil, a.Err, true)
			if err == nil {
				log.WithField("host", hostile).WithError(fmt.Errorf("it says %s", hostile)).Info(hostile)
			}
			return err
		},
		"the log as JSON": func(a *app) error {
			log, err := newLogger(&config.Config{Log: config.Log{Level: "info", Format: "json"}}, "", nil, a.Err, true)
			if err == nil {
				log.WithField("host", hostile).WithError(fmt.Errorf("it says %s", hostile)).Info(hostile)
			}
			return err
		},
		"the file of a log":         func(a *app) error { return logged(t, a, "text", hostile) },
		"the file of a log in JSON": func(a *app) error { return logged(t, a, "json", hostile) },
		"an error": func(a *app) error {
			if code := a.run(t.Context(), "after", []string{"log", hostile, "--state", t.TempDir()}); code == exitOK {
				return fmt.Errorf("there is a log of %q", hostile)
			}
			return nil
		},
		"JSON":              func(a *app) error { return a.printJSON(map[string]string{"x": hostile}) },
		"a document":        func(a *app) error { return a.printDocument(one) },
		"a document's line": func(a *app) error { return a.printTask(one) },
	}
	for name, show := range ways {
		var out bytes.Buffer
		if err := show(&app{Streams: Streams{Out: &out, Err: &out}, terminal: true, now: func() time.Time { return now }}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		shown := out.String()
		for _, colour := range []string{"\x1b[36m", "\x1b[0m"} { // the log's own
			shown = strings.ReplaceAll(shown, colour, "")
		}
		if at := strings.IndexFunc(shown, func(r rune) bool { return unicode.IsControl(r) && r != '\n' }); at >= 0 || !strings.Contains(shown, "2J") {
			t.Errorf("%s shows %q", name, shown)
		}
		if name == "list" && (strings.Count(shown, harmless) != 3 || strings.Count(shown, "\n") != 1) {
			t.Errorf("%s shows %q", name, shown)
		}
	}
	var out bytes.Buffer
	var back map[string]string
	if err := (&app{Streams: Streams{Out: &out}, terminal: true}).printJSON(map[string]string{"x": hostile}); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out.Bytes(), &back); err != nil || back["x"] != hostile {
		t.Errorf("what is escaped means %q %v", back["x"], err)
	}
}

// logged writes a line to the log file of a worker, and shows that.
func logged(t *testing.T, a *app, format, text string) error {
	t.Helper()
	state := t.TempDir()
	log, err := newLogger(&config.Config{Log: config.Log{Level: "info", Format: format, Size: 1 << 20}}, state, []string{"w"}, io.Discard, false)
	if err != nil {
		return err
	}
	log.WithField("host", text).Info(text)
	if code := a.run(t.Context(), "after", []string{"log", "w", "--state", state}); code != exitOK {
		return fmt.Errorf("exit status %d", code)
	}
	return log.close()
}
