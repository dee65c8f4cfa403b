package couchtest

import (
	"fmt"
	"io"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/adlayer/after/couch"
)

// clientChecks hold the client and the server together: what package couch promises, it keeps on this server.
func clientChecks() []check {
	return []check{
		{"client/server", func(c *checker) {
			s, err := c.client.Server(c.ctx)
			c.must(err)
			if s.Version == "" {
				c.failf("Server: no version: %+v", s)
			}
			session, err := c.client.Session(c.ctx)
			c.must(err)
			c.equal("user", session.User, c.server.User)
			c.equal("administrator", session.Admin(), true)
			there, err := c.client.HasDatabase(c.ctx, c.name)
			c.must(err)
			c.equal("has the database", there, true)
			there, err = c.client.HasDatabase(c.ctx, c.name+"x")
			c.must(err)
			c.equal("has another", there, false)
			if err := c.client.CreateDatabase(c.ctx, c.name); !couch.IsExists(err) {
				c.failf("creating a database twice: %w", err)
			}
		}},
		{"client/documents", func(c *checker) {
			for _, id := range []string{"a", "with space", "a/b", "é😀", "a+b", "_local/x"} {
				rev, err := c.db.Put(c.ctx, id, []byte(`{"n":1}`))
				c.must(err)
				doc, err := c.db.Get(c.ctx, id)
				c.must(err)
				c.equal("id", doc.ID, id)
				c.equal("revision", doc.Rev, rev)
				if _, err := c.db.Put(c.ctx, id, []byte(`{"n":2,"_rev":"9-abc"}`)); err == nil || !couch.IsConflict(err) && !strings.HasPrefix(id, "_local/") {
					c.failf("writing %s with a wrong revision: %w", id, err)
				}
				_, err = c.db.Delete(c.ctx, id, rev)
				c.must(err)
				if _, err := c.db.Get(c.ctx, id); !couch.IsNotFound(err) {
					c.failf("reading the deleted %s: %w", id, err)
				}
			}
			info, err := c.db.Info(c.ctx)
			c.must(err)
			c.equal("documents", info.Documents, int64(0))
			if info.UpdateSeq == "" || info.UpdateSeq == "0" {
				c.failf("Info: the sequence is %q", info.UpdateSeq)
			}
		}},
		{"client/bulk", func(c *checker) {
			docs := make([][]byte, 0, 300)
			for i := range 300 {
				docs = append(docs, fmt.Appendf(nil, `{"_id":"doc%03d","n":%d}`, i, i))
			}
			results, err := c.db.Bulk(c.ctx, docs)
			c.must(err)
			refs := make([]couch.Ref, 0, len(results))
			for i, r := range results {
				c.equal("id", r.ID, fmt.Sprintf("doc%03d", i))
				c.must(r.Err())
				refs = append(refs, couch.Ref{ID: r.ID})
			}
			refs = append(refs, couch.Ref{ID: "none"}, couch.Ref{ID: "other", Rev: "4-abc"})
			found, err := c.db.BulkGet(c.ctx, refs)
			c.must(err)
			for i, doc := range found {
				if missing := i >= 300; doc.Missing != missing || doc.ID != refs[i].ID || !missing && doc.Rev != results[i].Rev {
					c.failf("BulkGet: for %+v got %+v", refs[i], doc)
				}
			}
			results, err = c.db.Bulk(c.ctx, [][]byte{[]byte(`{"_id":"doc000","n":1}`), []byte(`{"_id":"new"}`)})
			c.must(err)
			if !couch.IsConflict(results[0].Err()) || !results[1].OK() {
				c.failf("Bulk with a conflict: %+v", results)
			}
			if _, err := c.db.Bulk(c.ctx, [][]byte{[]byte(`{"_id":`)}); couch.Status(err) != 400 {
				c.failf("Bulk of what is no JSON: %w", err)
			}
		}},
		{"client/bulk-get-conflicts", func(c *checker) {
			docs := `{"_id":"a","_rev":"1-bbb"},{"_id":"a","_rev":"1-ccc"},{"_id":"a","_rev":"1-aaa"},{"_id":"a","_rev":"1-ddd","_deleted":true}`
			c.ask("POST", "/_bulk_docs", `{"new_edits":false,"docs":[`+docs+`]}`).wants(201)
			found, err := c.db.BulkGet(c.ctx, []couch.Ref{{ID: "a"}})
			c.must(err)
			c.equal("winner", found[0].Rev, "1-ccc")
			c.equal("conflicts", len(found[0].Conflicts), 2)
		}},
		{"client/listing", func(c *checker) {
			for _, id := range []string{"a", "b", "c", "é"} {
				c.put(id, `{"n":"`+id+`"}`)
			}
			listing, err := c.db.AllDocs(c.ctx, couch.Range{Start: "b", IncludeDocs: true, Limit: 2})
			c.must(err)
			c.equal("total", listing.Total, int64(4))
			c.equal("rows", len(listing.Rows), 2)
			c.equal("first", listing.Rows[0].ID, "b")
			if !strings.Contains(string(listing.Rows[1].Doc), `"n":"c"`) || listing.Rows[1].Rev == "" {
				c.failf("AllDocs: got %+v", listing.Rows[1])
			}
			for pages, n := c.db.ListPages(c.ctx, couch.Range{Limit: 2}), 0; n < 2; n++ { // a second walk begins anew
				var ids []string
				for rows, err := range pages {
					c.must(err)
					for _, row := range rows {
						ids = append(ids, row.ID)
					}
				}
				c.equal("ListPages", strings.Join(ids, " "), "a b c é")
			}
			listing, err = c.db.AllDocs(c.ctx, couch.Range{Keys: []string{"é", "none"}})
			c.must(err)
			if len(listing.Rows) != 2 || listing.Rows[0].ID != "é" || !listing.Rows[1].Missing {
				c.failf("AllDocs by keys: got %+v", listing.Rows)
			}
		}},
		{"client/find", func(c *checker) {
			people(c)
			index := couch.Index{DDoc: "by", Name: "worker", Fields: []string{"worker", "status"}}
			c.must(c.db.EnsureIndex(c.ctx, index))
			c.must(c.db.EnsureIndex(c.ctx, index))
			query := couch.Query{
				Selector: []byte(`{"worker":"w2","status":{"$gt":null}}`), Limit: 1, UseIndex: []string{"by", "worker"}, Fields: []string{"_id"},
			}
			pages := c.db.FindPages(c.ctx, query)
			for range 2 { // a second walk begins anew
				var found []string
				for page, err := range pages {
					c.must(err)
					for _, doc := range page.Docs {
						found = append(found, string(doc))
					}
				}
				if len(found) != 2 || !sameJSON(found[0], `{"_id":"4"}`) || !sameJSON(found[1], `{"_id":"3"}`) {
					c.failf("FindPages: got %q", found)
				}
			}
		}},
		{"client/find-pages", func(c *checker) {
			for _, id := range []string{"a", "b", "c", "d", "e", "f"} {
				c.put(id, `{"n":1}`)
			}
			c.must(c.db.EnsureIndex(c.ctx, couch.Index{DDoc: "by", Name: "n", Fields: []string{"n"}}))
			query := couch.Query{Selector: []byte(`{"n":1}`), Limit: 2, Skip: 1, UseIndex: []string{"by", "n"}, Fields: []string{"_id"}}
			var found []string
			for page, err := range c.db.FindPages(c.ctx, query) {
				c.must(err)
				for _, doc := range page.Docs {
					found = append(found, gjson.GetBytes(doc, "_id").String())
				}
			}
			c.equal("all but the first", strings.Join(found, " "), "b c d e f")
		}},
		{"client/list-pages", func(c *checker) {
			for _, id := range []string{"a", "b", "c", "d", "e"} {
				c.put(id, `{}`)
			}
			list := func(r couch.Range) (ids []string) {
				for rows, err := range c.db.ListPages(c.ctx, r) {
					c.must(err)
					for _, row := range rows {
						ids = append(ids, row.ID)
					}
					if len(ids) == r.Limit { // the first page: its last row goes, and one comes before it
						_, err := c.db.Delete(c.ctx, rows[len(rows)-1].ID, rows[len(rows)-1].Rev)
						c.must(err)
						c.put(rows[0].ID+"0", `{}`)
					}
				}
				return ids
			}
			c.equal("upwards", strings.Join(list(couch.Range{Start: "a", Limit: 2}), " "), "a b c d e")
			c.equal("downwards", strings.Join(list(couch.Range{Start: "e", End: "a0", Descending: true, Limit: 3}), " "), "e d c a0")
		}},
		{"client/changes", func(c *checker) {
			c.put("a", `{"n":1}`)
			c.put("b", `{"n":2}`)
			body, err := c.db.Changes(c.ctx, couch.ChangesQuery{IncludeDocs: true, DocIDs: []string{"b"}})
			c.must(err)
			defer body.Close() //nolint:errcheck // it was read
			raw, err := io.ReadAll(body)
			c.must(err)
			r := &reply{c: c, what: "Changes", body: raw}
			r.lists("results.#.id", "b").has("results.0.doc.n", "2")
		}},
		{"client/changes-close-ends-a-read", func(c *checker) {
			body, err := c.db.Changes(c.ctx, couch.ChangesQuery{Feed: "continuous", Since: "0", Heartbeat: 100e6})
			c.must(err)
			reading, done := make(chan struct{}), make(chan struct{})
			go func() {
				buffer := make([]byte, 100)
				_, _ = body.Read(buffer)
				close(reading)
				_, _ = io.Copy(io.Discard, body) // however it ends
				close(done)
			}()
			<-reading
			c.must(body.Close())
			select {
			case <-done:
			case <-c.ctx.Done():
				c.failf("a read goes on after Close")
			}
		}},
	}
}
