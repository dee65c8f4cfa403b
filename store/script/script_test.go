package script_test

import (
	"context"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"

	"github.com/adlayer/after/store/script"
)

func TestMain(m *testing.M) {
	script.Main()
	goleak.VerifyTestMain(m)
}

var (
	nobody = []byte(`{"db":"db","name":null,"roles":[]}`)
	open   = []byte(`{"admins":{},"members":{}}`)
)

func pool(tb testing.TB, o script.Options) *script.Pool {
	tb.Helper()
	if o.Command == nil {
		o.Command = script.Self()
	}
	if o.Log == nil {
		log := logrus.New()
		log.SetOutput(testWriter{tb})
		o.Log = log
	}
	p := script.NewPool(o)
	tb.Cleanup(p.Close)
	return p
}

type testWriter struct{ tb testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	w.tb.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

func BenchmarkValidate(b *testing.B) {
	p := pool(b, script.Options{})
	d := &script.Design{Key: "k", Doc: []byte(`{"_id":"_design/v","validate_doc_update":"function(n,o,u,s){ if (!n.type) throw({forbidden:'type'}); if (o && o.type !== n.type) throw({forbidden:'type'}); if (n.owner && n.owner !== u.name && u.roles.indexOf('_admin') < 0) throw({unauthorized:'owner'}); }"}`)}
	doc := []byte(`{"_id":"a","type":"task","worker":"manobi","job":{"name":"log","arguments":["hello"]},"date":"2026-12-01T00:00:00Z","data":{"a":1,"b":[1,2,3],"text":"` + strings.Repeat("x", 100) + `"},"_revisions":{"start":0,"ids":[]}}`)
	for _, n := range []int{1, 100} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			edits := make([]script.Edit, n)
			for i := range edits {
				edits[i] = script.Edit{New: doc, Old: doc}
			}
			start := time.Now()
			for b.Loop() {
				if v, err := p.Validate(context.Background(), d, nobody, open, edits); err != nil || v[0] != nil {
					b.Fatal(err, v[0])
				}
			}
			b.ReportMetric(float64(b.N*n)/time.Since(start).Seconds(), "docs/s")
		})
	}
	docs := make([][]byte, 100)
	for i := range docs {
		docs[i] = doc
	}
	f := &script.Design{Key: "f", Doc: []byte(`{"_id":"_design/f","filters":{"f":"function(doc,req){return doc.type==req.query.t;}"}}`)}
	b.Run("filter", func(b *testing.B) {
		start := time.Now()
		for b.Loop() {
			if v, err := p.Filter(context.Background(), f, "f", []byte(`{"query":{"t":"task"}}`), docs); err != nil || !v[0] {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N*100)/time.Since(start).Seconds(), "docs/s")
	})
	if raw, err := os.ReadFile("/proc/self/task/" + strconv.Itoa(os.Getpid()) + "/children"); err == nil {
		for pid := range strings.FieldsSeq(string(raw)) {
			status, _ := os.ReadFile("/proc/" + pid + "/status")
			for line := range strings.Lines(string(status)) {
				if strings.HasPrefix(line, "VmRSS") || strings.HasPrefix(line, "Rss") || strings.HasPrefix(line, "VmData") {
					b.Log(pid, strings.TrimSpace(line))
				}
			}
		}
	}
}

func itoa(n int) string { return strconv.Itoa(n) }
