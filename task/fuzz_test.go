package task_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/adlayer/after/task"
)

func FuzzDecode(f *testing.F) {
	for _, raw := range []string{
		ordinary, document(daily), document(`"date":"in 5 minutes","retry":{"limit":5}`), document(join(`"status":"running"`, plan(nine, nine, ""), claim("dead"))),
		`{}`, `{"_id":"\ud800","worker":"w"}`, `{"a":[[[[{"b":[]}]]]]}`, `{"_id":1}`, `{"job":{"name":"x","arguments":{}}}`, `[`, "{\"a\":\"\xff\"}",
	} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		_ = task.WorkerOf(raw)
		got, err := task.Decode(raw)
		valid := json.Valid(raw) && bytes.HasPrefix(bytes.TrimLeft(raw, " \t\r\n"), []byte("{"))
		if err != nil {
			if valid && !bytes.Contains(raw, []byte("_")) && !bytes.Contains(raw, []byte(`\u`)) {
				t.Fatalf("%s was refused: %v", raw, err)
			}
			return
		}
		if !valid && bytes.Count(raw, []byte("["))+bytes.Count(raw, []byte("{")) < 10_000 { // where the standard library gives up
			t.Fatalf("%s was taken", raw)
		}
		if !bytes.Equal(got.Encode(), raw) {
			t.Fatal("an untouched document is not encoded as it was")
		}
		d := task.Decide(got, ours())
		if d.Next == nil {
			return
		}
		after := d.Next
		if d.Action == task.Start {
			settled := task.Settle(task.Begin(after, now, ours()), bad(), ours())
			after = settled.Next.WithRev("9-x").WithWrite(3).Shrink(4096)
		}
		encoded := after.Encode()
		if valid && !json.Valid(encoded) {
			t.Fatalf("%s became %s", raw, encoded)
		}
		if _, err := task.Decode(encoded); err != nil {
			t.Fatalf("%s became %s: %v", raw, encoded, err)
		}
	})
}
