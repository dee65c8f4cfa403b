package script_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/adlayer/after/store/script"
)

// TestAnswersKeepTheirPlace has functions throw what looks like something else of the conversation with their process: each document keeps the
// verdict of its own.
func TestAnswersKeepTheirPlace(t *testing.T) {
	t.Parallel()
	p := pool(t, script.Options{})
	const source = `function (doc) { if (doc.thrown) throw(doc.thrown) }`
	d := design(t, map[string]any{"validate_doc_update": source})
	forgotten := `["error","query_protocol_error","uncached design doc: ` + "k" + `"]`
	d.Key = "k"
	got := validate(t, p, d, `{"thrown":["log","x"]}`, `{}`, `{"thrown":["log",1]}`, `{"thrown":["log"]}`, `{"thrown":`+forgotten+`}`,
		`{}`, `{"thrown":{"forbidden":"no"}}`)
	want := []*script.FunctionError{
		{Name: "unknown_error", Reason: `["log","x"]`},
		nil,
		{Name: "unknown_error", Reason: `["log",1]`},
		{Name: "unknown_error", Reason: `["log"]`},
		{Name: "query_protocol_error", Reason: "uncached design doc: k"},
		nil,
		{Name: "forbidden", Reason: "no"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
