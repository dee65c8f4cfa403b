package couchtest

import (
	"bytes"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"sort"
	"strings"
)

//go:embed testdata/*.json
var testdata embed.FS

// Recordings are the exchanges recorded from CouchDB 3.5.0, one JSON file a group. testdata/README.md describes their form.
func Recordings() fs.FS {
	recordings, err := fs.Sub(testdata, "testdata")
	if err != nil {
		panic(err) // the name is a constant
	}
	return recordings
}

type group struct {
	Group     string
	Scenarios []scenario
}

type scenario struct {
	Name, About string
	Setup       struct{ Databases []string }
	Recorded    map[string]string
	Steps       []step
}

type step struct {
	Kind     string // "" is an exchange; "wait", "feed"
	Request  request
	Capture  map[string]string
	Response response
	Loose    []string
	Note     string

	WaitMS  int `json:"wait_ms"`
	Feed    string
	ReadMS  int `json:"read_ms"`
	AfterMS int `json:"after_ms"`
	During  []step

	RawCompare bool `json:"raw_compare"`
}

type request struct {
	Method, Path, Auth string
	Headers            map[string]string
	Body               json.RawMessage
	Raw                *string
	Base64             *string
	RawParts           []json.RawMessage `json:"raw_parts"`
}

type response struct {
	Status     int
	Headers    map[string]string
	Body       json.RawMessage
	Raw        *string
	Base64     *string
	Multipart  []part
	Lines      []json.RawMessage
	Ended      *bool
	Heartbeats bool
}

type part struct {
	Headers   map[string]string
	Body      json.RawMessage
	Raw       *string
	Base64    *string
	Multipart []part
}

// load reads all groups, in the order of their names.
func load(recordings fs.FS) ([]group, error) {
	files, err := fs.Glob(recordings, "*.json")
	if err != nil {
		return nil, err
	}
	sort.Strings(files)
	groups := make([]group, 0, len(files))
	for _, file := range files {
		raw, err := fs.ReadFile(recordings, file)
		if err != nil {
			return nil, err
		}
		g := group{Group: strings.TrimSuffix(path.Base(file), ".json")}
		if err := json.Unmarshal(raw, &g); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		groups = append(groups, g)
	}
	if len(groups) == 0 {
		return nil, fs.ErrNotExist
	}
	return groups, nil
}

// text is all of a request in which placeholders may stand.
func (r request) text() string {
	text, _ := json.Marshal(r)
	return string(text)
}

// payload is the body as it goes out; nil for none.
func (r request) payload(v vars) ([]byte, error) {
	switch {
	case r.Raw != nil:
		return []byte(v.fill(*r.Raw)), nil
	case r.Base64 != nil:
		return base64.StdEncoding.DecodeString(*r.Base64)
	case r.RawParts != nil:
		var b bytes.Buffer
		for _, p := range r.RawParts {
			var text string
			if json.Unmarshal(p, &text) == nil {
				b.WriteString(v.fill(text))
				continue
			}
			var repeat struct {
				Repeat string
				Times  int
			}
			if err := json.Unmarshal(p, &repeat); err != nil {
				return nil, err
			}
			b.WriteString(strings.Repeat(repeat.Repeat, repeat.Times))
		}
		return b.Bytes(), nil
	case r.Body != nil:
		var compact bytes.Buffer
		if err := json.Compact(&compact, []byte(v.fillJSON(string(r.Body)))); err != nil {
			return nil, err
		}
		return compact.Bytes(), nil
	}
	return nil, nil
}

// vars are the values of the placeholders.
type vars map[string]string

// fill puts the values of the placeholders it knows into text. A placeholder that has none stays.
func (v vars) fill(text string) string { return v.replace(text, func(s string) string { return s }) }

// fillJSON does the same within the text of a JSON value, where placeholders stand in strings.
func (v vars) fillJSON(text string) string {
	return v.replace(text, func(s string) string {
		quoted, err := json.Marshal(s)
		if err != nil {
			return s
		}
		return string(quoted[1 : len(quoted)-1])
	})
}

func (v vars) replace(text string, encode func(string) string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "{{")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		name, after, closed := strings.Cut(rest, "}}")
		if value, known := v.value(name); closed && known {
			b.WriteString(encode(value))
			text = after
			continue
		}
		b.WriteString("{{")
		text = rest
	}
}

func (v vars) value(name string) (string, bool) {
	if base, isHash := strings.CutSuffix(name, ".hash"); isHash {
		_, hash, found := strings.Cut(v[base], "-")
		return hash, found
	}
	value, found := v[name]
	return value, found
}
