package mango_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/mango"
)

const liveIndex = `{"index":{"partial_filter_selector":{"status":{"$in":["waiting","scheduled","running","reschedule","cancel"]}},"fields":["worker"]},"ddoc":"live","name":"live"}`

func taskDoc(i int, rev, status string) string {
	if rev != "" {
		rev = `,"_rev":"` + rev + `"`
	}
	return fmt.Sprintf(`{"_id":"task-%08d"%s,"type":"task","worker":"w%d","job":{"name":"noop","arguments":[1,2,3]},"date":"2026-11-22T00:00:00Z",`+
		`"status":%q,"plan":{"from":"2026-11-22T00:00:00Z","index":0,"nominal":"2026-11-22T00:00:00Z","key":"task@2026"},`+
		`"data":{"customer":"c-%d","amount":12.5,"note":"some words that take room in the document"}}`, i, rev, i%4, status, i)
}

// writeTasks writes n task documents in groups of 1,000 and gives their revisions.
func writeTasks(b *testing.B, db *store.Database, n int, revs []string, status string) []string {
	b.Helper()
	out := make([]string, n)
	docs := make([]store.Doc, 0, 1000)
	parsers := make([]store.Parser, 1000)
	for start := 0; start < n; start += 1000 {
		docs = docs[:0]
		for i := start; i < min(start+1000, n); i++ {
			rev := ""
			if revs != nil {
				rev = revs[i]
			}
			docs = append(docs, store.Doc{})
			if err := parsers[i-start].Document([]byte(taskDoc(i, rev, status)), &docs[len(docs)-1]); err != nil {
				b.Fatal(err)
			}
		}
		results, err := db.Write(context.Background(), docs, store.WriteOptions{})
		if err != nil {
			b.Fatal(err)
		}
		for i, r := range results {
			if r.Err != nil {
				b.Fatal(r.Err)
			}
			out[start+i] = r.Rev.String()
		}
	}
	return out
}

func diskDatabase(b *testing.B) *store.Database {
	b.Helper()
	st, err := store.Open(b.TempDir(), store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := st.Close(); err != nil {
			b.Error(err)
		}
	})
	return createDatabase(b, st, "tasks")
}

// BenchmarkUpdates writes one new revision of each of 50,000 documents, with no index, with the worker's partial index, and with that index asked
// after every 1,000 documents. Then it tells what the next query pays to catch up.
func BenchmarkUpdates(b *testing.B) {
	const n = 50_000
	for _, name := range []string{"no index", "partial index"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				db := diskDatabase(b)
				if name != "no index" {
					serve(b, db, "POST", "_index", liveIndex)
				}
				revs := writeTasks(b, db, n, nil, "scheduled")
				if name != "no index" {
					if _, err := mango.Update(context.Background(), db); err != nil {
						b.Fatal(err)
					}
				}
				b.StartTimer()
				writeTasks(b, db, n, revs, "done")
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "docs/s")
		})
	}
}

// BenchmarkCatchUp brings the partial index up to date after 50,000 documents were new, changed without their keys, done, or written again while done.
func BenchmarkCatchUp(b *testing.B) {
	const n = 50_000
	for name, course := range map[string][]string{
		"new": {"scheduled"}, "unchanged keys": {"scheduled", "running"}, "leaving": {"scheduled", "done"}, "refused by the filter": {"done", "error"},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				db := diskDatabase(b)
				serve(b, db, "POST", "_index", liveIndex)
				var revs []string
				for i, status := range course {
					revs = writeTasks(b, db, n, revs, status)
					if i < len(course)-1 {
						if _, err := mango.Update(context.Background(), db); err != nil {
							b.Fatal(err)
						}
					}
				}
				b.StartTimer()
				if _, err := mango.Update(context.Background(), db); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/doc")
		})
	}
}

// BenchmarkFind reads pages of the worker's live tasks, 10,000 among 100,000 documents.
func BenchmarkFind(b *testing.B) {
	db := diskDatabase(b)
	serve(b, db, "POST", "_index", liveIndex)
	revs := writeTasks(b, db, 100_000, nil, "scheduled")
	writeTasks(b, db, 60_000, revs, "done")
	if _, err := mango.Update(context.Background(), db); err != nil {
		b.Fatal(err)
	}
	const body = `{"selector":{"worker":"w1","status":{"$in":["waiting","scheduled","running","reschedule","cancel"]}},"use_index":["live","live"],"limit":1000`
	b.ResetTimer()
	docs := 0
	for b.Loop() {
		bookmark := ""
		for {
			answer := serve(b, db, "POST", "_find", body+`,"bookmark":"`+bookmark+`"}`)
			n := strings.Count(answer, `"_id":`)
			if n == 0 {
				break
			}
			docs += n
			_, bookmark, _ = strings.Cut(answer, `"bookmark":"`)
			bookmark, _, _ = strings.Cut(bookmark, `"`)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(docs), "ns/doc")
}

// BenchmarkSparseFind finds the 1 in 1,000 of 200,000 documents that has a value, with all of it read from the documents, and from the index alone.
func BenchmarkSparseFind(b *testing.B) {
	const n = 200_000
	db := diskDatabase(b)
	docs := make([]string, 0, 1000)
	for i := range n {
		docs = append(docs, fmt.Sprintf(`{"_id":"doc-%07d","n":%d,"text":"some words that take room in the document, as many as others have"}`, i, i%1000))
		if len(docs) == cap(docs) {
			bulk(b, db, docs...)
			docs = docs[:0]
		}
	}
	serve(b, db, "POST", "_index", `{"index":{"fields":["n"]}}`)
	if _, err := mango.Update(context.Background(), db); err != nil {
		b.Fatal(err)
	}
	for name, fields := range map[string]string{"documents": "", "covered": `,"fields":["_id","n"]`} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				p := findPage(b, db, `{"selector":{"n":700},"limit":1000,"execution_stats":true`+fields+`}`)
				if len(p.Docs) != n/1000 || p.Stats.Keys != n/1000 {
					b.Fatalf("%d found, %d keys examined", len(p.Docs), p.Stats.Keys)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(n/1000), "ns/doc")
		})
	}
}
