package replicate_test

import (
	"encoding/base64"
	"maps"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// attachments are what the tests copy: by document, then by name. Text is what stores compress.
func attachments() map[string]map[string]string {
	noise := make([]byte, 300_000)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	return map[string]map[string]string{
		"small":      {"f": "hello"},
		"empty":      {"f": ""},
		"large":      {"f": string(noise)},
		"large-text": {"f.txt": strings.Repeat("after noon, before night\n", 20_000)},
		"many":       {"a": "1", "b.txt": strings.Repeat("x", 5000), "c": string(noise[:100_000]), "ü /+.txt": "odd"},
		"late":       {"f": string(noise[:80_000]), "g": "two"},
	}
}

func typeOf(name string) string {
	if strings.HasSuffix(name, ".txt") {
		return "text/plain"
	}
	return "application/octet-stream"
}

func (s *server) attach(db string) map[string]map[string]string {
	s.t.Helper()
	all := attachments()
	for id, files := range all {
		atts := j{}
		for name, content := range files {
			atts[name] = j{"content_type": typeOf(name), "data": base64.StdEncoding.EncodeToString([]byte(content))}
		}
		s.want(201, "PUT", "/"+db+"/"+id, j{"_attachments": atts})
	}
	return all
}

func (s *server) compare(db string, all map[string]map[string]string) {
	s.t.Helper()
	for id, files := range all {
		for name, content := range files {
			path := "/" + db + "/" + id + strings.TrimPrefix(escapePath("/x/"+name), "/x")
			if status, got := s.do("GET", path, ""); status != 200 || got != strings.TrimSpace(content) {
				s.t.Errorf("%s: status %d, %d bytes instead of %d", path, status, len(got), len(content))
			}
		}
	}
}

// TestAttachments copies attachments of all sizes from store to store, and once more when only one of a document's attachments is new.
func TestAttachments(t *testing.T) {
	t.Parallel()
	source, target := pair(t), pair(t)
	all := source.attach("a")
	m := between(t, target.url)
	var mu sync.Mutex
	largest := int64(0)
	count := func(_ http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		largest = max(largest, r.ContentLength)
		return false
	}
	m.instead.Store(&count)
	if out := source.replicate(j{"source": "a", "target": m.with("b")}); out.History[0].Written != len(all) || out.History[0].Failed != 0 {
		t.Fatalf("%+v", out)
	}
	target.compare("b", all)
	if largest > 200_000 {
		t.Errorf("a request of %d bytes was made in memory", largest)
	}
	if a, b := source.state("a"), target.state("b"); !maps.Equal(a, b) {
		t.Errorf("\n%v\n%v", a, b)
	}
	for id := range all {
		rev := decode[struct {
			Rev string `json:"_rev"`
		}](t, source.want(200, "GET", "/a/"+id, "")).Rev
		source.want(201, "PUT", "/a/"+id+"/new.txt?rev="+rev, "new of "+id)
		all[id]["new.txt"] = "new of " + id
	}
	if out := source.replicate(j{"source": "a", "target": m.with("b")}); out.History[0].Written != 2*len(all) || out.History[0].Failed != 0 {
		t.Fatalf("%+v", out)
	}
	target.compare("b", all)
	if a, b := source.state("a"), target.state("b"); !maps.Equal(a, b) {
		t.Errorf("\n%v\n%v", a, b)
	}
}

// TestAttachmentsCut cuts the transfer of large attachments: nothing half is kept, everything arrives.
func TestAttachmentsCut(t *testing.T) {
	t.Parallel()
	source, target := pair(t), pair(t)
	all := source.attach("a")
	m := between(t, source.url)
	var mu sync.Mutex
	left := 4
	harm := func(r *http.Request) int64 {
		mu.Lock()
		defer mu.Unlock()
		if left == 0 || !strings.Contains(r.URL.Path, "/large") {
			return 0
		}
		left--
		return 20_000
	}
	m.cutAfter.Store(&harm)
	if out := target.replicate(j{"source": m.with("a"), "target": "b"}); out.History[0].Written != len(all) || out.History[0].Failed != 0 {
		t.Fatalf("%+v", out)
	}
	if left == 4 {
		t.Error("nothing was cut")
	}
	target.compare("b", all)
}

// TestPouchAttachmentsBoth copies attachments to PouchDB Server and back.
func TestPouchAttachmentsBoth(t *testing.T) {
	t.Parallel()
	p := pouch(t)
	s := pair(t)
	p.want(201, "PUT", "/p", "")
	all := s.attach("a")
	for _, body := range []j{{"source": "a", "target": p.with("p")}, {"source": p.with("p"), "target": "b"}} {
		if out := s.replicate(body); out.History[0].Written != len(all) || out.History[0].Failed != 0 {
			t.Fatalf("%v: %+v", body, out)
		}
	}
	p.compare("p", all)
	s.compare("b", all)
}
