package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Candidate is a place where a configuration file may lie, and what became of it.
type Candidate struct {
	Path string `json:"path"`
	Note string `json:"note"` // "in force", "not there", or why it was passed over
}

const maxFile = 1 << 20 // bytes; a configuration is never that long

// findFile reads the first file of the usual places, or the one that was asked for.
func (l *loader) findFile(o Options, c *Config) error {
	asked, by := o.Path, "--config"
	if asked == "" {
		asked, by = lookup(o.Environ, "AFTER_CONFIG"), "AFTER_CONFIG"
	}
	if asked != "" {
		path, err := absolute(asked, "")
		if err != nil {
			return fmt.Errorf("%s: %w", by, err)
		}
		content, err := readBounded(path)
		if err != nil {
			return fmt.Errorf("reading the configuration that %s names: %w", by, err)
		}
		c.file, c.passed = path, []Candidate{{path, "in force"}}
		l.file(path, content)
		return nil
	}
	for i, path := range Places() {
		content, note := l.consider(path, i == 0)
		c.passed = append(c.passed, Candidate{path, note})
		if content != nil {
			c.file = path
			l.file(path, content)
			return nil
		}
	}
	return nil
}

// Places lists where a configuration is looked for, in order: the working folder, the user's configuration folder,
// and <prefix>/etc/after beside the <prefix>/bin that the program lies in.
func Places() []string {
	var places []string
	if path, err := filepath.Abs("config.json"); err == nil {
		places = append(places, path)
	}
	if folder, err := os.UserConfigDir(); err == nil {
		places = append(places, filepath.Join(folder, "after", "config.json"))
	}
	if program, err := os.Executable(); err == nil {
		if whole, err := filepath.EvalSymlinks(program); err == nil {
			program = whole
		}
		prefix := filepath.Dir(filepath.Dir(program))
		places = append(places, filepath.Join(prefix, "etc", "after", "config.json"))
	}
	return places
}

// consider decides whether the file at path is read: nil content means no. A file in the working folder may be
// anybody's, so it must belong to the user and must look like ours.
func (l *loader) consider(path string, working bool) (content []byte, note string) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, "not there"
	case err != nil:
		return nil, "passed over: " + err.Error()
	case !info.Mode().IsRegular():
		return nil, "passed over: no regular file"
	case working && !ownedByUser(info):
		return nil, "passed over: it belongs to another user; name it with --config to use it"
	case !working && !trusted(info):
		return nil, "passed over: others than the user and root may change it; name it with --config to use it"
	}
	content, err = readBounded(path)
	if err != nil {
		if !working {
			l.problems = append(l.problems, fmt.Errorf("reading the configuration: %w", err))
		}
		return nil, "passed over: " + err.Error()
	}
	if working && !looksLikeOurs(content) {
		return nil, "passed over: it has none of our keys"
	}
	return content, "in force"
}

func readBounded(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s has %d bytes: that is no configuration", path, info.Size())
	}
	return os.ReadFile(path) //nolint:gosec // the person names the file
}

// looksLikeOurs says whether a config.json in the working folder is meant for us: it has one of our sections with
// one of our keys in it, or with a slip of the pen for one; `log`, `mail`, `notify` and most of `http` aside, which anybody may have. Text that is no JSON is
// ours if it has what looks like such a section.
func looksLikeOurs(content []byte) bool {
	var sections map[string]json.RawMessage
	if err := json.Unmarshal(content, &sections); err != nil {
		return regexp.MustCompile(`"(couch|store)"\s*:|"worker"\s*:\s*\{\s*"(concurrency|drain|retention)"|"jobs"\s*:\s*\{\s*"(folder|exec)"`).Match(content)
	}
	for _, key := range Keys() {
		section, name, _ := strings.Cut(key.Path, ".")
		if slices.Contains([]string{"log", "mail", "notify"}, section) || section == "http" && !isOwnInHTTP(strings.Split(name, ".")[0]) {
			continue
		}
		var below map[string]json.RawMessage
		if json.Unmarshal(sections[section], &below) != nil {
			continue
		}
		name, _, _ = strings.Cut(name, ".")
		for given := range below {
			if isSlip(given, name) {
				return true
			}
		}
	}
	return false
}

// isSlip says whether a key was meant for name: the letters differ in one, or in two of a long name.
func isSlip(given, name string) bool {
	allowed := 1
	if len(name) >= 8 {
		allowed = 2
	}
	return distance(strings.ToLower(given), name) <= allowed
}

// file takes every key of a JSON file.
func (l *loader) file(path string, content []byte) {
	content = bytes.TrimPrefix(content, []byte("\ufeff"))
	if err := wellFormed(content); err != nil {
		l.problems = append(l.problems, fmt.Errorf("%s%w", path, err))
		return
	}
	var root any
	if err := json.Unmarshal(content, &root); err != nil {
		l.problems = append(l.problems, fmt.Errorf("%s: %w", path, err))
		return
	}
	sections, ok := root.(map[string]any)
	if !ok {
		l.problems = append(l.problems, fmt.Errorf("%s: must hold a JSON object, not %s", path, describe(root)))
		return
	}
	l.walk(path, "", sections)
}

func (l *loader) walk(file, above string, section map[string]any) {
	for _, name := range sortedKeys(section) {
		path, value := name, section[name]
		if above != "" {
			path = above + "." + name
		}
		key, found := find(path)
		switch below, isObject := value.(map[string]any); {
		case found:
			taken, err := key.fromJSON(value)
			if err != nil {
				l.problem(file, path, err)
				continue
			}
			l.take(key, taken, file, filepath.Dir(file))
		case isSection(path) && isObject:
			l.walk(file, path, below)
		case isSection(path):
			l.problem(file, path, fmt.Errorf("must be an object, not %s", describe(value)))
		default:
			l.problem(file, path, unknown(path))
		}
	}
}

func unknown(path string) error {
	if near := nearest(path); near != "" {
		return fmt.Errorf("is no key of after; is %s meant?", near)
	}
	return errors.New("is no key of after; docs/config.md lists them")
}

// wellFormed finds what encoding/json tells badly or not at all: the line of a mistake, and a name given twice.
func wellFormed(content []byte) error {
	d := jsontext.NewDecoder(bytes.NewReader(content))
	_, err := d.ReadValue()
	if err == nil {
		_, err = d.ReadToken()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = errors.New("there is more after the object")
		}
	}
	offset := d.InputOffset()
	if mistake, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		offset = mistake.ByteOffset
		at := ""
		if mistake.JSONPointer != "" {
			at = " at " + strings.ReplaceAll(strings.TrimPrefix(string(mistake.JSONPointer), "/"), "/", ".")
		}
		err = fmt.Errorf("%w%s", mistake.Err, at)
	}
	line := 1 + bytes.Count(content[:min(int(offset), len(content))], []byte("\n"))
	return fmt.Errorf(":%d: is no proper JSON: %w", line, err)
}

// variables takes AFTER_…: one that names a section of ours but no key is an error, since it is most likely misspelt.
func (l *loader) variables(environ []string) {
	known := map[string]Key{}
	for _, key := range Keys() {
		known[key.Variable()] = key
	}
	for _, entry := range environ {
		name, text, _ := strings.Cut(entry, "=")
		if text == "" {
			continue // as good as not set, which is how container files leave them
		}
		source := "variable " + name
		key, found := known[name]
		switch {
		case found:
			value, err := key.fromText(text)
			if err != nil {
				l.problem(source, key.Path, err)
				continue
			}
			l.take(key, value, source, "")
		case strings.HasPrefix(name, "AFTER_") && namesSection(name) && !serviceLink.MatchString(name):
			l.problems = append(l.problems, fmt.Errorf("%s: there is no such key%s", source, nearVariable(name)))
		}
	}
}

// serviceLink matches what Kubernetes and Docker set for a service that happens to be called after-couch or so.
var serviceLink = regexp.MustCompile(`_(SERVICE_(HOST|PORT)(_\w+)?|PORT(_\d+_(TCP|UDP)(_\w+)?)?|NAME|ENV_\w+)$`)

func namesSection(name string) bool {
	for _, key := range Keys() {
		section, _, _ := strings.Cut(key.Path, ".")
		if strings.HasPrefix(name, "AFTER_"+strings.ToUpper(section)+"_") {
			return true
		}
	}
	return false
}

// flags takes what the command line said. The process list shows flags, so a password has no place in one.
func (l *loader) flags(given map[string]string) {
	for _, path := range slices.Sorted(mapKeys(given)) {
		key, found := find(path)
		if !found {
			l.problems = append(l.problems, fmt.Errorf("there is no key %s", path))
			continue
		}
		source := "the command line" // some commands set a key by a flag of another name
		if key.Flag != "" {
			source = "--" + key.Flag
		}
		if path == "couch.url" && hasPassword(given[path]) {
			l.problem(source, path, errors.New("must not hold a password, since others on the machine can read it there: use AFTER_COUCH_PASSWORD or couch.password_file"))
			continue
		}
		value, err := key.fromText(given[path])
		if err != nil {
			l.problem(source, path, err)
			continue
		}
		l.take(key, value, source, "")
	}
}
