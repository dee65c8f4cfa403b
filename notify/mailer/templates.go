package mailer

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/adlayer/after/notify"
	"github.com/adlayer/after/task"
)

//go:embed templates/*.txt
var defaults embed.FS

// The names of the templates, which are those of their files.
const (
	subjectTemplate       = "subject.txt"
	bodyTemplate          = "body.txt"
	digestSubjectTemplate = "digest-subject.txt"
	digestTemplate        = "digest.txt"
)

func templateNames() []string {
	return []string{subjectTemplate, bodyTemplate, digestSubjectTemplate, digestTemplate}
}

// view is what the templates of a single notice see.
type view struct {
	Event    string
	Task     string
	Job      string
	Worker   string
	Key      string
	Attempt  int64
	At       time.Time
	Nominal  time.Time
	Started  time.Time
	Finished time.Time
	Duration time.Duration
	Kind     string
	Error    string
	Code     int64
	Result   string // as text; "" where it is attached
	Attached string // the name of the attachment
	Cut      bool
}

func viewOf(n *notify.Notice) view {
	v := view{
		Event: string(n.Event), Task: visible(n.Task), Job: visible(n.Job), Worker: visible(n.By), Key: visible(n.Key), Attempt: n.Attempt,
		At: n.At, Nominal: n.Nominal, Started: n.Started, Finished: n.Finished, Kind: visible(n.Kind), Error: legible(n.Error), Code: n.Code, Cut: n.Cut,
	}
	if !n.Started.IsZero() && n.Finished.After(n.Started) {
		v.Duration = n.Finished.Sub(n.Started)
	}
	return v
}

// templates are those in force.
type templates struct{ parsed *template.Template }

// readTemplates takes those of a folder over those of the program; the folder "" has none. The error names file and line.
func readTemplates(folder string) (*templates, error) {
	root := template.New("").Option("missingkey=error").Funcs(template.FuncMap{"time": shownTime, "indent": indent})
	for _, name := range templateNames() {
		text, err := defaults.ReadFile("templates/" + name)
		if err != nil {
			return nil, fmt.Errorf("the program's own template %s: %w", name, err)
		}
		if folder != "" {
			own, err := os.ReadFile(filepath.Join(folder, name)) //nolint:gosec // the folder is the configuration's
			switch {
			case err == nil:
				text = own
			case !errors.Is(err, fs.ErrNotExist):
				return nil, fmt.Errorf("templates: %w", err)
			}
		}
		if _, err := root.New(name).Parse(string(text)); err != nil {
			return nil, fmt.Errorf("templates in %s: %s", folder, untitled(err))
		}
	}
	t := &templates{root}
	if err := t.try(); err != nil {
		return nil, fmt.Errorf("templates in %s: %s", folder, untitled(err))
	}
	return t, checkFolder(folder)
}

// untitled is the message of a template's error from its file on.
func untitled(err error) string { return strings.TrimPrefix(err.Error(), "template: ") }

// checkFolder refuses a folder that is not there, and files in it that would never be read, as one whose name has a letter wrong.
func checkFolder(folder string) error {
	if folder == "" {
		return nil
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return fmt.Errorf("templates: %w", err)
	}
	for _, entry := range entries {
		if filepath.Ext(entry.Name()) == ".txt" && !slices.Contains(templateNames(), entry.Name()) {
			return fmt.Errorf("templates: %s is none of %s", filepath.Join(folder, entry.Name()), strings.Join(templateNames(), ", "))
		}
	}
	return nil
}

// try writes a mail of each kind, so that a field of a wrong name shows now and not when a task has failed.
func (t *templates) try() error {
	at := time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)
	n := &notify.Notice{
		ID: "notice:example", By: "manobi", Event: task.EventError, Task: "example", Job: "http", Key: "example", Attempt: 1,
		At: at, Nominal: at, Started: at, Finished: at.Add(time.Second), Kind: "job", Error: "an example", Code: 500,
	}
	v := viewOf(n)
	v.Result = "an example"
	d := NewDigest()
	d.Add(n)
	return errors.Join(t.attempt(subjectTemplate, v), t.attempt(bodyTemplate, v), t.attempt(digestSubjectTemplate, d.view()), t.attempt(digestTemplate, d.view()))
}

func (t *templates) attempt(name string, data any) error {
	_, err := t.execute(name, data)
	return err
}

// mostText is how long the text of a mail may become, in bytes.
const mostText = 1 << 20

// execute gives the text that a template makes.
func (t *templates) execute(name string, data any) (string, error) {
	var b bounded
	if err := t.parsed.ExecuteTemplate(&b, name, data); err != nil && !errors.Is(err, errLong) {
		return "", err
	}
	return b.text.String(), nil
}

// bounded is a text that does not grow beyond what a mail may have.
type bounded struct{ text strings.Builder }

var errLong = errors.New("the text is too long for a mail")

// Write takes what there is room for.
func (b *bounded) Write(p []byte) (int, error) {
	if room := mostText - b.text.Len(); len(p) > room {
		n, _ := b.text.WriteString(strings.ToValidUTF8(string(p[:room]), "")) // never fails
		return n, errLong
	}
	return b.text.Write(p)
}

func shownTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }

// indent puts the further lines of a text under its first.
func indent(text string) string { return strings.ReplaceAll(text, "\n", "\n  ") }

// visible makes a text one line without control characters, which have no business in names.
func visible(text string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if isControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\ufffd")))
}

// legible takes out control characters but for the ends of lines and tabs.
func legible(text string) string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		if isControl(r) && r != '\n' && r != '\t' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\ufffd"))
}

func isControl(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }
