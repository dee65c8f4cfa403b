package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Func is the plain form of a job. The value it returns becomes the task's result; see the package comment.
type Func func(ctx context.Context, t *Task) (any, error)

// Job is a function with a name and what the worker must know to run it. [New] and [NewTyped] make one.
type Job struct {
	Name        string
	Description string        // one line for people; may be empty
	Timeout     time.Duration // the longest run where the task itself sets none; 0 = no limit
	Limit       int           // how many runs of the job a worker process has at once; 0 = no limit of its own
	Strict      bool          // typed jobs: an argument that the job does not know is an error

	run Func
}

// Option sets something about a job.
type Option func(*Job)

// Describe says in one line what the job does. It is what `after jobs` shows.
func Describe(text string) Option { return func(j *Job) { j.Description = text } }

// Timeout bounds each run, where the task sets no timeout of its own.
func Timeout(d time.Duration) Option { return func(j *Job) { j.Timeout = d } }

// Limit bounds how many runs of the job a worker process has at once.
func Limit(n int) Option { return func(j *Job) { j.Limit = n } }

// Strict makes an argument that a typed job does not know an error. Without it such arguments are passed over, so that
// those who write tasks may be ahead of those who run them.
func Strict() Option { return func(j *Job) { j.Strict = true } }

// New makes a job of a plain function. It fails where the name or an option cannot be used.
func New(name string, run Func, options ...Option) (*Job, error) {
	j := &Job{Name: name, run: run}
	for _, set := range options {
		set(j)
	}
	return j, j.validate()
}

// NewTyped makes a job of a function that takes its arguments as a value of type A. Arguments that do not fit A are an
// [Invalid] error that names the field; a task without arguments gives the zero A. Where A or *A has a method
// Validate() error, it is asked before the function runs, and what it says is an [Invalid] error too.
func NewTyped[A, R any](name string, run func(ctx context.Context, t *Task, arguments A) (R, error), options ...Option) (*Job, error) {
	if run == nil {
		return New(name, nil, options...)
	}
	var j *Job
	j, err := New(name, func(ctx context.Context, t *Task) (any, error) {
		var arguments A
		if err := decode(t.Arguments(), &arguments, j.Strict); err != nil {
			return nil, err
		}
		return run(ctx, t, arguments)
	}, options...)
	return j, err
}

func (j *Job) validate() error {
	switch {
	case j.Name == "" || len(j.Name) > 128 || !utf8.ValidString(j.Name) || strings.ContainsFunc(j.Name, unicode.IsControl) ||
		strings.TrimSpace(j.Name) != j.Name:
		return fmt.Errorf("job %q: a name is 1 to 128 bytes of text without spaces around it", j.Name)
	case j.run == nil:
		return fmt.Errorf("job %q has no function", j.Name)
	case j.Timeout < 0:
		return fmt.Errorf("job %q: timeout %v is negative", j.Name, j.Timeout)
	case j.Limit < 0:
		return fmt.Errorf("job %q: limit %d is negative", j.Name, j.Limit)
	}
	return nil
}

// Run runs the job once and gives its result as JSON, nil if it has none; beside an error too, where [Remove] or [WithResult] gave it one. It gives a [*PanicError] for a panic. It does
// not look at Timeout and Limit, which are the worker's to keep.
func (j *Job) Run(ctx context.Context, t *Task) (result json.RawMessage, err error) {
	defer func() {
		if value := recover(); value != nil {
			result, err = nil, &PanicError{Value: value, Stack: debug.Stack()}
		}
	}()
	value, err := j.run(ctx, t)
	if err == nil {
		return encode(value)
	}
	if result, encodeErr := encode(resultOf(err)); encodeErr == nil {
		return result, err
	}
	return nil, err
}

// encode makes the result of what a job returned. That it cannot be encoded is permanent: the job has done its work, and
// would do it again.
func encode(value any) (json.RawMessage, error) {
	switch v := value.(type) {
	case nil:
		return nil, nil
	case json.RawMessage:
		if len(v) == 0 {
			return nil, nil
		}
		if !json.Valid(v) {
			return nil, Permanent(fmt.Errorf("the result is no valid JSON: %s", excerpt(v)))
		}
		return v, nil
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return nil, Permanent(fmt.Errorf("encoding the result: %w", err))
	}
	return raw, nil
}

func excerpt(raw []byte) string {
	const most = 80
	if len(raw) > most {
		return fmt.Sprintf("%q…", raw[:most])
	}
	return fmt.Sprintf("%q", raw)
}
