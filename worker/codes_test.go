package worker_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"
	"github.com/tidwall/gjson"

	"github.com/adlayer/after/jobs"
)

// TestFailedRunsAreTold in the log, one line each, with what comes next.
func TestFailedRunsAreTold(t *testing.T) {
	t.Parallel()
	b := setup(t)
	hook, log := b.hooked()
	b.startWith(log, "manobi")
	b.put("retried", `{"worker":"manobi","job":{"name":"fail-times","arguments":[1]},"retry":{"limit":1,"interval":"10ms"}}`)
	b.put("final", `{"worker":"manobi","job":"fail"}`)
	b.put("repeated", `{"worker":"manobi","job":"fail","repeat":{"hours":1}}`)
	b.awaitStatus("retried", "done")
	b.awaitStatus("final", "error")
	b.awaitDoc("repeated", func(doc gjson.Result) bool { return doc.Get("repetitions").Int() == 1 })
	want := map[string]string{"retried": "retry 1 of 1 waits", "final": "it has ended", "repeated": "next 2"}
	for _, entry := range hook.AllEntries() {
		id, _ := entry.Data["task"].(string)
		next, _ := entry.Data["next"].(string)
		if next == "" {
			continue
		}
		if entry.Level != logrus.WarnLevel || !strings.Contains(entry.Message, "failed") || entry.Data["job"] == "" || entry.Data["attempt"] != int64(1) ||
			want[id] == "" || !strings.HasPrefix(next, want[id]) {
			t.Errorf("%v %s %v", entry.Level, entry.Message, entry.Data)
		}
		delete(want, id)
	}
	if len(want) > 0 {
		t.Errorf("not told: %v", want)
	}
}

// TestRetriesByCode runs a job that fails once with the code of its first argument; "permanent" as the second calls that final.
func TestRetriesByCode(t *testing.T) {
	t.Parallel()
	b := setup(t)
	job, err := jobs.New("coded", func(_ context.Context, task *jobs.Task) (any, error) {
		b.note(task)
		if task.Attempt() > 1 {
			return "at last", nil
		}
		err := jobs.Coded(errors.New("no luck"), int(gjson.GetBytes(task.Arguments(), "0").Int()))
		if gjson.GetBytes(task.Arguments(), "1").String() == "permanent" {
			err = jobs.Permanent(err)
		}
		return nil, err
	})
	must(t, err)
	must(t, b.jobs.Add(job))
	b.start("manobi")
	tests := map[string]struct {
		arguments, retry string
		again            bool
	}{
		"class":               {`[503]`, `"retry_on":["5xx"]`, true},
		"another class":       {`[404]`, `"retry_on":["5xx"]`, false},
		"code":                {`[503]`, `"retry_on":[429,503]`, true},
		"given up":            {`[404]`, `"give_up_on":[404]`, false},
		"not given up":        {`[500]`, `"give_up_on":[404]`, true},
		"both":                {`[501]`, `"retry_on":["5xx"],"give_up_on":[501]`, false},
		"permanent":           {`[404,"permanent"]`, `"retry_on":["job"]`, false},
		"permanent but named": {`[404,"permanent"]`, `"retry_on":[404]`, true},
	}
	for id, test := range tests {
		b.put(id, `{"worker":"manobi","job":{"name":"coded","arguments":%s},"retry":{"limit":1,"interval":"10ms",%s}}`, test.arguments, test.retry)
	}
	for id, test := range tests {
		if test.again {
			b.awaitStatus(id, "done")
			continue
		}
		doc := b.awaitStatus(id, "error")
		if doc.Get("retries").Int() != 0 || doc.Get("error.code").Raw != gjson.Get(test.arguments, "0").Raw {
			t.Errorf("%s: %s", id, doc.Raw)
		}
	}
}
