package worker_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/adlayer/after/jobs"
)

// TestAttachmentWhileTheStoreIsAway: a run that cannot read its attachment then is put off, and uses up no attempt. One that is not there is an
// error like any other.
func TestAttachmentWhileTheStoreIsAway(t *testing.T) {
	t.Parallel()
	b := setup(t)
	job, err := jobs.New("read", func(ctx context.Context, task *jobs.Task) (any, error) {
		over := b.note(task)
		if task.ID() == "away" && len(b.runsOf(task.ID())) == 1 {
			b.disconnect()
			defer b.proxy.Heal()
		}
		r, err := task.Attachment(ctx, "a + note")
		if err != nil {
			return nil, err
		}
		defer r.Close()
		content, err := io.ReadAll(r)
		over(ctx, err)
		return string(content), err
	})
	must(t, err)
	must(t, b.jobs.Add(job))
	b.start("manobi")
	b.put("away", `{"worker":"manobi","job":"read","_attachments":{"a + note":{"content_type":"text/plain","data":"aGVsbG8="}}}`)
	if doc := b.awaitStatus("away", "done"); doc.Get("result").String() != "hello" || doc.Get("retries").Int() != 0 {
		t.Errorf("%s", doc.Raw)
	}
	b.wantRuns("away", 2)
	b.put("none", `{"worker":"manobi","job":"read"}`)
	if doc := b.awaitStatus("none", "error"); !strings.Contains(doc.Get("error.message").String(), "not_found") {
		t.Errorf("%s", doc.Get("error").Raw)
	}
	b.wantRuns("none", 1)
}
