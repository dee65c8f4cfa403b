package replicate_test

import (
	"encoding/base64"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/adlayer/after/couch/couchtest"
	"github.com/adlayer/after/store"
)

// pouch starts PouchDB Server, or says loudly that it is not there.
func pouch(t *testing.T) *server {
	t.Helper()
	p, err := couchtest.PouchDB(t)
	if err != nil {
		couchtest.Without(t, "PouchDB Server", err)
		t.SkipNow()
	}
	return at(t, p.URL)
}

// leaves are the leaves of the documents of db by id, without their histories, which PouchDB and CouchDB print alike.
func (s *server) leaves(ids ...string) map[string]string {
	s.t.Helper()
	out := map[string]string{}
	for _, id := range ids {
		docs := decode[[]struct {
			OK map[string]any
		}](s.t, s.want(200, "GET", "/db/"+id+"?open_revs=all", ""))
		for _, d := range docs {
			delete(d.OK, "_revisions")
			out[id+" "+fmt.Sprint(d.OK["_rev"])] = fmt.Sprint(d.OK)
		}
		if status, winner := s.do("GET", "/db/"+id, ""); status == 200 {
			out[id] = fmt.Sprint(decode[map[string]any](s.t, winner)["_rev"])
		}
	}
	return out
}

// TestPouch replicates in both directions with PouchDB Server, a separate implementation of the protocol.
func TestPouch(t *testing.T) {
	t.Parallel()
	p := pouch(t)
	s := start(t, store.Options{})
	s.want(201, "PUT", "/db", "")
	p.want(201, "PUT", "/db", "")
	s.fill("db", "ours", 40)
	p.fill("db", "theirs", 40)
	conflict := func(to *server, hash string, deleted bool) {
		doc := j{"_id": "torn", "_rev": "2-" + hash, "_revisions": j{"start": 2, "ids": []string{hash, strings.Repeat("0", 32)}}, "by": hash}
		if deleted {
			doc["_deleted"] = true
		}
		to.want(201, "POST", "/db/_bulk_docs", j{"new_edits": false, "docs": []j{doc}})
	}
	conflict(s, strings.Repeat("a", 32), false)
	conflict(s, strings.Repeat("d", 32), true)
	conflict(p, strings.Repeat("b", 32), false)
	for _, at := range []*server{s, p} {
		rev := decode[struct{ Rev string }](t, at.want(201, "PUT", "/db/gone", j{"at": at.url})).Rev
		at.want(200, "DELETE", "/db/gone?rev="+rev, "")
	}
	body := j{"source": "db", "target": p.with("db"), "worker_batch_size": 25}
	if out := s.replicate(body); out.History[0].Failed != 0 || out.History[0].Written == 0 {
		t.Fatalf("to PouchDB: %+v", out)
	}
	if out := s.replicate(body); !out.NoChanges {
		t.Errorf("to PouchDB again: %+v", out)
	}
	body = j{"source": p.with("db"), "target": "db", "worker_batch_size": 25}
	if out := s.replicate(body); out.History[0].Failed != 0 || out.History[0].Written == 0 {
		t.Fatalf("from PouchDB: %+v", out)
	}
	if out := s.replicate(body); !out.NoChanges {
		t.Errorf("from PouchDB again: %+v", out)
	}
	ids := []string{"torn", "gone"}
	for i := range 40 {
		ids = append(ids, fmt.Sprintf("ours-%05d", i), fmt.Sprintf("theirs-%05d", i))
	}
	ours, theirs := s.leaves(ids...), p.leaves(ids...)
	if len(ours) < 80 || !maps.Equal(ours, theirs) {
		for key, value := range ours {
			if theirs[key] != value {
				t.Errorf("%s is\n%s here and\n%s there", key, value, theirs[key])
			}
		}
		t.Fatalf("%d leaves here, %d there", len(ours), len(theirs))
	}
	pulledBy(t, p, s)
}

// pulledBy has PouchDB's own replicator copy from the store and to it.
func pulledBy(t *testing.T, p, s *server) {
	t.Helper()
	s.want(201, "PUT", "/db/late", j{"n": 1})
	p.want(200, "POST", "/_replicate", j{"source": s.with("db"), "target": "db"})
	p.want(200, "GET", "/db/late", "")
	p.want(201, "PUT", "/db/later", j{"n": 2})
	p.want(200, "POST", "/_replicate", j{"source": "db", "target": s.with("db")})
	s.want(200, "GET", "/db/later", "")
}

// TestPouchAttachments copies attachments from one database of PouchDB Server to another: small ones together, a large one alone.
func TestPouchAttachments(t *testing.T) {
	t.Parallel()
	p := pouch(t)
	s := start(t, store.Options{})
	for _, db := range []string{"a", "b"} {
		p.want(201, "PUT", "/"+db, "")
	}
	large := strings.Repeat("0123456789abcdef", 20_000)
	for id, content := range map[string]string{"small": "hello", "large": large, "empty": ""} {
		p.want(201, "PUT", "/a/"+id, j{"_attachments": j{"f": j{
			"content_type": "application/octet-stream", "data": base64.StdEncoding.EncodeToString([]byte(content)),
		}}})
	}
	if out := s.replicate(j{"source": p.with("a"), "target": p.with("b")}); out.History[0].Written != 3 {
		t.Fatalf("%+v", out)
	}
	for id, content := range map[string]string{"small": "hello", "large": large, "empty": ""} {
		if _, got := p.do("GET", "/b/"+id+"/f", ""); got != content {
			t.Errorf("the attachment of %s has %d bytes instead of %d", id, len(got), len(content))
		}
	}
}

// TestStoreAttachments copies attachments from one store to another and with PouchDB Server: digests and contents are the same.
func TestStoreAttachments(t *testing.T) {
	t.Parallel()
	a, b := start(t, store.Options{}), start(t, store.Options{})
	a.want(201, "PUT", "/a", "")
	contents := map[string]string{"small": "hello", "large": strings.Repeat("0123456789abcdef", 20_000), "empty": ""}
	for id, content := range contents {
		for _, kind := range []string{"application/octet-stream", "text/plain"} {
			name := id + "-" + kind[:4]
			data := base64.StdEncoding.EncodeToString([]byte(content))
			rev := decode[struct{ Rev string }](t, a.want(201, "PUT", "/a/"+name, j{"_attachments": j{"f": j{"content_type": kind, "data": data}}})).Rev
			a.want(201, "PUT", "/a/"+name, j{"_rev": rev, "n": 1, "_attachments": j{"f": j{"stub": true}}})
		}
	}
	b.want(201, "PUT", "/b", "")
	if out := a.replicate(j{"source": "a", "target": b.with("b")}); out.History[0].Written != 6 || out.History[0].Failed != 0 {
		t.Fatalf("%+v", out)
	}
	for id, content := range contents {
		for _, kind := range []string{"appl", "text"} {
			path := "/" + id + "-" + kind
			for _, query := range []string{"?revs=true", "?attachments=true&att_encoding_info=true"} {
				if got, want := b.want(200, "GET", "/b"+path+query, ""), a.want(200, "GET", "/a"+path+query, ""); got != want {
					t.Errorf("%s%s: %.300s\n%.300s", path, query, got, want)
				}
			}
			if _, got := b.do("GET", "/b"+path+"/f", ""); got != content {
				t.Errorf("the attachment of %s has %d bytes instead of %d", path, len(got), len(content))
			}
		}
	}
}
