package jobs

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Source is where a worker finds jobs.
type Source interface {
	// Lookup finds the job of a name. It is called for every task that is met, and is fast.
	Lookup(name string) (*Job, bool)
	// List tells of all jobs there are, by name.
	List() []Info
}

// Explainer is a [Source] that knows more of a job that it does not have.
type Explainer interface {
	// Explain says why there is no job of a name and what to do about it, "" where nothing is known.
	Explain(name string) string
}

// Explain asks a source why it has no job of a name; "" where it knows nothing of it.
func Explain(s Source, name string) string {
	if explainer, ok := s.(Explainer); ok {
		return explainer.Explain(name)
	}
	return ""
}

// Info describes a job to people.
type Info struct {
	Name        string        `json:"name"`
	Description string        `json:"description,omitempty"`
	Timeout     time.Duration `json:"timeout,omitempty"` // nanoseconds in JSON
	Limit       int           `json:"limit,omitempty"`
	Path        string        `json:"path,omitempty"`    // the executable, for a job of the jobs folder
	Refused     string        `json:"refused,omitempty"` // why it would not run
}

// Info describes the job.
func (j *Job) Info() Info {
	return Info{Name: j.Name, Description: j.Description, Timeout: j.Timeout, Limit: j.Limit}
}

// Registry is a set of jobs by name. It is safe for concurrent use. [NewRegistry] makes one.
type Registry struct {
	mu   sync.RWMutex
	jobs map[string]*Job
}

var (
	_ Source = (*Registry)(nil)

	registry = NewRegistry()
)

// NewRegistry returns an empty registry.
func NewRegistry() *Registry { return &Registry{jobs: map[string]*Job{}} }

// Default is the registry that [Register] and [RegisterTyped] put jobs into, and that every worker binary looks into
// first.
func Default() *Registry { return registry }

// Register puts a plain function into the default registry. It is meant for init functions and panics where the name is
// taken or cannot be used.
func Register(name string, run Func, options ...Option) {
	must(New(name, run, options...))
}

// RegisterTyped puts a function with arguments and result of its own types into the default registry; see [NewTyped]. It
// panics where the name is taken or cannot be used.
func RegisterTyped[A, R any](name string, run func(ctx context.Context, t *Task, arguments A) (R, error), options ...Option) {
	must(NewTyped(name, run, options...))
}

func must(j *Job, err error) {
	if err == nil {
		err = registry.Add(j)
	}
	if err != nil {
		panic("jobs: " + err.Error())
	}
}

// Add puts a job in. It fails where the name is taken.
func (r *Registry) Add(j *Job) error {
	if err := j.validate(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, taken := r.jobs[j.Name]; taken {
		return fmt.Errorf("a job named %q is registered already", j.Name)
	}
	r.jobs[j.Name] = j
	return nil
}

// Lookup finds the job of a name.
func (r *Registry) Lookup(name string) (*Job, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	j, ok := r.jobs[name]
	return j, ok
}

// List tells of all jobs, by name.
func (r *Registry) List() []Info {
	r.mu.RLock()
	defer r.mu.RUnlock()
	list := make([]Info, 0, len(r.jobs))
	for _, j := range r.jobs {
		list = append(list, j.Info())
	}
	return sorted(list)
}

// Sources joins sources: where several know a name, the first of them has it.
func Sources(sources ...Source) Source { return joined(sources) }

type joined []Source

func (s joined) Lookup(name string) (*Job, bool) {
	for _, source := range s {
		if j, ok := source.Lookup(name); ok {
			return j, true
		}
	}
	return nil, false
}

func (s joined) Explain(name string) string {
	for _, source := range s {
		if why := Explain(source, name); why != "" {
			return why
		}
	}
	return ""
}

func (s joined) List() []Info {
	var list []Info
	known := map[string]bool{}
	for _, source := range s {
		for _, info := range source.List() {
			if !known[info.Name] {
				known[info.Name] = true
				list = append(list, info)
			}
		}
	}
	return sorted(list)
}

func sorted(list []Info) []Info {
	slices.SortFunc(list, func(a, b Info) int { return strings.Compare(a.Name, b.Name) })
	return list
}
