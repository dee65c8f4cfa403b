package httpd

import (
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"strconv"

	"github.com/adlayer/after/store"
)

// systemDatabases are those that a CouchDB of one node has once it is set up.
func systemDatabases() []string { return []string{usersDatabase, replicatorDatabase} }

// SetUp makes the databases that a CouchDB of one node has once it is set up, where they are not there: _users and _replicator.
func (s *Server) SetUp(ctx context.Context) error { return s.ensure(ctx, systemDatabases()) }

// ensure makes databases where they are not there.
func (s *Server) ensure(ctx context.Context, names []string) error {
	for _, name := range names {
		db, err := s.store.Database(name)
		if store.IsNotFound(err) {
			db, err = s.store.CreateDatabase(ctx, name)
		}
		if err != nil {
			return err
		}
		s.keepAuthDesign(ctx, db)
	}
	return nil
}

// hasAll tells whether all of the databases are there.
func (s *Server) hasAll(names []string) bool {
	for _, name := range names {
		if _, err := s.store.Database(name); err != nil {
			return false
		}
	}
	return true
}

// clusterSetup shows whether this one node is set up, and sets it up.
func (c *call) clusterSetup() error {
	if err := c.needAdmin(); err != nil {
		return err
	}
	switch c.method() {
	case http.MethodGet:
		return c.setupState()
	case http.MethodPost:
		return c.setUp()
	}
	return c.allow(http.MethodGet, http.MethodPost)
}

func (c *call) setupState() error {
	databases := systemDatabases()
	if text := c.q.Get("ensure_dbs_exist"); text != "" {
		if err := json.Unmarshal([]byte(text), &databases); err != nil {
			return store.BadRequest("`ensure_dbs_exist` must be an array of names.")
		}
	}
	state := "single_node_disabled"
	if c.s.hasAll(databases) {
		state = "single_node_enabled"
	}
	return c.answerValue(map[string]string{"state": state})
}

// setupRequest is the body of POST /_cluster_setup, as far as a single node has a use for it.
type setupRequest struct {
	Action       string          `json:"action"`
	Username     *string         `json:"username"`
	Password     *string         `json:"password"`
	PasswordHash *string         `json:"password_hash"`
	BindAddress  *string         `json:"bind_address"`
	Port         json.RawMessage `json:"port"`
	Databases    []string        `json:"ensure_dbs_exist"`
}

func (c *call) setUp() error {
	if err := c.wantJSON(); err != nil {
		return err
	}
	raw, done, err := c.bodyUpTo(maxCredentials)
	if err != nil {
		return err
	}
	defer done()
	if raw, err = store.Canonical(raw); err != nil || raw[0] != '{' {
		return store.BadRequest("Missing JSON body'")
	}
	r := setupRequest{Databases: systemDatabases()}
	if json.Unmarshal(raw, &r) != nil {
		return store.BadRequest("A member of the request has the wrong type.")
	}
	switch r.Action {
	case "enable_single_node":
		err = c.enableSingleNode(&r)
	case "finish_cluster":
		if c.s.hasAll(r.Databases) {
			return store.BadRequest("Cluster is already finished")
		}
	case "enable_cluster", "add_node", "remove_node", "receive_cookie":
		return store.NotImplemented("A cluster of several nodes (_cluster_setup with the action " + r.Action + ")")
	default:
		return store.BadRequest("Invalid Action'")
	}
	if err == nil {
		err = c.s.ensure(c.ctx(), r.Databases)
	}
	if err != nil {
		return err
	}
	return c.answer(http.StatusCreated, []byte(`{"ok":true}`))
}

// enableSingleNode makes the administrator that the request names, and keeps the address and the port for who asks for them: where the server
// listens is said by its own configuration.
func (c *call) enableSingleNode(r *setupRequest) error {
	values := map[setting]string{{"cluster", "n"}: "1"}
	if r.BindAddress != nil {
		if _, err := netip.ParseAddr(*r.BindAddress); err != nil {
			return store.BadRequest("Setup requires a valid IP bind_address. %q is invalid.", *r.BindAddress)
		}
		values[setting{"chttpd", "bind_address"}] = *r.BindAddress
	}
	if r.Port != nil {
		port, err := portOf(r.Port)
		if err != nil {
			return err
		}
		values[setting{"chttpd", "port"}] = port
	}
	if r.Username != nil {
		if err := c.setupAdmin(r); err != nil {
			return err
		}
	}
	for at, value := range values {
		if _, err := c.s.settings.change(c.ctx(), at, &value, true); err != nil {
			return err
		}
	}
	return nil
}

// portOf reads a port, a number or its text.
func portOf(raw json.RawMessage) (string, error) {
	var text string
	if json.Unmarshal(raw, &text) != nil {
		text = string(raw)
	}
	if _, err := strconv.ParseUint(text, 10, 16); err != nil {
		return "", store.BadRequest("`port` must be a number between 0 and 65535.")
	}
	return text, nil
}

// setupAdmin makes the administrator of a setup. One of the server's own configuration stays as it is, if the password is that one's.
func (c *call) setupAdmin(r *setupRequest) error {
	password := r.PasswordHash
	if password == nil {
		password = r.Password
	}
	if password == nil || *password == "" || *r.Username == "" {
		return store.BadRequest("Cluster setup requires admin account to be configured")
	}
	if known := c.s.auth.admins[*r.Username]; known != nil {
		right, err := c.s.auth.isAdmin(c.ctx(), known, *r.Username, *password)
		if err != nil || right {
			return err
		}
	}
	_, err := c.changeTo(setting{adminsSection, *r.Username}, password)
	return err
}
