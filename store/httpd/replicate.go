package httpd

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/replicate"
)

// replicate answers POST /_replicate.
func (c *call) replicate() error {
	if c.who.name == "" && !c.who.admin {
		return unauthorized("You are not an authenticated user")
	}
	req, err := c.replication()
	if err != nil {
		return err
	}
	req.User, req.Admin = c.who.name, c.who.admin
	req.Local = &inside{s: c.s, who: c.who}
	id, result, err := c.s.replicator.Replicate(c.r.Context(), req)
	switch {
	case err != nil:
		return err
	case result == nil:
		status := http.StatusAccepted
		if req.Cancel {
			status = http.StatusOK
		}
		return c.answer(status, append(store.AppendString([]byte(`{"ok":true,"_local_id":`), id), '}'))
	}
	body, err := result.Body()
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, body)
}

// replication reads what is asked for. The body is given back: the replication may take long, and its own size is bounded where it runs.
func (c *call) replication() (*replicate.Request, error) {
	raw, done, err := c.bodyUpTo(maxReplication)
	if err != nil {
		return nil, err
	}
	defer done()
	if len(raw) == 0 {
		return nil, store.BadRequest("Missing request body")
	}
	fields, err := decodeObject(raw)
	if err != nil {
		return nil, err
	}
	if err := c.allow(http.MethodPost); err != nil {
		return nil, err
	}
	if err := c.wantJSON(); err != nil {
		return nil, err
	}
	req, err := replicate.Parse(fields, c.own(), c.s.settings.now().replications)
	if err == nil {
		req.Size = len(raw)
	}
	return req, err
}

// maxReplication bounds the body of _replicate, which may hold many ids.
const maxReplication = 16 << 20

// scheduler shows the replications of _replicate. There are none of documents.
func (c *call) scheduler() error {
	if err := c.allow(http.MethodGet, http.MethodHead); err != nil {
		return err
	}
	if err := c.needAdmin(); err != nil {
		return err
	}
	switch path := c.path[1:]; {
	case len(path) == 1 && path[0] == "jobs":
		jobs, err := c.s.replicator.Jobs()
		if err != nil {
			return err
		}
		return c.scheduled("jobs", jobs)
	case len(path) == 2 && path[0] == "jobs":
		job, err := c.s.replicator.Job(path[1])
		if err != nil {
			return err
		}
		if job == nil {
			return store.NotFound("missing")
		}
		return c.answer(http.StatusOK, job)
	case len(path) == 1 && path[0] == "docs", len(path) == 2 && path[0] == "docs" && path[1] == replicatorDatabase:
		return c.scheduled("docs", nil)
	}
	return store.NotFound("missing")
}

// maxScheduled is how many jobs are shown where the request does not say.
const maxScheduled = 100

func (c *call) scheduled(what string, all []json.RawMessage) error {
	skip, limit := 0, maxScheduled
	for _, p := range []struct {
		name string
		to   *int
	}{{"skip", &skip}, {"limit", &limit}} {
		if !c.q.Has(p.name) {
			continue
		}
		n, err := strconv.Atoi(c.q.Get(p.name))
		if err != nil || n < 0 {
			return store.BadRequest("%s must be a positive integer", p.name)
		}
		*p.to = n
	}
	from := min(skip, len(all))
	b := strconv.AppendInt([]byte(`{"total_rows":`), int64(len(all)), 10)
	b = strconv.AppendInt(append(b, `,"offset":`...), int64(from), 10)
	b = append(append(append(b, `,"`...), what...), `":`...)
	return c.answer(http.StatusOK, append(appendRaw(b, all[from:from+min(limit, len(all)-from)]), '}'))
}

// appendRaw adds an array of values.
func appendRaw(b []byte, values []json.RawMessage) []byte {
	list := make([][]byte, len(values))
	for i, v := range values {
		list[i] = v
	}
	b = append(append(b, '['), bytes.Join(list, []byte{','})...)
	return append(b, ']')
}
