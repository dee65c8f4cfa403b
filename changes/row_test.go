package changes_test

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/adlayer/after/changes"
)

// FuzzRow reads lines of any bytes.
func FuzzRow(f *testing.F) {
	for _, seed := range []string{
		`{"seq":"1-g1AAAA","id":"a","changes":[{"rev":"1-a"}],"doc":{"_id":"a","_rev":"1-a"}}`,
		`{"seq":"2-g1AAAA","id":"a","changes":[{"rev":"2-a"}],"deleted":true}`,
		`{"id":"b","changes":[{"rev":"1-b"},{"rev":"1-a"}],"seq":7,"doc":null}`,
		`{"seq":null,"id":"\u00e9\"","changes":[{"rev":"1-b"}]}`,
		`{"last_seq":"9-x","pending":0}`,
		`{"seq":"1","id":"a","changes":[{"rev":"1-a"}],"doc":{"a":["}",{"b":"\\"}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		row, _, err := changes.ParseRow(line)
		if err != nil {
			return
		}
		if row.Doc != nil && row.Doc[0] != '{' {
			t.Fatalf("%q: the document is %q", line, row.Doc)
		}
		if json.Valid(line) && row.Doc != nil && !json.Valid(row.Doc) {
			t.Fatalf("%q: of a good row, the document is %q", line, row.Doc)
		}
	})
}

// FuzzRowParts makes rows of any parts and takes them apart again.
func FuzzRowParts(f *testing.F) {
	f.Add("a", "1-a", "1-g1AAAA", false, []byte(`{"_id":"a"}`))
	f.Add("é\"\\\n", "2-b", "7", true, []byte(`{"a":["}",{"b":"\\"}]}`))
	f.Add("", "x", "", true, []byte(`null`))
	f.Fuzz(func(t *testing.T, id, rev, seq string, deleted bool, doc []byte) {
		object := map[string]json.RawMessage{}
		if rev == "" || !utf8.ValidString(id) || !utf8.ValidString(rev) || !utf8.ValidString(seq) || json.Unmarshal(doc, &object) != nil {
			return
		}
		line, err := json.Marshal(map[string]any{
			"id": id, "seq": seq, "deleted": deleted, "changes": []any{map[string]string{"rev": rev}}, "doc": object,
		})
		if err != nil {
			t.Skip("not a document")
		}
		row, skippedSeq, err := changes.ParseRow(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if row.ID != id || row.Rev != rev || row.Seq != seq || skippedSeq != seq || row.Deleted != deleted {
			t.Fatalf("%s: got %+v, skipped sequence %q", line, row, skippedSeq)
		}
		var got map[string]json.RawMessage
		if row.Doc != nil && json.Unmarshal(row.Doc, &got) != nil || len(got) != len(object) {
			t.Fatalf("%s: got the document %q", line, row.Doc)
		}
	})
}
