package mango_test

import (
	"strings"
	"testing"

	kivik "github.com/go-kivik/kivik/v4/x/mango"
	"pgregory.net/rapid"

	"github.com/adlayer/after/store/mango"
)

// TestMatchesAsKivik compares with kivik's evaluator where that follows CouchDB: fields that are there, with values that are no containers, whole
// numbers, and a single operator on each.
func TestMatchesAsKivik(t *testing.T) {
	t.Parallel()
	values := rapid.SampledFrom([]string{`null`, `true`, `false`, `-3`, `0`, `1`, `2`, `"a"`, `"B"`, `"b"`, `"é"`, `""`})
	field := rapid.SampledFrom([]string{"a", "b", "o.c"})
	comparison := rapid.SampledFrom([]string{"$eq", "$ne", "$lt", "$lte", "$gt", "$gte", "$in", "$nin"})
	condition := rapid.Custom(func(t *rapid.T) string {
		op, value := comparison.Draw(t, "op"), values.Draw(t, "value")
		if op == "$in" || op == "$nin" {
			value = `[` + value + `,` + values.Draw(t, "other") + `]`
		}
		return `{"` + field.Draw(t, "field") + `":{"` + op + `":` + value + `}}`
	})
	selector := rapid.Custom(func(t *rapid.T) string {
		if rapid.Bool().Draw(t, "plain") {
			return condition.Draw(t, "condition")
		}
		subs := rapid.SliceOfN(condition, 1, 3).Draw(t, "subs")
		return `{"` + rapid.SampledFrom([]string{"$and", "$or", "$nor"}).Draw(t, "op") + `":[` + strings.Join(subs, ",") + `]}`
	})
	rapid.Check(t, func(t *rapid.T) {
		text := selector.Draw(t, "selector")
		doc := `{"a":` + values.Draw(t, "a") + `,"b":` + values.Draw(t, "b") + `,"o":{"c":` + values.Draw(t, "c") + `}}`
		ours, err := mango.Compile([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := kivik.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := ours.Match([]byte(doc)), kivik.Match(theirs, plain(doc)); got != want {
			t.Fatalf("%s on %s: %v, kivik says %v", text, doc, got, want)
		}
	})
}
