package couchtest

import (
	"bytes"
	"encoding/json"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// question is a request reduced to what a server has to know to answer it: where it goes, and what it makes use of there.
type question struct {
	place string // method and template: "GET /{db}/_changes"
	uses  []string
}

// sent is a request as it was sent.
type sent struct {
	method, path string // the path as it was sent, without the query
	query        string
	header       http.Header
	body         []byte
}

// reduce gives the question of a request: values that are words are kept, of others it keeps what they are.
func reduce(a sent) question {
	place, uses := placeOf(a.path)
	u := useSet{}
	for _, use := range uses {
		u.add(use)
	}
	u.query(a.query)
	u.header(a.header)
	u.body(place, a.header.Get("Content-Type"), a.body)
	return question{place: a.method + " " + place, uses: slices.Sorted(maps.Keys(u))}
}

// placeOf is the template of a path, and what is special about its names.
func placeOf(path string) (template string, uses []string) {
	trimmed := strings.TrimPrefix(path, "/")
	if trimmed != "" && strings.HasSuffix(trimmed, "/") {
		uses, trimmed = append(uses, "path with a slash at its end"), strings.TrimSuffix(trimmed, "/")
	}
	parts := strings.Split(trimmed, "/")
	if parts[0] != "" && (parts[0][0] != '_' || isDatabase(parts[0])) {
		if parts[0][0] != '_' {
			parts[0] = "{db}"
		}
		parts = document(parts)
	}
	for _, escape := range []string{"%2F", "%23", "%25", "%2B", "%3F"} {
		if strings.Contains(strings.ToUpper(path), escape) {
			uses = append(uses, "path with "+escape)
		}
	}
	return "/" + strings.Join(parts, "/"), uses
}

func isDatabase(name string) bool { return name == "_users" || name == "_replicator" }

// document puts placeholders into the parts of a path behind the database.
func document(parts []string) []string {
	if len(parts) < 2 { // the database alone
		return parts
	}
	at := 1
	switch parts[1] {
	case "_design", "_local":
		at = 2
	default:
		if strings.HasPrefix(parts[1], "_") { // one of the database's own
			for i := 2; i < len(parts); i++ {
				parts[i] = "{name}"
			}
			return parts
		}
	}
	if at < len(parts) {
		parts[at] = "{doc}"
	}
	switch rest := at + 1; {
	case rest >= len(parts):
	case strings.HasPrefix(parts[rest], "_"): // below a design document
		for i := rest + 1; i < len(parts); i++ {
			parts[i] = "{name}"
		}
	default:
		parts = append(parts[:rest], "{attachment}")
	}
	return parts
}

// useSet gathers what a request makes use of.
type useSet map[string]bool

func (u useSet) add(use string) { u[use] = true }

var (
	word   = regexp.MustCompile(`^_?[a-z][a-z_]*$`)
	number = regexp.MustCompile(`^-?\d+(\.\d+)?$`)
)

// words are the parameters whose values are words of the protocol's.
var words = []string{ //nolint:gochecknoglobals // a table
	"att_encoding_info", "attachments", "batch", "conflicts", "deleted_conflicts", "descending", "feed", "filter", "group", "include_docs", "inclusive_end",
	"latest", "local_seq", "new_edits", "open_revs", "reduce", "revs", "revs_info", "since", "stable", "style", "update", "update_seq",
}

func (u useSet) query(query string) {
	for part := range strings.SplitSeq(query, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		if text, err := url.QueryUnescape(value); err == nil {
			value = text
		}
		u.add("?" + name + "=" + valueOf(name, value))
	}
}

func valueOf(name, value string) string {
	switch {
	case value == "0" && name == "since", word.MatchString(value) && slices.Contains(words, name):
		return value
	case number.MatchString(value):
		return "<number>"
	case revision.MatchString(value):
		return "<" + name + ">"
	case json.Valid([]byte(value)):
		return "<" + shape([]byte(value)) + ">"
	case name == "filter":
		return "<function>"
	}
	return "<text>"
}

// shape is what a JSON value is; of true, false and null it is the value.
func shape(value []byte) string {
	value = bytes.TrimSpace(value)
	if len(value) == 0 {
		return "nothing"
	}
	switch value[0] {
	case '"':
		return "string"
	case '{':
		return "object"
	case '[':
		return "array"
	case 't', 'f', 'n':
		return string(value)
	}
	return "number"
}

// meaningless are headers that no server's answer depends on.
var meaningless = []string{ //nolint:gochecknoglobals // a table
	"Connection", "Content-Length", "User-Agent", "X-Forwarded-For",
}

func (u useSet) header(header http.Header) {
	for name, values := range header {
		if slices.Contains(meaningless, name) || len(values) == 0 {
			continue
		}
		value := values[0]
		switch name {
		case "Authorization":
			scheme, _, _ := strings.Cut(value, " ")
			u.add("credentials: " + strings.ToLower(scheme))
			continue
		case "Cookie":
			cookie, _, _ := strings.Cut(value, "=")
			u.add("credentials: cookie " + cookie)
			continue
		case "Content-Type":
			if media, _, err := mime.ParseMediaType(value); err == nil {
				value = media
			}
		case "Accept", "Accept-Encoding", "Content-Encoding", "Expect", "X-Couch-Full-Commit":
		case "If-None-Match", "If-Match":
			value = tagOf(value)
		case "Range":
			value = number.ReplaceAllString(value, "n")
		default:
			value = "..."
		}
		u.add(name + ": " + value)
	}
	if header.Get("Authorization") == "" && header.Get("Cookie") == "" {
		u.add("no credentials")
	}
}

func tagOf(tag string) string {
	switch {
	case tag == "*":
		return tag
	case strings.HasPrefix(tag, `"`):
		return `"..."`
	}
	return "..."
}
