package mango_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/mango"
	"github.com/adlayer/after/store/storetest"
)

// TestInterestCoversMatches: a subscription with a selector's interest hears of every write that makes a document fit.
func TestInterestCoversMatches(t *testing.T) {
	t.Parallel()
	st, err := store.Open("data", store.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { storetest.End(t, st) })
	db, err := st.CreateDatabase(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	value := rapid.SampledFrom([]string{`"a"`, `"b"`, `"é"`, `"a\"b"`, `1`, `true`, `null`, `["a",1]`, `{"c":"a"}`})
	field := rapid.SampledFrom([]string{"w", "o.c", "o.0", `o\\.c`, "_id", "_deleted", "_rev"})
	condition := rapid.Custom(func(t *rapid.T) string {
		op := rapid.SampledFrom([]string{"$eq", "$in", "$ne", "$gt", "$exists", "$not"}).Draw(t, "op")
		v := value.Draw(t, "value")
		switch op {
		case "$in":
			v = "[" + v + "," + value.Draw(t, "other") + "]"
		case "$exists":
			v = "true"
		case "$not":
			v = `{"$eq":` + v + `}`
		}
		return `{"` + field.Draw(t, "field") + `":{"` + op + `":` + v + `}}`
	})
	told := 0
	rapid.Check(t, func(t *rapid.T) {
		text := condition.Draw(t, "condition")
		if op := rapid.SampledFrom([]string{"", "$and", "$or", "$nor"}).Draw(t, "combination"); op != "" {
			text = `{"` + op + `":[` + strings.Join(rapid.SliceOfN(condition, 1, 3).Draw(t, "parts"), ",") + `]}`
		}
		selector, err := mango.Compile([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		sub := db.Subscribe(selector.Interest())
		defer sub.Close()
		drain(t, sub)
		for range 4 {
			doc := store.Doc{ID: rapid.SampledFrom([]string{"a", "b", ""}).Draw(t, "id"), Deleted: rapid.Bool().Draw(t, "deleted")}
			doc.Body = fmt.Appendf(nil, `{"w":%s,"o":%s}`, value.Draw(t, "w"), value.Draw(t, "o"))
			if doc.Rev, err = store.ParseRev(fmt.Sprintf("%d-%032x", rapid.IntRange(1, 50).Draw(t, "generation"), rapid.Uint32().Draw(t, "hash"))); err != nil {
				t.Fatal(err)
			}
			before := db.Seq()
			if _, err := db.Write(t.Context(), []store.Doc{doc}, store.WriteOptions{Replicated: true}); err != nil {
				t.Fatal(err)
			}
			snap, due, all, err := sub.Take()
			if err != nil {
				t.Fatal(err)
			}
			err = snap.Changes(before, func(row *store.Row) error {
				if whole := row.AppendJSON(nil); !all && selector.Match(whole) && !slices.Contains(due, row.Seq) {
					t.Fatalf("%s fits %s, whose interest %+v passes it by", whole, text, selector.Interest())
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := snap.Close(); err != nil {
				t.Fatal(err)
			}
			told += len(due)
		}
	})
	if told == 0 {
		t.Error("no selector told its interest")
	}
}

func drain(t *rapid.T, sub *store.Subscription) {
	snap, _, _, err := sub.Take()
	if err != nil {
		t.Fatal(err)
	}
	if err := snap.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestInterest(t *testing.T) {
	t.Parallel()
	for selector, want := range map[string]string{
		`{"worker":"a"}`:               `{Fields:[{Path:[worker] Value:a}] IDs:[] Deleted:false}`,
		`{"worker":{"$in":["a","b"]}}`: `{Fields:[{Path:[worker] Value:a} {Path:[worker] Value:b}] IDs:[] Deleted:false}`,
		`{"$or":[{"worker":{"$in":["a"]}},{"claim.worker":{"$in":["a"]}},{"_deleted":true}]}`: `{Fields:[{Path:[worker] Value:a} {Path:[claim worker] Value:a}] IDs:[] Deleted:true}`,
		`{"n":{"$gt":1},"worker":"a"}`:             `{Fields:[{Path:[worker] Value:a}] IDs:[] Deleted:false}`,
		`{"_id":{"$in":["x","é"]}}`:                `{Fields:[] IDs:[x é] Deleted:false}`,
		`{"$or":[{"worker":"a"},{"n":{"$gt":1}}]}`: `{Fields:[] IDs:[] Deleted:false}`,
		`{"worker":"é"}`:                           `{Fields:[] IDs:[] Deleted:false}`,
		`{}`:                                       `{Fields:[] IDs:[] Deleted:false}`,
	} {
		compiled, err := mango.Compile([]byte(selector))
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%+v", compiled.Interest()); got != want {
			t.Errorf("%s: %s, want %s", selector, got, want)
		}
	}
}
