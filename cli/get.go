package cli

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/adlayer/after/task"
)

func newGet(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "get <id>...",
		Short: "Show a task's document",
		Long:  `Shows the documents of tasks as JSON: indented, or with --json one on each line, byte for byte as the server gives them.`,
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
			}
			return first
		},
	}
	keyFlags(cmd, serverKeys()...)
	a.jsonFlag(cmd)
	return cmd
}

// printTask prints a task's document on one line.
func (a *app) printTask(t *task.Task) error { return a.write(string(t.Encode()) + "\n") }

// printDocument prints it for people, unless --json says otherwise.
func (a *app) printDocument(t *task.Task) error {
	if a.json {
		return a.printTask(t)
	}
	var b bytes.Buffer
	if err := json.Indent(&b, t.Encode(), "", "  "); err != nil {
		return fmt.Errorf("showing %s: %w", t.ID, err)
	}
	return a.write(b.String() + "\n")
}
