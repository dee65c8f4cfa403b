package std

import (
	"context"
	"errors"
	"fmt"

	"github.com/adlayer/after/jobs"
)

// expectation is the arguments of the expect job: whoever has that id was to show itself every so often, and did so last at Since.
type expectation struct {
	ID    string `json:"id"`
	Every string `json:"every"`
	Since string `json:"since"`
}

// Validate is asked before the job runs.
func (e *expectation) Validate() error {
	if e.ID == "" {
		return errors.New("id is missing")
	}
	return nil
}

// expect is a dead-man's switch: each sign of life puts its task off, so that it runs only when none came.
func expect(_ context.Context, _ *jobs.Task, in expectation) (any, error) {
	return nil, jobs.Permanent(fmt.Errorf("%s did not run since %s, and is expected every %s", in.ID, in.Since, in.Every))
}
