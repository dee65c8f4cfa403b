package task_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/adlayer/after/task"
)

func TestParseNotify(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ raw, wrong string }{
		{`{"url":"https://example.org/a?b=c"}`, ""},
		{`{"email":"Ops <ops@example.org>"}`, ""},
		{`{"email":["a@example.org","b@example.org"],"on":"missed"}`, ""},
		{`{}`, "neither a url nor an email"},
		{`{"email":[]}`, "neither a url nor an email"},
		{`"ops@example.org"`, "must be an object"},
		{`{"url":"ftp://example.org"}`, "url: must be an http or https URL"},
		{`{"url":"https://ann:secret@example.org/"}`, "url: a name and a password"},
		{`{"url":["https://example.org"]}`, "url: must be a string"},
		{`{"email":"ops"}`, `email: "ops" is no mail address`},
		{`{"email":"a@example.org\r\nBcc: b@example.org"}`, "no mail address"},
		{`{"email":"jörg@example.org"}`, "in ASCII"},
		{`{"email":"\"a b\"@example.org"}`, "in ASCII"},
		{`{"email":[7]}`, "email: must be a string or an array of strings"},
		{`{"email":null}`, "email: must be a string or an array of strings"},
		{`{"url":"https://example.org","on":["failed"]}`, `on: "failed" is no event`},
		{`{"url":"https://example.org","to":"x"}`, `"to" is an unknown key`},
		{emails(20), ""},
		{emails(21), "more than 20 addresses"},
	} {
		_, err := task.ParseNotify([]byte(c.raw))
		if (err == nil) != (c.wrong == "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%s: %v", c.raw, err)
		}
		doc, decodeErr := task.Decode([]byte(`{"_id":"t","worker":"w","job":"j","notify":` + c.raw + `}`))
		if decodeErr != nil || (doc.Invalid() == nil) != (err == nil) {
			t.Errorf("the document with %s: %v, %v", c.raw, decodeErr, doc.Invalid())
		}
	}
}

// emails gives a notify of so many addresses.
func emails(n int) string {
	all := make([]string, 0, n)
	for i := range n {
		all = append(all, fmt.Sprintf("%q", fmt.Sprintf("n%d@example.org", i)))
	}
	return `{"email":[` + strings.Join(all, ",") + `]}`
}

func TestNotifyTo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ raw, events, mails string }{
		{`{"url":"https://example.org","email":"a@example.org"}`, "done error recovered missed", "error recovered missed"},
		{`{"url":"https://example.org","email":"a@example.org","on":["done"]}`, "done recovered", "done recovered"},
		{`{"url":"https://example.org","email":"a@example.org","on":["error","missed"]}`, "error missed", "error missed"},
	} {
		n, err := task.ParseNotify([]byte(c.raw))
		if err != nil {
			t.Fatal(err)
		}
		var posts, mails []string
		for _, event := range []task.Event{task.EventDone, task.EventError, task.EventRecovered, task.EventMissed} {
			link, email := n.To(event)
			if link != "" {
				posts = append(posts, string(event))
			}
			if slices.Equal(email, n.Email) {
				mails = append(mails, string(event))
			}
		}
		if strings.Join(posts, " ") != c.events || strings.Join(mails, " ") != c.mails {
			t.Errorf("%s: posts %v, mails %v", c.raw, posts, mails)
		}
	}
	if link, email := (*task.Notify)(nil).To(task.EventError); link != "" || email != nil {
		t.Errorf("of a task without notify is told to %q, %v", link, email)
	}
}

func TestParsePeriod(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"1h": "1h0m0s", "every 1h": "1h0m0s", "every 30 seconds": "30s", "every day": "24h0m0s", "every hour": "1h0m0s", "PT15M": "15m0s",
		"": "", "every": "", "every 0s": "", "every 10ms": "", "every month": "", "-1h": "", "soon": "",
	} {
		every, err := task.ParsePeriod(text)
		if (err == nil) != (want != "") || err == nil && every.String() != want {
			t.Errorf("%q: %v, %v", text, every, err)
		}
	}
	for raw, wrong := range map[string]string{
		`"every 1h"`: "", `{"every":"1h","worker":"watchman"}`: "", `7`: "expect: must be a period", `{"worker":"w"}`: "expect: every is missing",
		`{"every":"1h","who":"w"}`: `expect: "who" is an unknown key`, `"soon"`: "expect: cannot read the duration", `{"every":"1h","worker":1}`: "expect: worker: must be a string",
	} {
		doc, err := task.Decode([]byte(`{"_id":"t","worker":"w","job":"j","expect":` + raw + `}`))
		if err != nil {
			t.Fatal(err)
		}
		if err := doc.Invalid(); (err == nil) != (wrong == "") || err != nil && !strings.Contains(err.Error(), wrong) {
			t.Errorf("%s: %v", raw, err)
		}
	}
}
