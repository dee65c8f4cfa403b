package couchtest

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

func changesChecks() []check {
	return []check{
		{"changes/rows", func(c *checker) {
			one := c.put("a", `{"n":1}`)
			two := c.put("a", `{"n":2,"_rev":`+quoted(one)+`}`)
			b := c.put("b", `{}`)
			gone := c.ask("DELETE", "/b?rev="+b).wants(200).rev()
			r := c.ask("GET", "/_changes").wants(200).lists("results.#.id", "a b")
			r.has("results.0.changes", `[{"rev":`+quoted(two)+`}]`).lacks("results.0.deleted").lacks("results.0.doc")
			r.has("results.1.changes", `[{"rev":`+quoted(gone)+`}]`).has("results.1.deleted", "true")
			if !r.get("last_seq").Exists() || !r.get("results.0.seq").Exists() {
				c.failf("%s: no sequences: %s", r.what, r.body)
			}
		}},
		{"changes/pending", func(c *checker) {
			c.put("a", `{}`)
			c.put("b", `{}`)
			c.ask("GET", "/_changes").wants(200).has("pending", "0")
			c.ask("GET", "/_changes?limit=1").wants(200).has("pending", "1")
		}},
		{"changes/since", func(c *checker) {
			c.put("a", `{}`)
			c.put("b", `{}`)
			r := c.ask("GET", "/_changes").wants(200)
			first, last := seqOf(r.get("results.0.seq")), seqOf(r.get("last_seq"))
			c.ask("GET", "/_changes?since="+first).wants(200).lists("results.#.id", "b")
			c.ask("GET", "/_changes?since="+last).wants(200).lists("results.#.id", "")
			c.ask("GET", "/_changes?since=0").wants(200).lists("results.#.id", "a b")
			c.put("c", `{}`)
			c.ask("GET", "/_changes?since="+last).wants(200).lists("results.#.id", "c")
			seq := seqOf(c.ask("GET", "").wants(200).get("update_seq"))
			c.ask("GET", "/_changes?since="+seq).wants(200).lists("results.#.id", "")
		}},
		{"changes/since-now", func(c *checker) {
			c.put("a", `{}`)
			r := c.ask("GET", "/_changes?since=now").wants(200).lists("results.#.id", "")
			c.put("b", `{}`)
			c.ask("GET", "/_changes?since="+seqOf(r.get("last_seq"))).wants(200).lists("results.#.id", "b")
		}},
		{"changes/limit", func(c *checker) {
			for _, id := range []string{"a", "b", "c"} {
				c.put(id, `{}`)
			}
			r := c.ask("GET", "/_changes?limit=2").wants(200).lists("results.#.id", "a b")
			c.ask("GET", "/_changes?since="+seqOf(r.get("last_seq"))).wants(200).lists("results.#.id", "c")
		}},
		{"changes/descending", func(c *checker) {
			for _, id := range []string{"a", "b", "c"} {
				c.put(id, `{}`)
			}
			c.ask("GET", "/_changes?descending=true").wants(200).lists("results.#.id", "c b a")
			c.ask("GET", "/_changes?descending=true&limit=1").wants(200).lists("results.#.id", "c")
		}},
		{"changes/include-docs", func(c *checker) {
			rev := c.put("a", `{"n":1}`)
			b := c.put("b", `{"n":2}`)
			c.ask("DELETE", "/b?rev="+b).wants(200)
			c.ask("GET", "/_changes?include_docs=true").wants(200).
				has("results.0.doc", `{"_id":"a","_rev":`+quoted(rev)+`,"n":1}`).has("results.1.doc._deleted", "true")
		}},
		{"changes/conflicts", func(c *checker) {
			c.edits(`{"_id":"a","_rev":"1-aaa"}`, `{"_id":"a","_rev":"1-bbb"}`)
			c.ask("GET", "/_changes").wants(200).lists("results.0.changes.#.rev", "1-bbb")
			c.ask("GET", "/_changes?style=all_docs").wants(200).lists("results.0.changes.#.rev", "1-bbb 1-aaa")
			c.ask("GET", "/_changes?include_docs=true&conflicts=true").wants(200).has("results.0.doc._conflicts", `["1-aaa"]`)
		}},
		{"changes/filter-doc-ids", func(c *checker) {
			for _, id := range []string{"a", "b", "c"} {
				c.put(id, `{}`)
			}
			c.ask("POST", "/_changes?filter=_doc_ids", `{"doc_ids":["c","a","none"]}`).wants(200).lists("results.#.id", "a c")
		}},
		{"changes/filter-doc-ids-query", func(c *checker) {
			c.put("a", `{}`)
			c.put("b", `{}`)
			c.ask("GET", "/_changes?filter=_doc_ids&doc_ids="+url.QueryEscape(`["b"]`)).wants(200).lists("results.#.id", "b")
		}},
		{"changes/filter-selector", func(c *checker) {
			c.put("a", `{"worker":"w","n":1}`)
			b := c.put("b", `{"worker":"v","n":2}`)
			c.put("c", `{"worker":"w","n":3}`)
			c.ask("DELETE", "/b?rev="+b).wants(200)
			c.ask("POST", "/_changes?filter=_selector", `{"selector":{"worker":"w"}}`).wants(200).lists("results.#.id", "a c")
			c.ask("POST", "/_changes?filter=_selector&include_docs=true", `{"selector":{"n":{"$gt":1}}}`).wants(200).
				lists("results.#.doc.n", "3")
		}},
		{"changes/filter-selector-last-seq", func(c *checker) {
			c.put("a", `{"worker":"v"}`)
			r := c.ask("POST", "/_changes?filter=_selector", `{"selector":{"worker":"w"}}`).wants(200).lists("results.#.id", "")
			c.ask("GET", "/_changes?since="+seqOf(r.get("last_seq"))).wants(200).lists("results.#.id", "")
		}},
		{"changes/bad-parameters", func(c *checker) {
			for _, bad := range []string{"limit=x", "heartbeat=x", "feed=nosuch"} {
				c.ask("GET", "/_changes?"+bad).wants(400)
			}
		}},
		{"changes/missing-database", func(c *checker) { c.askRoot("GET", "/"+c.name+"x/_changes").refuses(404, "not_found") }},
	}
}

// seqOf is a sequence as the parameter since takes it.
func seqOf(seq gjson.Result) string { return url.QueryEscape(seq.String()) }

// feed is an open feed being read line by line.
type feed struct {
	c        *checker
	response *http.Response
	lines    *bufio.Scanner
}

func (c *checker) feed(method, path string, body ...string) *feed {
	f := &feed{c: c, response: c.open(c.server.User, c.server.Password, method, "/"+c.name+path, body...)} //nolint:bodyclose // close does
	c.equal("status of "+path, f.response.StatusCode, 200)
	f.lines = bufio.NewScanner(f.response.Body)
	f.lines.Buffer(nil, 16<<20)
	return f
}

func (f *feed) close() { _ = f.response.Body.Close() }

// any is the next line, empty for a heartbeat; false where the feed has ended.
func (f *feed) any() (string, bool) {
	if !f.lines.Scan() {
		if err := f.lines.Err(); err != nil && !errors.Is(err, io.EOF) {
			f.c.failf("reading the feed: %w", err)
		}
		return "", false
	}
	return strings.TrimSpace(f.lines.Text()), true
}

// next is the next line that is no heartbeat.
func (f *feed) next() string {
	for {
		line, more := f.any()
		if !more {
			f.c.failf("the feed ended, want another line")
		}
		if line != "" {
			return line
		}
	}
}

// wants reads rows of these ids.
func (f *feed) wants(ids ...string) {
	for _, id := range ids {
		if line := f.next(); gjson.Get(line, "id").String() != id {
			f.c.failf("the feed sent %s, want a row of %s", line, id)
		}
	}
}

// meanwhile calls then again and again while a feed waits, until the returned function is called: no answer says that a feed
// has begun to wait, so a single write might come too early for it. A then that cannot be done twice does nothing the second
// time.
func (c *checker) meanwhile(then func()) (stop func()) {
	over, done := make(chan struct{}), make(chan struct{})
	attempt := func() {
		defer func() {
			if found := recover(); found != nil {
				if _, isFailure := found.(failure); !isFailure {
					panic(found)
				}
			}
		}()
		then()
	}
	go func() {
		defer close(done)
		ticker := time.NewTicker(300 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				attempt()
			case <-over:
				return
			case <-c.ctx.Done():
				return
			}
		}
	}()
	return func() {
		close(over)
		<-done
	}
}

func feedChecks() []check {
	return []check{
		{"longpoll/at-once", func(c *checker) {
			c.put("a", `{}`)
			c.ask("GET", "/_changes?feed=longpoll&since=0").wants(200).lists("results.#.id", "a")
		}},
		{"longpoll/waits", func(c *checker) {
			c.put("a", `{}`)
			last := seqOf(c.ask("GET", "/_changes").wants(200).get("last_seq"))
			defer c.meanwhile(func() { c.put("b", `{}`) })()
			r := c.ask("GET", "/_changes?feed=longpoll&since="+last).wants(200).lists("results.#.id", "b")
			c.ask("GET", "/_changes?since="+seqOf(r.get("last_seq"))).wants(200).lists("results.#.id", "")
		}},
		{"longpoll/now", func(c *checker) {
			c.put("a", `{}`)
			defer c.meanwhile(func() { c.ask("POST", "", `{"late":true}`) })()
			r := c.ask("GET", "/_changes?feed=longpoll&since=now&include_docs=true").wants(200)
			if !r.get("results.0.doc.late").Bool() {
				c.failf("%s: got %s, want a row of what was written meanwhile", r.what, r.body)
			}
		}},
		{"longpoll/timeout", func(c *checker) {
			c.put("a", `{}`)
			c.ask("GET", "/_changes?feed=longpoll&since=now&timeout=200").wants(200).lists("results.#.id", "")
		}},
		{"continuous/old-and-new", func(c *checker) {
			c.put("a", `{}`)
			c.put("b", `{}`)
			f := c.feed("GET", "/_changes?feed=continuous&heartbeat=1000")
			defer f.close()
			f.wants("a", "b")
			rev := c.put("c", `{}`)
			f.wants("c")
			c.ask("DELETE", "/c?rev="+rev).wants(200)
			line := f.next()
			if gjson.Get(line, "id").String() != "c" || !gjson.Get(line, "deleted").Bool() {
				c.failf("the feed sent %s, want the deletion of c", line)
			}
		}},
		{"continuous/row", func(c *checker) {
			f := c.feed("GET", "/_changes?feed=continuous&heartbeat=1000&include_docs=true&since=0")
			defer f.close()
			rev := c.put("a", `{"n":1}`)
			line := f.next()
			if !sameJSON(gjson.Get(line, "doc").Raw, `{"_id":"a","_rev":`+quoted(rev)+`,"n":1}`) ||
				gjson.Get(line, "changes.0.rev").String() != rev || !gjson.Get(line, "seq").Exists() {
				c.failf("the feed sent %s", line)
			}
		}},
		{"continuous/since", func(c *checker) {
			c.put("a", `{}`)
			last := seqOf(c.ask("GET", "/_changes").wants(200).get("last_seq"))
			c.put("b", `{}`)
			f := c.feed("GET", "/_changes?feed=continuous&heartbeat=1000&since="+last)
			defer f.close()
			f.wants("b")
		}},
		{"continuous/resume-after-each-row", func(c *checker) {
			ids := []string{"a", "b", "c", "d"}
			for _, id := range ids {
				c.put(id, `{}`)
			}
			since := "0"
			for _, id := range ids {
				f := c.feed("GET", "/_changes?feed=continuous&heartbeat=1000&since="+since)
				line := f.next()
				f.close()
				c.equal("id of the row", gjson.Get(line, "id").String(), id)
				since = seqOf(gjson.Get(line, "seq"))
			}
		}},
		{"continuous/heartbeat", func(c *checker) {
			f := c.feed("GET", "/_changes?feed=continuous&heartbeat=50&since=now")
			defer f.close()
			for range 3 {
				if line, more := f.any(); line != "" || !more {
					c.failf("got %q, want heartbeats", line)
				}
			}
		}},
		{"continuous/timeout", func(c *checker) {
			c.put("a", `{}`)
			f := c.feed("GET", "/_changes?feed=continuous&timeout=200&since=0")
			defer f.close()
			f.wants("a")
			if line := f.next(); !gjson.Get(line, "last_seq").Exists() {
				c.failf("the feed sent %s, want its closing line", line)
			}
			for {
				line, more := f.any()
				if !more {
					return
				}
				c.equal("after the closing line", line, "")
			}
		}},
		{"continuous/limit", func(c *checker) {
			c.put("a", `{}`)
			c.put("b", `{}`)
			f := c.feed("GET", "/_changes?feed=continuous&limit=1&timeout=1000")
			defer f.close()
			f.wants("a")
			if line := f.next(); !gjson.Get(line, "last_seq").Exists() {
				c.failf("the feed sent %s, want its closing line", line)
			}
		}},
		{"continuous/filter-doc-ids", func(c *checker) {
			f := c.feed("POST", "/_changes?feed=continuous&heartbeat=1000&filter=_doc_ids", `{"doc_ids":["b","d"]}`)
			defer f.close()
			for _, id := range []string{"a", "b", "c", "d"} {
				c.put(id, `{}`)
			}
			f.wants("b", "d")
		}},
		{"continuous/filter-selector", func(c *checker) {
			f := c.feed("POST", "/_changes?feed=continuous&heartbeat=1000&filter=_selector", `{"selector":{"worker":"w"}}`)
			defer f.close()
			c.put("a", `{"worker":"v"}`)
			c.put("b", `{"worker":"w"}`)
			c.put("c", `{"worker":"w"}`)
			f.wants("b", "c")
		}},
		{"continuous/in-order", func(c *checker) {
			f := c.feed("GET", "/_changes?feed=continuous&heartbeat=1000")
			defer f.close()
			revs := map[string]string{}
			for range 5 {
				for _, id := range []string{"a", "b", "c"} {
					body := `{}`
					if rev := revs[id]; rev != "" {
						body = `{"_rev":` + quoted(rev) + `}`
					}
					revs[id] = c.put(id, body)
				}
			}
			newest := map[string]string{}
			for !slices.Equal([]string{newest["a"], newest["b"], newest["c"]}, []string{revs["a"], revs["b"], revs["c"]}) {
				line := f.next()
				newest[gjson.Get(line, "id").String()] = gjson.Get(line, "changes.0.rev").String()
			}
		}},
		{"eventsource/rows", func(c *checker) {
			c.put("a", `{}`)
			response := c.open(c.server.User, c.server.Password, "GET", "/"+c.name+"/_changes?feed=eventsource&timeout=1000&heartbeat=200")
			defer response.Body.Close() //nolint:errcheck // read as far as wanted
			c.equal("status", response.StatusCode, 200)
			c.equal("type", response.Header.Get("Content-Type"), "text/event-stream")
			lines := bufio.NewScanner(response.Body)
			for lines.Scan() {
				if data, ok := strings.CutPrefix(lines.Text(), "data:"); ok && gjson.Get(data, "id").String() == "a" {
					return
				}
			}
			c.failf("the feed ended without a row: %w", lines.Err())
		}},
	}
}
