package folder_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/adlayer/after/jobs/folder"
	"github.com/adlayer/after/task"
)

// TestResultsOfOthers has the results of the tasks that this one waited for on standard input.
func TestResultsOfOthers(t *testing.T) {
	t.Parallel()
	in := place(t)
	script(t, in, "x", "cat")
	upstream := map[string]*task.Task{}
	for id, result := range map[string]string{"a": `{"n":1}`, "b": ""} {
		raw := `{"_id":"` + id + `","_rev":"1-a","worker":"w","status":"done"}`
		if result != "" {
			raw = strings.TrimSuffix(raw, "}") + `,"result":` + result + `}`
		}
		document, err := task.Decode([]byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		upstream[id] = document
	}
	var log bytes.Buffer
	result, err := find(t, folder.New(in, folder.Options{}), "x").Run(t.Context(), handle(t, &log).WithUpstream(upstream))
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.TrimSuffix(document, "}") + `,"results":{"a":{"n":1},"b":null}}`; string(result) != want {
		t.Errorf("%s, want %s", result, want)
	}
}
