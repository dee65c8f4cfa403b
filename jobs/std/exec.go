package std

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/adlayer/after/jobs"
	"github.com/adlayer/after/jobs/internal/program"
)

// command is the arguments of the exec job: an object, or an array of the command and its arguments.
type command struct {
	Command string   `json:"command"`
	Args    []string `json:"args"`
	Stdin   string   `json:"stdin"`
}

// UnmarshalJSON takes both forms.
func (c *command) UnmarshalJSON(raw []byte) error {
	if raw[0] == '[' {
		var words []string
		if err := json.Unmarshal(raw, &words); err != nil {
			return errors.New("a command and its arguments are strings: [\"command\", \"argument\", ...]")
		}
		if len(words) > 0 {
			c.Command, c.Args = words[0], words[1:]
		}
		return nil
	}
	type plain command
	return json.Unmarshal(raw, (*plain)(c))
}

// Validate is asked before the job runs.
func (c *command) Validate() error {
	if c.Command == "" {
		return errors.New("command is missing: [\"command\", \"argument\", ...] or {\"command\": \"...\", \"args\": [...]}")
	}
	return nil
}

// printed is the result of the exec job.
type printed struct {
	Stdout    string `json:"stdout"`
	Truncated bool   `json:"truncated,omitempty"` // it wrote more than is kept
}

type execJob struct {
	allow []string
	keep  int
}

func newExec(o Options) execJob {
	return execJob{allow: slices.Clone(o.ExecAllow), keep: cmp.Or(o.Output, 64<<10)}
}

// run runs a command that is allowed. What it writes to standard error goes to the task's log.
func (j execJob) run(ctx context.Context, t *jobs.Task, in command) (*printed, error) {
	path, err := j.resolve(in.Command)
	if err != nil {
		return nil, jobs.Permanent(err)
	}
	call := program.Call{
		Path:        path,
		Args:        in.Args,
		Input:       []byte(in.Stdin),
		Environment: []string{"AFTER_TASK=" + t.ID(), "AFTER_KEY=" + t.Key()},
		Log:         t.Log(),
		Keep:        j.keep,
	}
	output, err := call.Run(ctx)
	if err != nil {
		return nil, err
	}
	return &printed{Stdout: strings.ToValidUTF8(string(output.Kept), "\uFFFD"), Truncated: output.Cut()}, nil
}

// resolve gives the path of a command, where the configuration allows it. A name and its path stand for the same command.
func (j execJob) resolve(name string) (string, error) {
	path, err := lookup(name)
	if err != nil {
		return "", err
	}
	for _, allowed := range j.allow {
		if allowed == name {
			return path, nil
		}
		if p, err := lookup(allowed); err == nil && p == path {
			return path, nil
		}
	}
	return "", fmt.Errorf("the command %q is not allowed: jobs.exec.allow in the worker's configuration lists those that are (%s)",
		name, cmp.Or(strings.Join(j.allow, ", "), "none"))
}

func lookup(name string) (string, error) {
	if strings.ContainsAny(name, `/\`) {
		if !filepath.IsAbs(name) {
			return "", fmt.Errorf("the command %q is neither a name nor an absolute path", name)
		}
		return filepath.Clean(name), nil
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("the command %q is not installed where the worker looks: %w", name, err)
	}
	return path, nil
}
