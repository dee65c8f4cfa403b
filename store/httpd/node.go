package httpd

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/adlayer/after/store"
)

// nodeName is what this server calls itself where CouchDB names a node of a cluster.
const nodeName = "after@127.0.0.1"

// node answers below /_node/{name}, of which there is one: "_local" is another name for it.
func (c *call) node() error {
	path := c.path[1:]
	if err := c.mayAskNode(path); err != nil {
		return err
	}
	switch {
	case len(path) == 0:
		return store.BadRequest("Incomplete path to _node request")
	case path[0] != "_local" && path[0] != nodeName:
		return store.NotFound("no such node: " + path[0])
	case len(path) == 1:
		return c.answerValue(map[string]string{"name": nodeName})
	}
	name, path := path[1], path[2:]
	switch name {
	case "_config":
		return c.config(path)
	case "_restart":
		if err := c.allow(http.MethodPost); err != nil {
			return err
		}
		c.s.restart(c.r.Context())
		return c.ok()
	case "_smoosh":
		return c.smoosh(path)
	}
	if err := c.allow(http.MethodGet); err != nil {
		return err
	}
	switch {
	case name == "_prometheus" && len(path) == 0:
		return c.prometheus()
	case name == "_stats":
		return c.nodeStats(path)
	case name == "_system" && len(path) == 0:
		return c.answerValue(c.s.system())
	case name == "_versions" && len(path) == 0:
		return c.answerValue(c.s.versions())
	}
	return missingPath()
}

// mayAskNode lets administrators in, and to the figures those too who have the role for that.
func (c *call) mayAskNode(path []string) error {
	if len(path) < 2 || !slices.Contains([]string{"_stats", "_system", "_prometheus"}, path[1]) {
		return c.needAdmin()
	}
	if c.who.admin || slices.Contains(c.who.roles, metricsRole) {
		return nil
	}
	return unauthorized("You are not a server admin or read-only metrics user")
}

func missingPath() error { return store.NotFound("missing") }

// answerValue sends a value as JSON, members sorted by name.
func (c *call) answerValue(value any) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, raw)
}

// config shows and changes settings. A change answers what was there before.
func (c *call) config(path []string) error {
	all := c.s.settings.all()
	all[adminsSection] = c.s.auth.shown()
	switch len(path) {
	case 0:
		if err := c.allow(http.MethodGet); err != nil {
			return err
		}
		return c.answerValue(all)
	case 1:
		return c.configSection(path[0], all[path[0]])
	case 2:
	default:
		return store.NotFound("missing")
	}
	value, there := all[path[0]][path[1]]
	switch c.method() {
	case http.MethodGet:
		if !there {
			return unknownSetting()
		}
		return c.answerValue(value)
	case http.MethodPut:
		return c.changeSetting(setting{path[0], path[1]})
	case http.MethodDelete:
		if !there || path[0] != adminsSection && !c.s.settings.set(setting{path[0], path[1]}) {
			return unknownSetting()
		}
		return c.removeSetting(setting{path[0], path[1]})
	}
	return c.allow(http.MethodGet, http.MethodPut, http.MethodDelete)
}

func unknownSetting() error { return store.NotFound("unknown_config_value") }

func (c *call) configSection(name string, keys map[string]string) error {
	if name == "_reload" {
		if err := c.allow(http.MethodPost); err != nil {
			return err
		}
		c.s.settings.reload()
		return c.ok()
	}
	if err := c.allow(http.MethodGet); err != nil {
		return err
	}
	if keys == nil {
		keys = map[string]string{}
	}
	return c.answerValue(keys)
}

// closedSections are not changed over HTTP, as in CouchDB: they would name programs.
var closedSections = map[string]bool{ //nolint:gochecknoglobals // a constant table
	"daemons": true, "external": true, "httpd_design_handlers": true, "httpd_db_handlers": true, "httpd_global_handlers": true,
	"native_query_servers": true, "os_daemons": true, "query_servers": true, "feature_flags": true,
}

func (c *call) changeSetting(at setting) error {
	if closedSections[at.section] {
		return forbidden("Config section blacklisted for modification over HTTP API.")
	}
	raw, done, err := c.bodyUpTo(maxSetting)
	if err != nil {
		return err
	}
	defer done()
	if raw, err = store.Canonical(raw); err != nil {
		return err
	}
	var value string
	if raw[0] != '"' || json.Unmarshal(raw, &value) != nil {
		return store.BadRequest("The value of a setting must be a string.")
	}
	value = strings.TrimSpace(value)
	if strings.ContainsAny(at.section+at.key+value, "\r\n") || at.section == "" || at.key == "" {
		return store.BadRequest("A setting has one line.")
	}
	return c.putSetting(at, &value)
}

// maxSetting bounds the body that sets one.
const maxSetting = 64 << 10

func (c *call) removeSetting(at setting) error {
	if closedSections[at.section] {
		return forbidden("Config section blacklisted for modification over HTTP API.")
	}
	return c.putSetting(at, nil)
}

func (c *call) putSetting(at setting, value *string) error {
	old, err := c.changeTo(at, value)
	if err != nil {
		return err
	}
	return c.answerValue(old)
}

// changeTo sets a setting, or removes it where value is nil, and gives what it was. The password of an administrator becomes its hash.
func (c *call) changeTo(at setting, value *string) (old string, err error) {
	if at.section == adminsSection {
		if c.s.auth.admins[at.key] != nil {
			return "", forbidden("This administrator is one of the server's configuration, and is changed there.")
		}
		if value != nil && !isHash(*value) {
			h, err := c.s.auth.hash(c.ctx(), *value)
			if err != nil {
				return "", err
			}
			text := h.String()
			value = &text
		}
	}
	old, err = c.s.settings.change(c.ctx(), at, value, c.r.Header.Get("X-Couch-Persist") != "false")
	if err == nil {
		c.s.log.WithField("setting", at.section+"/"+at.key).WithField("by", c.who.name).Info("store: a setting was changed")
	}
	return old, err
}

// endPatience is how long a restart waits for replications, which have three seconds for their last checkpoints.
const endPatience = 10 * time.Second

// restart forgets what a CouchDB forgets that is started anew: settings that were not to last, replications, what is remembered of passwords. The
// process goes on, and with it the requests under way.
func (s *Server) restart(ctx context.Context) {
	s.log.Warn("store: a restart was asked for over HTTP")
	s.auth.locks.forget()
	s.settings.reload() // forgets passwords as well
	ctx, cancel := context.WithTimeout(ctx, endPatience)
	defer cancel()
	if err := s.replicator.EndAll(ctx); err != nil {
		s.log.WithError(err).Warn("store: the replications did not end in time")
	}
}

// system tells of the process.
func (s *Server) system() map[string]any {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return map[string]any{
		"uptime": s.counts.seconds(),
		"memory": map[string]uint64{
			"processes": m.HeapSys, "processes_used": m.HeapAlloc, "other": m.Sys - m.HeapSys,
		},
		"process_count": runtime.NumGoroutine(), "garbage_collection_count": m.NumGC, "words_reclaimed": (m.TotalAlloc - m.HeapAlloc) / 8,
		"message_queues": map[string]int{}, "internal_replication_jobs": 0,
	}
}

// versions tells of what the server is made of.
func (s *Server) versions() map[string]any {
	return map[string]any{
		"go": map[string]any{
			"version": strings.TrimPrefix(runtime.Version(), "go"), "supported_hashes": slices.Sorted(maps.Keys(hashFunctions)),
		},
		"collation_driver":  map[string]string{"name": "golang.org/x/text/collate"},
		"javascript_engine": map[string]string{"name": "goja"},
	}
}
