package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // for TZ and the person's own zone, on machines without a zone database
	"unicode/utf8"

	"github.com/adlayer/after/when"
)

// argumentsOf makes a job's arguments of the words of the command line. A word that begins with { or [ is JSON, any other
// a text; one object or array alone is the arguments as a whole. Without words there are none (nil).
func argumentsOf(words []string) (json.RawMessage, error) {
	if len(words) == 0 {
		return nil, nil
	}
	values := make([]json.RawMessage, len(words))
	for i, word := range words {
		if !utf8.ValidString(word) {
			return nil, fmt.Errorf("argument %d: %q is no UTF-8, and JSON has no such texts", i+1, word)
		}
		if strings.HasPrefix(word, "{") || strings.HasPrefix(word, "[") {
			if !json.Valid([]byte(word)) {
				return nil, fmt.Errorf("argument %d begins like JSON and is none: %s", i+1, word)
			}
			values[i] = json.RawMessage(word)
			continue
		}
		text, err := json.Marshal(word)
		if err != nil {
			return nil, fmt.Errorf("argument %d: %w", i+1, err)
		}
		values[i] = text
	}
	if len(values) == 1 && values[0][0] != '"' {
		return values[0], nil
	}
	return json.Marshal(values)
}

// maxInput bounds what is read from a file or standard input for a document.
const maxInput = 32 << 20

// jsonOf reads a flag that takes JSON: the text itself, "@file", or "@-" for standard input.
func (a *app) jsonOf(flag, text string) (json.RawMessage, error) {
	content := []byte(text)
	if path, ok := strings.CutPrefix(text, "@"); ok {
		var err error
		if content, err = a.read(path); err != nil {
			return nil, fmt.Errorf("--%s: %w", flag, err)
		}
	}
	switch {
	case !utf8.Valid(content):
		return nil, fmt.Errorf("--%s is no UTF-8, and JSON has no such texts", flag)
	case !json.Valid(content):
		return nil, fmt.Errorf("--%s is no JSON (a text needs quotation marks inside the shell's: '\"…\"')", flag)
	}
	return json.RawMessage(content), nil
}

func (a *app) read(path string) ([]byte, error) {
	in := a.In
	if path != "-" {
		file, err := os.Open(path) //nolint:gosec // the person names the file
		if err != nil {
			return nil, err
		}
		defer file.Close() //nolint:errcheck // it was only read
		in = file
	}
	content, err := io.ReadAll(io.LimitReader(in, maxInput+1))
	if err != nil {
		return nil, err
	}
	if len(content) > maxInput {
		return nil, fmt.Errorf("%s has more than %d bytes", path, maxInput)
	}
	return content, nil
}

// zoneOf gives the zone that words and local times are read in: the one asked for, else the person's own. name is its
// IANA name, "" where the person's has none that others would understand.
func zoneOf(asked string) (loc *time.Location, name string, err error) {
	if asked != "" {
		loc, err = when.LoadLocation(asked)
		return loc, asked, err
	}
	return time.Local, localZone(), nil //nolint:gosmopolitan // the person's own zone is what they mean
}

// localZone is the name of the person's zone: what TZ says, or where /etc/localtime leads.
func localZone() string {
	name := strings.TrimPrefix(os.Getenv("TZ"), ":")
	if name == "" {
		if target, err := os.Readlink("/etc/localtime"); err == nil {
			_, name, _ = strings.Cut(target, "zoneinfo/")
		}
	}
	if _, err := when.LoadLocation(name); name == "" || err != nil {
		return ""
	}
	return name
}

// instant reads --at or --in; neither is now, as the zero time.
func instant(at, in string, now time.Time, loc *time.Location) (time.Time, error) {
	switch {
	case at != "" && in != "":
		return time.Time{}, errors.New("--at and --in say the same thing twice: give one of them")
	case at != "":
		date, err := when.ParseDate(at, now, loc)
		if err != nil {
			return time.Time{}, fmt.Errorf("--at: %w", err)
		}
		return date.Time, nil
	case in != "":
		d, err := when.ParseDuration(in)
		if err != nil {
			return time.Time{}, fmt.Errorf("--in: %w", err)
		}
		return now.Add(d), nil
	}
	return time.Time{}, nil
}

// dateFlag reads a flag that is a date; "" is the zero time.
func dateFlag(flag, text string, now time.Time, loc *time.Location) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	date, err := when.ParseDate(text, now, loc)
	if err != nil {
		return time.Time{}, fmt.Errorf("--%s: %w", flag, err)
	}
	return date.Time, nil
}

// anyCalendar stands for the calendars of a database that is not asked: the worker says if one is missing.
func anyCalendar(string) (*when.Calendar, error) { return &when.Calendar{}, nil }

// retryOf reads --retry: a number of retries, or the document's object.
func retryOf(text string) (json.RawMessage, error) {
	if text == "" {
		return nil, nil
	}
	if _, err := strconv.ParseUint(text, 10, 32); err == nil || (strings.HasPrefix(text, "{") && json.Valid([]byte(text))) {
		return json.RawMessage(text), nil
	}
	return nil, fmt.Errorf(`--retry %q: write a number of retries, or {"limit": 5, "interval": "30s"}`, text)
}
