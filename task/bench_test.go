package task_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/adlayer/after/task"
)

const ordinary = `{"_id":"invoice:2026-11-18:000042","_rev":"1-967a00dff5e02add41819138abb3284d","type":"task","worker":"manobi",` +
	`"job":{"name":"noop","arguments":["customer","4711",true]},"date":"2026-11-18T10:30:15Z","status":"waiting",` +
	`"data":{"customer":{"name":"Ada Lovelace","mail":"ada@example.org"},"lines":[{"sku":"A-1","count":2},{"sku":"B-7","count":1}]},` +
	`"tags":["billing","november"],"note":"kept as it is, since nobody knows it"}`

func BenchmarkDecodeSettleEncode(b *testing.B) {
	raw := []byte(ordinary)
	now := time.Date(2026, 11, 18, 10, 30, 15, 7e6, time.UTC)
	v := task.View{Now: now, Self: task.Self{Member: "member-1", Incarnation: "0192f0c1a3b4"}}
	o := task.Outcome{Started: now, Finished: now.Add(time.Millisecond), Result: json.RawMessage(`{"ok":true}`)}
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		t, err := task.Decode(raw)
		if err != nil {
			b.Fatal(err)
		}
		d := task.Decide(t, v)
		if d.Action != task.Start {
			b.Fatal(d.Note)
		}
		d = task.Settle(d.Next, o, v)
		if len(d.Next.WithWrite(7).Encode()) < len(raw) {
			b.Fatal("lost something")
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	raw := []byte(ordinary)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := task.Decode(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWorkerOf(b *testing.B) {
	raw := []byte(ordinary)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if string(task.WorkerOf(raw)) != "manobi" {
			b.Fatal("not found")
		}
	}
}
