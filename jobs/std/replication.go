package std

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"github.com/adlayer/after/jobs"
)

// replicationOf is the arguments of start_replication: what _replicate takes, source, target and the rest beside them or in
// options. An end is the name of a database, a URL, or an object with url and headers.
type replicationOf map[string]json.RawMessage

// UnmarshalJSON lifts the options.
func (r *replicationOf) UnmarshalJSON(raw []byte) error {
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(raw, &fields); err != nil {
		return errors.New("source and target are fields of an object")
	}
	if options, ok := fields["options"]; ok {
		delete(fields, "options")
		lifted := map[string]json.RawMessage{}
		if err := json.Unmarshal(options, &lifted); err != nil {
			return errors.New("options is not an object")
		}
		maps.Copy(lifted, fields)
		fields = lifted
	}
	*r = fields
	return nil
}

// Validate is asked before the job runs.
func (r *replicationOf) Validate() error {
	for _, name := range []string{"source", "target"} {
		end := bytes.TrimSpace((*r)[name])
		switch {
		case len(end) == 0 || string(end) == "null" || string(end) == `""`:
			return errors.New(name + " is missing")
		case end[0] != '"' && end[0] != '{':
			return fmt.Errorf("%s is the name or URL of a database, or an object with its url", name)
		}
	}
	return nil
}

type replication struct{ server Replicator }

// run asks the server to replicate; its answer is the result. Without "continuous" the run lasts as long as the replication.
func (r replication) run(ctx context.Context, _ *jobs.Task, in replicationOf) (json.RawMessage, error) {
	if r.server == nil {
		return nil, jobs.Permanent(errors.New("this worker has no server that replicates"))
	}
	body, err := json.Marshal(in)
	if err != nil {
		return nil, jobs.Permanent(fmt.Errorf("encoding the request: %w", err))
	}
	answer, err := r.server.Replicate(ctx, body)
	if err != nil {
		return nil, fmt.Errorf("starting the replication: %w", err)
	}
	return answer, nil
}
