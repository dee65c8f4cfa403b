// Package folder makes every executable of one folder a job of that file's name.
//
// The executable gets the task document on standard input and answers with the result on standard output: JSON, or any
// other text, which becomes a JSON string; nothing is no result. What it writes to standard error goes to the task's log
// line by line. A status other than 0 is an error with the last of those lines. Where the task is cancelled, its time runs
// out or the worker stops, its whole process group is asked to end (SIGTERM) and after some seconds killed; on Windows the
// process alone is killed.
//
// Beside the document it has these variables: AFTER_TASK (the id), AFTER_KEY (the identity of the firing), AFTER_JOB,
// AFTER_WORKER, AFTER_NOMINAL (the date it is for, RFC 3339) and AFTER_ATTEMPT (from 1). No other variable that begins
// with AFTER_ reaches it, since passwords may stand there.
//
// Comment lines at the beginning of a script describe it:
//
//	#!/bin/sh
//	# after: sends the nightly report
//	# after timeout: 10m
//	# after limit: 1
//
// The comment may also begin with //, -- or ;. They are read again whenever the file changes.
//
// Whoever may write to the file or the folder decides what the worker runs. So a file is refused where it or the folder
// belongs to somebody else (root is trusted) or can be written by group or others: the job is there, and each run of it is
// an error that says why.
package folder

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/adlayer/after/jobs"
	"github.com/adlayer/after/jobs/internal/program"
)

// Options of a folder. The zero value works.
type Options struct {
	Log    logrus.FieldLogger // told of refused files, once for each; nil discards
	Output int                // bytes of standard output that become a result; 0 = 1 MiB
	Grace  time.Duration      // from asking processes to end until they are killed; 0 = 5 s
}

// Folder is the jobs of one folder. It is safe for concurrent use. [New] makes one.
type Folder struct {
	path    string
	options Options

	mu    sync.Mutex
	files map[string]file // by name, as last seen
}

// file is what is known of a file as long as its stamp stays the same.
type file struct {
	stamp   stamp
	job     *jobs.Job
	refused string
}

type stamp struct {
	size         int64
	modified     time.Time
	mode, folder os.FileMode
}

var (
	_ jobs.Source    = (*Folder)(nil)
	_ jobs.Explainer = (*Folder)(nil)
)

// New gives the jobs of the folder at path. The folder need not be there yet; files that appear, change or go are noticed
// at the next lookup.
func New(path string, o Options) *Folder {
	return &Folder{path: path, options: o, files: map[string]file{}}
}

// Path is the folder's path.
func (f *Folder) Path() string { return f.path }

// Lookup finds the job of a name. It is there as soon as an executable of that name is.
func (f *Folder) Lookup(name string) (*jobs.Job, bool) {
	found, ok := f.look(name)
	return found.job, ok
}

// Explain says why a file of that name is no job, "" where there is none.
func (f *Folder) Explain(name string) string {
	if !named(name) {
		return ""
	}
	path := filepath.Join(f.path, name)
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || executable(info) {
		return ""
	}
	return fmt.Sprintf("the file %s is there, but %s", path, inert(path))
}

// List tells of all jobs in the folder, by name. A folder that is missing or cannot be read has none.
func (f *Folder) List() []jobs.Info {
	entries, err := os.ReadDir(f.path)
	if err != nil {
		return nil
	}
	var list []jobs.Info
	for _, entry := range entries {
		if found, ok := f.look(entry.Name()); ok {
			info := found.job.Info()
			info.Path = filepath.Join(f.path, entry.Name())
			info.Refused = found.refused
			list = append(list, info)
		}
	}
	return list
}

// look reads what is needed of a file, unless it is as it was.
func (f *Folder) look(name string) (file, bool) {
	if !named(name) {
		return file{}, false
	}
	path := filepath.Join(f.path, name)
	info, err := os.Stat(path)
	if err != nil || !executable(info) {
		f.mu.Lock()
		delete(f.files, name)
		f.mu.Unlock()
		return file{}, false
	}
	above, err := os.Stat(f.path)
	if err != nil {
		return file{}, false
	}
	now := stamp{info.Size(), info.ModTime(), info.Mode(), above.Mode()}

	f.mu.Lock()
	defer f.mu.Unlock()
	if known, ok := f.files[name]; ok && known.stamp == now {
		return known, true
	}
	found, err := f.read(name, path, now)
	if err != nil {
		return file{}, false
	}
	f.files[name] = found
	return found, true
}

// named says whether a file of this name may be a job: no path, nothing hidden, no copy that an editor left.
func named(name string) bool {
	return name != "" && name == filepath.Base(name) && !strings.HasPrefix(name, ".") && !strings.HasSuffix(name, "~") &&
		!strings.ContainsAny(name, "/\\\x00")
}

func (f *Folder) read(name, path string, now stamp) (file, error) {
	about := describe(path)
	options := []jobs.Option{jobs.Describe(about.description), jobs.Timeout(about.timeout), jobs.Limit(about.limit)}
	job, err := jobs.New(name, func(ctx context.Context, t *jobs.Task) (any, error) { return f.run(ctx, path, t) }, options...)
	if err != nil {
		return file{}, err
	}
	found := file{stamp: now, job: job}
	if err := trusted(path); err != nil {
		found.refused = err.Error()
		if f.options.Log != nil {
			f.options.Log.Warnf("job %s is refused: %v", name, err)
		}
	}
	return found, nil
}

func (f *Folder) run(ctx context.Context, path string, t *jobs.Task) (any, error) {
	if err := trusted(path); err != nil {
		return nil, jobs.Permanent(fmt.Errorf("refused: %w", err))
	}
	call := program.Call{
		Path:        path,
		Folder:      f.path,
		Environment: variables(t),
		Input:       append(input(t), '\n'),
		Log:         t.Log(),
		Keep:        f.options.Output,
		Grace:       f.options.Grace,
	}
	output, err := call.Run(ctx)
	if err != nil {
		return nil, err
	}
	return result(output), nil
}

func variables(t *jobs.Task) []string {
	list := []string{
		"AFTER_TASK=" + t.ID(),
		"AFTER_KEY=" + t.Key(),
		"AFTER_JOB=" + t.Name(),
		"AFTER_WORKER=" + t.Worker(),
		"AFTER_NOMINAL=" + t.Nominal().UTC().Format(time.RFC3339Nano),
		fmt.Sprintf("AFTER_ATTEMPT=%d", t.Attempt()),
	}
	for i, variable := range list {
		list[i] = strings.ReplaceAll(variable, "\x00", "") // an id may hold what a variable cannot
	}
	return list
}

// cut is the result of a job that wrote more than a result may hold.
type cut struct {
	Cut    bool   `json:"cut"`
	Bytes  int64  `json:"bytes"`  // how much it wrote
	Output string `json:"output"` // the beginning
}

// result reads what an executable wrote: JSON, or text for a person.
func result(output program.Output) any {
	const shown = 4 << 10
	if output.Cut() {
		start := output.Kept[:min(len(output.Kept), shown)]
		return cut{Cut: true, Bytes: output.Bytes, Output: strings.ToValidUTF8(string(start), "")}
	}
	text := strings.TrimSpace(string(output.Kept))
	switch {
	case text == "":
		return nil
	case json.Valid([]byte(text)):
		return json.RawMessage(text)
	default:
		return strings.ToValidUTF8(text, "\uFFFD")
	}
}

// input is the task's document, with the results of the tasks that it waited for in the field "results".
func input(t *jobs.Task) []byte {
	if results := t.Results(); results != nil {
		if with, err := t.Document().WithField("results", results); err == nil {
			return with.Encode()
		}
	}
	return t.Document().Encode()
}
