package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/adlayer/after/jobs"
	"github.com/adlayer/after/task"
)

type greeting struct {
	Name string `json:"name"`
}

type answer struct {
	Text string `json:"text"`
}

func greet(_ context.Context, t *jobs.Task, in greeting) (answer, error) {
	t.Log().Infof("greeting %s", in.Name)
	return answer{Text: "Hello, " + in.Name}, nil
}

func ExampleRegisterTyped() {
	jobs.RegisterTyped("greet", greet, jobs.Describe("greets somebody by name"), jobs.Timeout(10*time.Second))
}

func ExampleNewTyped() {
	job, err := jobs.NewTyped("greet", greet)
	if err != nil {
		fmt.Println(err)
		return
	}
	// What a worker does with it:
	document, _ := task.Decode([]byte(`{"_id": "hello", "worker": "manobi", "job": {"name": "greet", "arguments": {"name": "Ada"}}}`))
	result, err := job.Run(context.Background(), jobs.NewTask(document, 1, nil))
	fmt.Println(string(result), err)
	// Output: {"text":"Hello, Ada"} <nil>
}

func ExampleRegister() {
	jobs.Register("poll", func(ctx context.Context, t *jobs.Task) (any, error) {
		switch ready, err := ask(ctx, t.Key()); {
		case err != nil:
			return nil, jobs.Permanent(err) // the same question would fail again
		case !ready:
			return nil, jobs.Snooze(time.Minute) // no failure: ask again in a minute
		}
		return map[string]any{"polled": t.Nominal()}, nil
	}, jobs.Limit(4))
}

func ask(context.Context, string) (bool, error) {
	return false, errors.New("example.com does not answer")
}
