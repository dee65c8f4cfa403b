package jobs_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"

	"github.com/adlayer/after/jobs"
	"github.com/adlayer/after/task"
)

// firing makes the handle for a document whose job has these arguments, "" for none.
func firing(t *testing.T, arguments string) *jobs.Task {
	t.Helper()
	job := `"invoice"`
	if arguments != "" {
		job = `{"name":"invoice","arguments":` + arguments + `}`
	}
	document, err := task.Decode([]byte(`{"_id":"t1","_rev":"2-b","worker":"manobi","job":` + job + `,"data":{"n":1},
		"status":"scheduled","plan":{"from":"2026-03-01T10:00:00Z","index":0,"nominal":"2026-03-01T10:00:00Z",
		"due":"2026-03-01T10:05:00Z","key":"t1@2026-03-01T10:00:00Z/1-a"}}`))
	if err != nil {
		t.Fatal(err)
	}
	return jobs.NewTask(document, 3, nil)
}

func TestTask(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := logrus.New()
	log.SetOutput(&out)
	handle := jobs.NewTask(firing(t, `[1,2]`).Document(), 3, log)
	got := fmt.Sprint(handle.ID(), " ", handle.Key(), " ", handle.Worker(), " ", handle.Name(), " ",
		handle.Nominal().Format(time.RFC3339), " ", handle.Attempt(), " ", string(handle.Arguments()), " ", string(handle.Data()))
	want := `t1 t1@2026-03-01T10:00:00Z/1-a manobi invoice 2026-03-01T10:00:00Z 3 [1,2] {"n":1}`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	var numbers []int
	if err := handle.Decode(&numbers); err != nil || !cmp.Equal(numbers, []int{1, 2}) {
		t.Errorf("Decode gives %v, %v", numbers, err)
	}
	handle.Log().Info("hello")
	if line := out.String(); !strings.Contains(line, "task=t1") || !strings.Contains(line, "job=invoice") {
		t.Errorf("a line of the log says %q", line)
	}
	firing(t, "").Log().Info("into the void")
}

func TestTaskWithoutPlan(t *testing.T) {
	t.Parallel()
	document, err := task.Decode([]byte(`{"_id":"t","worker":"w","job":"j"}`))
	if err != nil {
		t.Fatal(err)
	}
	handle := jobs.NewTask(document, 1, nil)
	if handle.Key() != "" || !handle.Nominal().IsZero() || handle.Arguments() != nil {
		t.Errorf("key %q, nominal %v, arguments %s", handle.Key(), handle.Nominal(), handle.Arguments())
	}
}

type invoice struct {
	Customer string  `json:"customer"`
	Amount   float64 `json:"amount"`
	Lines    []struct {
		Count uint8 `json:"count"`
	} `json:"lines"`
}

func (i *invoice) Validate() error {
	if i.Amount < 0 {
		return errors.New("amount is below zero")
	}
	return nil
}

type receipt struct {
	Number int `json:"number"`
}

func TestTypedArguments(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, arguments string
		strict          bool
		want            string // result or error
	}{
		{name: "none", want: `{"number":0}`},
		{name: "null", arguments: `null`, want: `{"number":0}`},
		{name: "right", arguments: `{"customer":"ada","amount":2.5}`, want: `{"number":3}`},
		{name: "unknown field", arguments: `{"customer":"ada","colour":1}`, want: `{"number":3}`},
		{
			name: "unknown field, strict", arguments: `{"customer":"ada","colour":1}`, strict: true,
			want: `arguments: the job knows no "colour"`,
		},
		{name: "wrong field", arguments: `{"amount":"much"}`, want: `arguments.amount: string found, a number wanted`},
		{name: "array", arguments: `[1]`, want: `arguments: array found, an object wanted`},
		{
			name: "deep and too large", arguments: `{"lines":[{"count":300}]}`,
			want: `arguments.lines.count: 300 found, a whole number from 0 of 8 bits wanted`,
		},
		{name: "own check", arguments: `{"amount":-1}`, want: `arguments: amount is below zero`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var options []jobs.Option
			if test.strict {
				options = append(options, jobs.Strict())
			}
			job, err := jobs.NewTyped("invoice", func(_ context.Context, _ *jobs.Task, in invoice) (receipt, error) {
				return receipt{Number: len(in.Customer)}, nil
			}, options...)
			if err != nil {
				t.Fatal(err)
			}
			result, err := job.Run(t.Context(), firing(t, test.arguments))
			got := string(result)
			if err != nil {
				got = err.Error()
				if !jobs.IsPermanent(err) || !jobs.IsInvalid(err) {
					t.Error("wrong arguments are retried, or no fault of the document")
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestResults(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		value any
		want  string
		fails string
	}{
		{name: "nothing"},
		{name: "struct", value: receipt{7}, want: `{"number":7}`},
		{name: "text", value: "é", want: `"é"`},
		{name: "raw", value: json.RawMessage(`[1, 2]`), want: `[1, 2]`},
		{name: "raw nothing", value: json.RawMessage(nil)},
		{name: "raw nonsense", value: json.RawMessage(`{`), fails: `the result is no valid JSON: "{"`},
		{name: "not a number", value: math.NaN(), fails: "encoding the result: json: unsupported value: NaN"},
		{name: "channel", value: make(chan int), fails: "encoding the result: json: unsupported type: chan int"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			job, err := jobs.New("j", func(context.Context, *jobs.Task) (any, error) { return test.value, nil })
			if err != nil {
				t.Fatal(err)
			}
			result, err := job.Run(t.Context(), firing(t, ""))
			if test.fails != "" {
				if err == nil || err.Error() != test.fails || !jobs.IsPermanent(err) {
					t.Errorf("error %v, want permanent %q", err, test.fails)
				}
				return
			}
			if err != nil || string(result) != test.want {
				t.Errorf("result %s, error %v, want %s", result, err, test.want)
			}
		})
	}
}

// TestResultsOfErrors: an error may bring a result of its own; one that cannot be encoded does not hide the error.
func TestResultsOfErrors(t *testing.T) {
	t.Parallel()
	refused := errors.New("refused")
	for name, test := range map[string]struct {
		fails error
		want  string
	}{
		"none":           {refused, ""},
		"given":          {jobs.WithResult(jobs.Coded(refused, 404), receipt{7}), `{"number":7}`},
		"within another": {jobs.Permanent(fmt.Errorf("x: %w", jobs.WithResult(refused, receipt{8}))), `{"number":8}`},
		"nothing given":  {jobs.WithResult(refused, nil), ""},
		"no JSON":        {jobs.WithResult(refused, math.NaN()), ""},
		"removal":        {jobs.Remove(receipt{9}), `{"number":9}`},
	} {
		job, err := jobs.New("j", func(context.Context, *jobs.Task) (any, error) { return receipt{1}, test.fails })
		if err != nil {
			t.Fatal(err)
		}
		result, err := job.Run(t.Context(), firing(t, ""))
		if string(result) != test.want || err.Error() != test.fails.Error() || name != "removal" && !errors.Is(err, refused) {
			t.Errorf("%s: result %s, error %v, want %s", name, result, err, test.want)
		}
	}
	if code, _ := jobs.CodeOf(jobs.WithResult(jobs.Coded(refused, 404), 1)); code != 404 || jobs.WithResult(nil, 1) != nil {
		t.Error("the error's own marks are not there")
	}
}

func TestPanic(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]any{"text": "oh", "error": context.Canceled, "nil": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			job, _ := jobs.New("j", func(context.Context, *jobs.Task) (any, error) { panic(value) })
			result, err := job.Run(t.Context(), firing(t, ""))
			var p *jobs.PanicError
			if result != nil || !errors.As(err, &p) {
				t.Fatalf("result %s, error %v", result, err)
			}
			if !strings.Contains(string(p.Stack), "jobs_test.TestPanic") || !strings.HasPrefix(err.Error(), "panic: ") {
				t.Errorf("%v\n%s", err, p.Stack)
			}
			if cause, ok := value.(error); ok && !errors.Is(err, cause) {
				t.Errorf("%v does not wrap what was thrown", err)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	cause := errors.New("no")
	if err := jobs.Permanent(cause); !jobs.IsPermanent(fmt.Errorf("x: %w", err)) || !errors.Is(err, cause) || err.Error() != "no" {
		t.Errorf("Permanent gives %v", err)
	}
	if jobs.Permanent(nil) != nil || jobs.RetryAfter(nil, time.Second) != nil || jobs.IsPermanent(cause) {
		t.Error("nil and plain errors are not marked")
	}
	if d, ok := jobs.SnoozeOf(fmt.Errorf("x: %w", jobs.Snooze(time.Minute))); !ok || d != time.Minute {
		t.Errorf("SnoozeOf gives %v %v", d, ok)
	}
	if d, ok := jobs.SnoozeOf(jobs.Snooze(-time.Minute)); !ok || d != 0 {
		t.Errorf("SnoozeOf gives %v %v", d, ok)
	}
	because := fmt.Errorf("x: %w", jobs.SnoozeBecause(time.Minute, "it rains"))
	if d, ok := jobs.SnoozeOf(because); !ok || d != time.Minute || jobs.SnoozeReason(because) != "it rains" || jobs.SnoozeReason(jobs.Snooze(d)) != "" || jobs.SnoozeReason(cause) != "" {
		t.Errorf("SnoozeReason gives %q", jobs.SnoozeReason(because))
	}
	if _, ok := jobs.SnoozeOf(cause); ok {
		t.Error("a plain error is no snooze")
	}
	err := jobs.RetryAfter(cause, time.Minute)
	if d, ok := jobs.RetryAfterOf(fmt.Errorf("x: %w", err)); !ok || d != time.Minute || !errors.Is(err, cause) {
		t.Errorf("RetryAfterOf gives %v %v", d, ok)
	}
}

func TestRegistry(t *testing.T) {
	t.Parallel()
	run := func(context.Context, *jobs.Task) (any, error) { return nil, nil }
	add := func(r *jobs.Registry, name string, options ...jobs.Option) {
		t.Helper()
		job, err := jobs.New(name, run, options...)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Add(job); err != nil {
			t.Fatal(err)
		}
	}
	own, builtIn := jobs.NewRegistry(), jobs.NewRegistry()
	add(own, "send", jobs.Describe("own"), jobs.Timeout(time.Minute), jobs.Limit(2))
	add(builtIn, "send", jobs.Describe("built in"))
	add(builtIn, "noop")

	all := jobs.Sources(own, builtIn)
	want := []jobs.Info{{Name: "noop"}, {Name: "send", Description: "own", Timeout: time.Minute, Limit: 2}}
	if diff := cmp.Diff(want, all.List()); diff != "" {
		t.Error(diff)
	}
	if job, ok := all.Lookup("send"); !ok || job.Description != "own" {
		t.Errorf("Lookup gives %+v, %v", job, ok)
	}
	if _, ok := all.Lookup("nothing"); ok {
		t.Error("found what nobody registered")
	}
	again, _ := jobs.New("send", run)
	if err := own.Add(again); err == nil || err.Error() != `a job named "send" is registered already` {
		t.Errorf("a duplicate gives %v", err)
	}
}

func TestJobsThatCannotBe(t *testing.T) {
	t.Parallel()
	run := func(context.Context, *jobs.Task) (any, error) { return nil, nil }
	for name, make := range map[string]func() (*jobs.Job, error){
		"no name":          func() (*jobs.Job, error) { return jobs.New("", run) },
		"spaces":           func() (*jobs.Job, error) { return jobs.New(" a", run) },
		"control":          func() (*jobs.Job, error) { return jobs.New("a\nb", run) },
		"long":             func() (*jobs.Job, error) { return jobs.New(strings.Repeat("a", 129), run) },
		"no function":      func() (*jobs.Job, error) { return jobs.New("a", nil) },
		"no typed one":     func() (*jobs.Job, error) { return jobs.NewTyped[int, int]("a", nil) },
		"negative timeout": func() (*jobs.Job, error) { return jobs.New("a", run, jobs.Timeout(-1)) },
		"negative limit":   func() (*jobs.Job, error) { return jobs.New("a", run, jobs.Limit(-1)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := make(); err == nil {
				t.Error("no error")
			}
		})
	}
}

func TestRegisterPanicsOnDuplicate(t *testing.T) {
	t.Parallel()
	run := func(context.Context, *jobs.Task) (any, error) { return nil, nil }
	name := "duplicate " + rand.Text() // the default registry outlives a run of this test
	jobs.Register(name, run)
	defer func() {
		if got := recover(); got != `jobs: a job named "`+name+`" is registered already` {
			t.Errorf("panic %v", got)
		}
	}()
	jobs.Register(name, run)
}
