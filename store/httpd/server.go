package httpd

import (
	"encoding/json"
	"net/http"

	"github.com/adlayer/after/store"
)

// serverRoutes are the paths that are no databases.
var serverRoutes = map[string]func(*call) error{ //nolint:gochecknoglobals // a constant table
	"_up":            (*call).up,
	"_uuids":         (*call).serveUUIDs,
	"_all_dbs":       (*call).allDBs,
	"_dbs_info":      (*call).dbsInfo,
	"_session":       (*call).session,
	"_active_tasks":  (*call).activeTasks,
	"_membership":    (*call).membership,
	"_replicate":     (*call).replicate,
	"_scheduler":     (*call).scheduler,
	"_after":         (*call).after,
	"_node":          (*call).node,
	"_reshard":       (*call).reshard,
	"_cluster_setup": (*call).clusterSetup,
	"_db_updates":    (*call).databaseUpdates,
	"favicon.ico":    (*call).favicon,

	"_reload_query_servers": (*call).reloadQueryServers,
}

// serverMissing are CouchDB's other server paths.
var serverMissing = map[string]string{ //nolint:gochecknoglobals // a constant table
	"_utils":           "The web interface (_utils)",
	"_search_analyze":  "Text search (_search_analyze)",
	"_nouveau_analyze": "Text search (_nouveau_analyze)",
}

func (c *call) welcome() error {
	if err := c.allow(http.MethodGet, http.MethodHead); err != nil {
		return err
	}
	now := c.s.settings.now()
	b := append([]byte(`{"couchdb":"Welcome","version":"`), protocolVersion...)
	b = append(b, `","git_sha":"`...)
	b = append(b, c.s.opts.Version...)
	b = store.AppendString(append(b, `","uuid":`...), now.uuid)
	b = append(b, `,"features":["after"]`...)
	if len(now.vendor) > 0 {
		vendor, err := json.Marshal(now.vendor)
		if err != nil {
			return err
		}
		b = append(append(b, `,"vendor":`...), vendor...)
	}
	return c.answer(http.StatusOK, append(b, '}'))
}

func (c *call) up() error {
	if err := c.allow(http.MethodGet, http.MethodHead); err != nil {
		return err
	}
	if mode := c.s.settings.now().maintenance; mode == "true" || mode == "nolb" {
		status := map[string]string{"true": "maintenance_mode", "nolb": "nolb"}[mode]
		return c.answer(http.StatusNotFound, []byte(`{"status":"`+status+`"}`))
	}
	if err := c.s.store.Failed(); err != nil {
		c.s.log.WithError(err).Debug("store: asked whether it is up, and it is not")
		return &store.Error{Status: http.StatusServiceUnavailable, Name: "service_unavailable", Reason: "The store has failed; the server's log says why."}
	}
	return c.answer(http.StatusOK, []byte(`{"status":"ok","seeds":{}}`))
}

func (c *call) membership() error {
	if err := c.allow(http.MethodGet, http.MethodHead); err != nil {
		return err
	}
	if err := c.needAdmin(); err != nil {
		return err
	}
	return c.answer(http.StatusOK, []byte(`{"all_nodes":["`+nodeName+`"],"cluster_nodes":["`+nodeName+`"]}`))
}

// reloadQueryServers ends the idle processes of functions: the next one that is needed is new.
func (c *call) reloadQueryServers() error {
	if err := c.needAdmin(); err != nil {
		return err
	}
	if err := c.allow(http.MethodPost); err != nil {
		return err
	}
	if err := c.wantJSON(); err != nil {
		return err
	}
	c.s.scripts.Renew()
	return c.ok()
}

func (c *call) favicon() error {
	c.w.Header().Set("Cache-Control", "public, max-age=31536000")
	c.w.Header().Set("Content-Type", "text/plain")
	c.w.WriteHeader(http.StatusNotFound)
	_, _ = c.w.Write([]byte("Not found.")) // a reader that has gone is no error of ours
	return nil
}
