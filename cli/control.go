package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/adlayer/after/task"
)

func newPause(a *app) *cobra.Command {
	var note string
	cmd := &cobra.Command{
		Use:   "pause <id>...",
		Short: "Pause tasks until they are resumed",
		Long: `Asks that nothing of the tasks fires until after resume: their status becomes "pause", and the worker makes it "paused".
A run that is on goes on to its end. Dates that pass meanwhile are left out. A task that has ended is a conflict.`,
		Example: `  after pause nightly-backup --note "disk is being replaced"
  after pause a b c`,
		Args: taskIDs(1),
		RunE: func(cmd *cobra.Command, ids []string) error {
			return a.edit(cmd, ids, string(task.Pause), "pauses", func(ctx context.Context, s *session, id string) error {
				return s.tasks.Pause(ctx, id, note)
			})
		},
	}
	cmd.Flags().StringVar(&note, "note", "", "why: a `text` that is left in the document")
	keyFlags(cmd, serverKeys()...)
	a.jsonFlag(cmd)
	return cmd
}

func newResume(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "resume <id>...",
		Short: "Let paused tasks go on",
		Long: `Asks that paused tasks go on: a repeat with its next date, what passed meanwhile is counted as skipped; any other task
with its date, at once where that has passed. A task that is not paused is a conflict.`,
		Example: `  after resume nightly-backup
  after resume $(after tasks --status paused | cut -f1)`,
		Args: taskIDs(1),
		RunE: func(cmd *cobra.Command, ids []string) error {
			return a.edit(cmd, ids, string(task.Resume), "goes on", func(ctx context.Context, s *session, id string) error {
				return s.tasks.Resume(ctx, id)
			})
		},
	}
	keyFlags(cmd, serverKeys()...)
	a.jsonFlag(cmd)
	return cmd
}

func newSkip(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "skip <id>...",
		Short: "Leave out the next firing of tasks",
		Long: `Asks that the next firing of the tasks is left out: a repeat goes on with the one after it, a task that fires once ends as
canceled. A task that has ended is a conflict.`,
		Example: `  after skip nightly-backup`,
		Args:    taskIDs(1),
		RunE: func(cmd *cobra.Command, ids []string) error {
			return a.edit(cmd, ids, string(task.Skip), "its next firing is left out", func(ctx context.Context, s *session, id string) error {
				return s.tasks.Skip(ctx, id)
			})
		},
	}
	keyFlags(cmd, serverKeys()...)
	a.jsonFlag(cmd)
	return cmd
}

func newRun(a *app) *cobra.Command {
	var wait bool
	cmd := &cobra.Command{
		Use:   "run <id>...",
		Short: "Run tasks once now, beside their plan",
		Long: `Asks for one run of the tasks now. What was planned stays so: a repeat keeps its dates, a paused task is paused again
afterwards, and one that has ended ends again. A run that is waited for and that somebody takes back before it begins is a
conflict.`,
		Example: `  after run nightly-backup
  after run nightly-backup --wait && echo done`,
		Args: taskIDs(1),
		RunE: func(cmd *cobra.Command, ids []string) error {
			if wait {
				return a.runAndWait(cmd, ids)
			}
			return a.edit(cmd, ids, string(task.RunNow), "runs now", func(ctx context.Context, s *session, id string) error {
				return s.tasks.Run(ctx, id)
			})
		},
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until these runs have ended; the exit status is 6 if one failed")
	keyFlags(cmd, serverKeys()...)
	a.jsonFlag(cmd)
	return cmd
}

func (a *app) runAndWait(cmd *cobra.Command, ids []string) error {
	s, err := a.connect(cmd)
	if err != nil {
		return err
	}
	defer s.close()
	ctx, stop := interruptible(cmd.Context())
	defer stop()
	ended, err := s.tasks.RunAndWait(ctx, ids, a.changed)
	if err != nil {
		return err
	}
	for _, t := range ended {
		if t.Deleted || t.Error != nil || t.Status == task.Canceled {
			return &silentError{code: exitTask} // the last line about it says how it ended
		}
	}
	return nil
}

// spanOf reads --from and --until.
func spanOf(from, until string, now time.Time, loc *time.Location) (start, end time.Time, err error) {
	if start, err = dateFlag("from", from, now, loc); err != nil {
		return start, end, err
	}
	end, err = dateFlag("until", until, now, loc)
	return start, end, err
}
