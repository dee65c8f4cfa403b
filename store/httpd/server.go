package httpd

import (
	"encoding/json"
	"net/http"
	"sort"
	"strconv"

	"github.com/adlayer/after/store"
)

// serverRoutes are the paths that are no databases.
var serverRoutes = map[string]func(*call) error{ //nolint:gochecknoglobals // a constant table
	"_up":           (*call).up,
	"_uuids":        (*call).uuids,
	"_all_dbs":      (*call).allDBs,
	"_dbs_info":     (*call).dbsInfo,
	"_session":      (*call).session,
	"_active_tasks": (*call).activeTasks,
	"_membership":   (*call).membership,
	"_replicate":    (*call).replicate,
	"_scheduler":    (*call).scheduler,
	"_after":        (*call).after,
	"favicon.ico":   (*call).favicon,
}

// serverMissing are CouchDB's other server paths.
var serverMissing = map[string]string{ //nolint:gochecknoglobals // a constant table
	"_utils":             "The web interface (_utils)",
	"_node":              "The node interface (_node)",
	"_cluster_setup":     "Clustering (_cluster_setup)",
	"_reshard":           "Clustering (_reshard)",
	"_db_updates":        "The feed of database updates (_db_updates)",
	"_search_analyze":    "Text search (_search_analyze)",
	"_nouveau_analyze":   "Text search (_nouveau_analyze)",
	"_global_changes_db": "The feed of database updates",
}

func (c *call) welcome() error {
	if err := c.allow(http.MethodGet, http.MethodHead); err != nil {
		return err
	}
	b := append([]byte(`{"couchdb":"Welcome","version":"`), protocolVersion...)
	b = append(b, `","git_sha":"`...)
	b = append(b, c.s.opts.Version...)
	b = append(b, `","uuid":"`...)
	b = append(b, c.s.store.UUID()...)
	b = append(b, `","features":["after"],"vendor":{"name":"after","version":`...)
	b = store.AppendString(b, c.s.opts.Version)
	return c.answer(http.StatusOK, append(b, `}}`...))
}

func (c *call) up() error {
	if err := c.allow(http.MethodGet, http.MethodHead); err != nil {
		return err
	}
	if err := c.s.store.Failed(); err != nil {
		c.s.log.WithError(err).Error("store: asked whether it is up, and it is not")
		return &store.Error{Status: http.StatusServiceUnavailable, Name: "service_unavailable", Reason: "The store has failed; the server's log says why."}
	}
	return c.answer(http.StatusOK, []byte(`{"status":"ok","seeds":{}}`))
}

const maxUUIDs = 1000

func (c *call) uuids() error {
	if err := c.allow(http.MethodGet); err != nil {
		return err
	}
	n := 1
	if c.q.Has("count") {
		var err error
		if n, err = strconv.Atoi(c.q.Get("count")); err != nil || n < 0 {
			return store.BadRequest("count must be a positive integer")
		}
	}
	if n > maxUUIDs {
		return store.BadRequest("count parameter too large")
	}
	b := []byte(`{"uuids":[`)
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = store.AppendString(b, store.NewID())
	}
	h := c.w.Header()
	h.Set("Cache-Control", "no-cache")
	h.Set("Pragma", "no-cache")
	h.Set("ETag", etagOf(b))
	return c.answer(http.StatusOK, append(b, "]}"...))
}

func (c *call) allDBs() error {
	if err := c.allow(http.MethodGet, http.MethodHead); err != nil {
		return err
	}
	if err := c.needAdmin(); err != nil {
		return err
	}
	v, err := parseView(c.q, nil)
	if err != nil {
		return err
	}
	names := c.s.store.Databases()
	if v.r.Descending {
		sort.Sort(sort.Reverse(sort.StringSlice(names)))
	}
	b := []byte{'['}
	skip, limit := v.skip, v.limit
	for _, name := range names {
		switch {
		case !v.within(name):
			continue
		case skip > 0:
			skip--
			continue
		case limit == 0:
			continue
		}
		limit--
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = store.AppendString(b, name)
	}
	b = append(b, ']')
	c.w.Header().Set("ETag", etagOf(b))
	return c.answer(http.StatusOK, b)
}

func (c *call) dbsInfo() error {
	if err := c.allow(http.MethodGet, http.MethodHead, http.MethodPost); err != nil {
		return err
	}
	if err := c.needAdmin(); err != nil {
		return err
	}
	names := c.s.store.Databases()
	if c.r.Method == http.MethodPost {
		var err error
		if names, err = c.infoKeys(); err != nil {
			return err
		}
	}
	b := []byte{'['}
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = store.AppendString(append(b, `{"key":`...), name)
		db, err := c.s.store.Database(name)
		if err == nil {
			b, err = appendInfo(append(b, `,"info":`...), db)
		} else {
			b, err = append(b, `,"error":"not_found"`...), nil
		}
		if err != nil {
			return err
		}
		b = append(b, '}')
	}
	return c.answer(http.StatusOK, append(b, ']'))
}

func (c *call) infoKeys() (names []string, err error) {
	if err := c.wantJSON(); err != nil {
		return nil, err
	}
	m, err := c.object(false)
	if err != nil {
		return nil, err
	}
	keys, ok := m["keys"]
	if !ok {
		return nil, store.BadRequest("`keys` member must exist.")
	}
	if json.Unmarshal(keys, &names) != nil {
		return nil, store.BadRequest("`keys` member must be an array.")
	}
	return names, nil
}

func (c *call) activeTasks() error {
	if err := c.allow(http.MethodGet, http.MethodHead); err != nil {
		return err
	}
	if err := c.needAdmin(); err != nil {
		return err
	}
	tasks, err := c.s.replicator.ActiveTasks()
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, appendRaw(nil, tasks))
}

func (c *call) membership() error {
	if err := c.allow(http.MethodGet, http.MethodHead); err != nil {
		return err
	}
	if err := c.needAdmin(); err != nil {
		return err
	}
	return c.answer(http.StatusOK, []byte(`{"all_nodes":["after@127.0.0.1"],"cluster_nodes":["after@127.0.0.1"]}`))
}

func (c *call) favicon() error {
	c.w.Header().Set("Cache-Control", "public, max-age=31536000")
	c.w.Header().Set("Content-Type", "text/plain")
	c.w.WriteHeader(http.StatusNotFound)
	_, _ = c.w.Write([]byte("Not found.")) // a reader that has gone is no error of ours
	return nil
}
