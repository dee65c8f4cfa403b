package script

import (
	"encoding/json"
	"strings"
	"testing"
)

func BenchmarkEngine(b *testing.B) {
	e := newEngine("k", func(string) {})
	if err := e.load([]byte(`{"_id":"_design/f","filters":{"f":"function(doc,req){return doc.type==req.query.t;}"}}`)); err != nil {
		b.Fatal(err)
	}
	fn, err := e.function([]string{"filters", "f"})
	if err != nil {
		b.Fatal(err)
	}
	doc := json.RawMessage(`{"_id":"a","type":"task","worker":"manobi","job":{"name":"log","arguments":["hello"]},"date":"2026-12-01T00:00:00Z","data":{"a":1,"b":[1,2,3],"text":"` + strings.Repeat("x", 100) + `"},"_revisions":{"start":0,"ids":[]}}`)
	for b.Loop() {
		v, err := decode(e.vm, doc)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := fn(e.ddoc, v, v); err == nil {
			b.Fatal("no error")
		}
	}
}
