package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/adlayer/after/client"
	"github.com/adlayer/after/task"
)

func newGet(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "get <id>...",
		Short: "Show a task's document",
		Long: `Shows the documents of tasks as JSON: indented, or with --json one on each line, byte for byte as the server gives them.
What holds a task up is said beside it, on standard error.`,
		Example: `  after get nightly-backup
  after get nightly-backup --json | jq .result`,
		Args: taskIDs(1),
		RunE: func(cmd *cobra.Command, ids []string) error {
			s, err := a.connect(cmd)
			if err != nil {
				return err
			}
			defer s.close()
			var first error
			for _, id := range ids {
				t, err := s.tasks.Get(cmd.Context(), id)
				if why, ok := standing(err); ok {
					a.say("%s: %s", id, why)
					if first == nil {
						first = &silentError{code: codeOf(err)}
					}
					continue
				}
				if err != nil {
					return err
				}
				if err := a.printDocument(t); err != nil {
					return err
				}
				if err := a.sayState(cmd.Context(), s, t); err != nil {
					return err
				}
			}
			return first
		},
	}
	keyFlags(cmd, serverKeys()...)
	a.jsonFlag(cmd)
	return cmd
}

// sayState tells a person what holds a task up.
func (a *app) sayState(ctx context.Context, s *session, t *task.Task) error {
	if a.json {
		return nil
	}
	waits, err := s.waits(ctx, []*task.Task{t})
	if err != nil {
		return err
	}
	if waits[t.ID] != "" {
		a.say("%s: it %s", t.ID, waits[t.ID])
	}
	if client.IsPaused(t) {
		a.say("%s: it is paused: after resume lets it go on", t.ID)
	}
	return nil
}

// printTask prints a task's document on one line.
func (a *app) printTask(t *task.Task) error { return a.writeJSON(string(t.Encode()) + "\n") }

// printDocument prints it for people, unless --json says otherwise.
func (a *app) printDocument(t *task.Task) error {
	if a.json {
		return a.printTask(t)
	}
	var b bytes.Buffer
	if err := json.Indent(&b, t.Encode(), "", "  "); err != nil {
		return fmt.Errorf("showing %s: %w", t.ID, err)
	}
	return a.writeJSON(b.String() + "\n")
}
