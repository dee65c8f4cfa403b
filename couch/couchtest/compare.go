package couchtest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// meaningful are the headers that an answer must have exactly where the recording has them. Others do not matter.
func meaningful(name string) bool {
	switch name {
	case "Content-Type", "Etag", "Location", "Cache-Control", "Www-Authenticate", "Accept-Ranges", "Content-Range", "Content-Md5",
		"Content-Encoding", "Content-Disposition", "Allow", "Set-Cookie":
		return true
	case "X-Couch-Request-Id", "X-Couchdb-Body-Time":
		return false
	}
	return strings.HasPrefix(name, "X-Couch")
}

// difference is one way in which an answer is not the recorded one.
type difference struct{ where, want, got string }

func (d difference) String() string {
	return fmt.Sprintf("%s: want %s, got %s", d.where, shorten(d.want, 300), shorten(d.got, 300))
}

// comparison compares one answer with what was recorded.
type comparison struct {
	vars  vars
	loose []loosePath
	found []difference
	// The server chose ids that are in the answer: lists in the order of ids are in another order than on the recording's day.
	shuffled bool
}

type loosePath []string

func compare(v vars, want step, got *answer) []difference {
	c := &comparison{vars: v, shuffled: strings.Contains(string(want.Response.Body), "{{id")}
	for _, pointer := range want.Loose {
		c.loose = append(c.loose, splitPointer(pointer))
	}
	if tolerated(want.Response, got) {
		return nil
	}
	if want.Response.Status != got.status {
		c.differ("status", strconv.Itoa(want.Response.Status), fmt.Sprintf("%d %s", got.status, got.body))
		return c.found // all else would differ too
	}
	c.headers("", want.Response.Headers, got.headers, want.Loose)
	c.payload(want, got)
	return c.found
}

// tolerated: where CouchDB fails within itself on bad input, an error that says what is bad is as good.
func tolerated(want response, got *answer) bool {
	if want.Status != http.StatusInternalServerError || got.status < 400 || got.status >= 500 {
		return false
	}
	var refusal struct{ Error, Reason string }
	return json.Unmarshal(got.body, &refusal) == nil && refusal.Error != "" && refusal.Reason != ""
}

func (c *comparison) differ(where, want, got string) {
	c.found = append(c.found, difference{where, want, got})
}

func (c *comparison) headers(where string, want map[string]string, got http.Header, loose []string) {
	wanted := map[string]string{}
	for name, value := range want {
		wanted[http.CanonicalHeaderKey(name)] = c.vars.fill(value)
	}
	free := map[string]bool{}
	for _, pointer := range loose {
		if name, ok := strings.CutPrefix(pointer, "header:"); ok {
			free[http.CanonicalHeaderKey(name)] = true
		}
	}
	for name, value := range wanted {
		have, there := got[name]
		switch {
		case !there:
			c.differ(where+"header "+name, value, "none")
		case !free[name] && !sameHeader(name, value, strings.Join(have, ", ")):
			c.differ(where+"header "+name, value, strings.Join(have, ", "))
		}
	}
	for name := range got {
		if _, known := wanted[name]; !known && meaningful(name) {
			c.differ(where+"header "+name, "none", strings.Join(got[name], ", "))
		}
	}
}

func sameHeader(name, want, got string) bool {
	switch name {
	case "Set-Cookie":
		pattern := regexp.QuoteMeta(want)
		pattern = strings.ReplaceAll(pattern, `\{value\}`, `[^;]*`)
		pattern = strings.ReplaceAll(pattern, `\{date\}`, `[^;]*`)
		return regexp.MustCompile(`^` + pattern + `$`).MatchString(got)
	case "Content-Type":
		if prefix, _, ok := strings.Cut(want, "{boundary}"); ok {
			return strings.HasPrefix(got, prefix)
		}
	case "Etag":
		if digest.MatchString(want) {
			return digest.MatchString(got)
		}
	}
	return want == got
}

// digest is an ETag that is no revision: CouchDB's hash over a term of Erlang, which no other server can compute.
var digest = regexp.MustCompile(`^"[0-9A-Z]{20,25}"$`)

func (c *comparison) payload(want step, got *answer) {
	r := want.Response
	switch {
	case r.Lines != nil:
		c.lines(want, got)
	case r.Multipart != nil:
		c.parts(nil, r.Multipart, got.headers.Get("Content-Type"), got.body)
	case r.Raw != nil:
		if text := c.vars.fill(*r.Raw); text != string(got.body) {
			c.differ("text", strconv.Quote(text), strconv.Quote(string(got.body)))
		}
	case r.Base64 != nil:
		c.bytes(*r.Base64, got.body)
	case r.Body != nil:
		c.json(nil, r.Body, got.body)
	case len(got.body) > 0:
		c.differ("body", "none", string(got.body))
	}
	if r.Ended != nil && *r.Ended != got.ended {
		c.differ("ended by the server", strconv.FormatBool(*r.Ended), strconv.FormatBool(got.ended))
	}
}

func (c *comparison) bytes(encoded string, got []byte) {
	want, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || !bytes.Equal(want, got) {
		c.differ("bytes", encoded, base64.StdEncoding.EncodeToString(got))
	}
}

func (c *comparison) json(at []string, want json.RawMessage, got []byte) {
	filled := c.vars.fillJSON(string(want))
	wanted, err := decode([]byte(filled))
	if err != nil {
		c.differ(place(at), "the recording is no JSON: "+err.Error(), string(want))
		return
	}
	have, err := decode(got)
	if err != nil {
		c.differ(place(at), string(want), "no JSON: "+string(got))
		return
	}
	before := len(c.found)
	if c.value(at, wanted, have); len(c.found) == before {
		c.order(at, gjson.Parse(filled), gjson.ParseBytes(got))
	}
}

func decode(raw []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("there is more after the value: %w", err)
	}
	return value, nil
}

// value compares two JSON values but for the order of members: nothing may be missing and nothing too much.
func (c *comparison) value(at []string, want, got any) {
	if c.isLoose(at) {
		if w, g := kind(want), kind(got); w != g {
			c.differ(place(at), "a "+w, text(got))
		}
		return
	}
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			c.differ(place(at), text(want), text(got))
			return
		}
		c.object(at, w, g)
	case []any:
		g, ok := got.([]any)
		if !ok || len(w) != len(g) {
			c.differ(place(at), text(want), text(got))
			return
		}
		if c.shuffled {
			sortByText(w)
			sortByText(g)
		}
		for i := range w {
			c.value(below(at, strconv.Itoa(i)), w[i], g[i])
		}
	case json.Number:
		g, ok := got.(json.Number)
		if !ok || !sameNumber(w, g) {
			c.differ(place(at), text(want), text(got))
		}
	default:
		if !reflect.DeepEqual(want, got) {
			c.differ(place(at), text(want), text(got))
		}
	}
}

func sortByText(values []any) {
	slices.SortFunc(values, func(a, b any) int { return strings.Compare(text(a), text(b)) })
}

func (c *comparison) object(at []string, want, got map[string]any) {
	for name, value := range want {
		have, there := got[name]
		if !there {
			c.differ(place(below(at, name)), text(value), "nothing")
			continue
		}
		c.value(below(at, name), value, have)
	}
	for name, have := range got {
		if _, there := want[name]; !there {
			c.differ(place(below(at, name)), "nothing", text(have))
		}
	}
}

func below(at []string, name string) []string { return append(slices.Clip(at), name) }

func place(at []string) string {
	if len(at) == 0 {
		return "body"
	}
	return "/" + strings.Join(at, "/")
}

func kind(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case json.Number:
		return "number"
	case string:
		return "string"
	case []any:
		return "array"
	}
	return "object"
}

func text(value any) string {
	raw, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(raw)
}

func sameNumber(a, b json.Number) bool {
	if a == b {
		return true
	}
	x, errX := a.Float64()
	y, errY := b.Float64()
	return errX == nil && errY == nil && x == y
}

func splitPointer(pointer string) loosePath {
	if pointer == "" {
		return loosePath{}
	}
	if strings.HasPrefix(pointer, "header:") {
		return loosePath{pointer}
	}
	names := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	for i, name := range names {
		names[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
	}
	return names
}

func (c *comparison) isLoose(at []string) bool {
	for _, path := range c.loose {
		if len(path) != len(at) {
			continue
		}
		match := true
		for i, name := range path {
			match = match && (name == "*" || name == at[i])
		}
		if match {
			return true
		}
	}
	return false
}

// parts compares a multipart body.
func (c *comparison) parts(at []string, want []part, contentType string, body []byte) {
	_, parameters, err := mime.ParseMediaType(contentType)
	if err != nil || parameters["boundary"] == "" {
		c.differ(place(at), "a multipart body", contentType+" "+string(body))
		return
	}
	reader := multipart.NewReader(bytes.NewReader(body), parameters["boundary"])
	for i, w := range want {
		where := below(at, strconv.Itoa(i))
		p, err := reader.NextRawPart()
		if err != nil {
			c.differ(place(where), "a part", err.Error())
			return
		}
		got, err := io.ReadAll(p)
		if err != nil {
			c.differ(place(where), "a whole part", err.Error())
			return
		}
		c.headers(place(where)+" ", w.Headers, http.Header(p.Header), nil)
		switch {
		case w.Multipart != nil:
			c.parts(where, w.Multipart, p.Header.Get("Content-Type"), got)
		case w.Raw != nil:
			if text := c.vars.fill(*w.Raw); text != string(got) {
				c.differ(place(where), text, string(got))
			}
		case w.Base64 != nil:
			c.bytes(*w.Base64, got)
		case w.Body != nil:
			c.json(where, w.Body, got)
		}
	}
	if _, err := reader.NextRawPart(); err != io.EOF {
		c.differ(place(at), strconv.Itoa(len(want))+" parts", "more")
	}
}
