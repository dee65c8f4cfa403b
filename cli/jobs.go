package cli

import (
	"github.com/spf13/cobra"

	"github.com/adlayer/after/jobs"
)

func newJobs(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "jobs",
		Short: "Show every job that workers of this program can run",
		Long: `Shows every job that a worker of this program and this configuration can run, with what it does: those that the
program registered, the executables of the jobs folder, and the built-in ones. What would be refused is shown with
the reason.`,
		Example: `  after jobs
  after jobs --json`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.load(cmd)
			if err != nil {
				return err
			}
			list := jobsOf(c, nil, nil, nil).List()
			if a.json {
				for _, job := range list {
					if err := a.printJSON(listedJob{job, job.Timeout.Milliseconds()}); err != nil {
						return err
					}
				}
				return nil
			}
			return a.printTable(jobTable(list))
		},
	}
	keyFlags(cmd, "jobs.folder")
	a.jsonFlag(cmd)
	return cmd
}

// listedJob is one job as jobs prints it with --json, its timeout in milliseconds as everywhere.
type listedJob struct {
	jobs.Info
	Timeout int64 `json:"timeout,omitempty"`
}

func jobTable(list []jobs.Info) *table {
	t := &table{headers: []string{"JOB", "WHAT IT DOES", "FROM"}}
	for _, job := range list {
		what, from := job.Description, job.Path
		if job.Refused != "" {
			what = "refused: " + job.Refused
		}
		if from == "" {
			from = "the program"
		}
		t.add(job.Name, what, from)
	}
	return t
}
