package httpd

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/adlayer/after/store"
)

const (
	replicatorDatabase = "_replicator"
	// metricsRole is the one role of the system's that users may have: it lets them read the server's figures.
	metricsRole = "_metrics"
)

// usersView is what somebody who is no administrator of _users sees there: the own document, and of others the public fields. A nil one sees
// everything.
type usersView struct {
	own    string // the id of the own document, "" for nobody's
	fields []string
}

func hiddenUser() error { return store.NotFound("missing") }

// guardUsers finds out how much of _users the request sees, and refuses what would list it.
func (c *call) guardUsers() error {
	if c.db.Name() != usersDatabase || c.databaseAdmin(hiddenUser()) == nil {
		return nil
	}
	c.view = &usersView{fields: c.s.settings.PublicFields()}
	if c.who.name != "" {
		c.view.own = userPrefix + c.who.name
	}
	if len(c.path) == 0 {
		return nil
	}
	switch c.path[0] {
	case "_design_docs", "_local_docs", "_find", "_explain", "_index":
		return c.needAdmin()
	}
	return nil
}

// gate refuses a document of which nothing is shown.
func (v *usersView) gate(id string) error {
	switch {
	case v == nil, id == v.own && id != "", strings.HasPrefix(id, localPrefix):
		return nil
	case strings.HasPrefix(id, designPrefix):
		return forbidden("Only administrators can view design docs in the users database.")
	case len(v.fields) == 0:
		return hiddenUser()
	}
	return nil
}

// show gives what is seen of a document, a 404 where that is nothing.
func (v *usersView) show(row *store.Row) (*store.Row, error) {
	if v == nil || row.ID == v.own {
		return row, nil
	}
	if err := v.gate(row.ID); err != nil {
		return nil, err
	}
	body, err := project(row.Body, v.fields)
	if err != nil {
		return nil, err
	}
	if bytes.Equal(body, []byte("{}")) {
		return nil, hiddenUser()
	}
	return &store.Row{ID: row.ID, Seq: row.Seq, Rev: row.Rev, Deleted: row.Deleted, Branched: row.Branched, Body: body}, nil
}

// prepareUser makes a document of _users fit to be stored: the password is replaced by its hash. Who is no administrator writes the own document
// alone, and who has not logged in a new one.
func (c *call) prepareUser(d *store.Doc) error {
	if c.db.Name() != usersDatabase || strings.HasPrefix(d.ID, "_") {
		return nil
	}
	if c.view != nil && c.who.name != "" && d.ID != c.view.own {
		return hiddenUser()
	}
	if d.Deleted {
		return nil
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(d.Body, &m); err != nil {
		return store.BadRequest("invalid UTF-8 JSON")
	}
	if err := checkUser(d.ID, m); err != nil {
		return err
	}
	var password string
	raw, ok := m["password"]
	if !ok || string(raw) == "null" {
		return nil
	}
	if json.Unmarshal(raw, &password) != nil {
		return forbidden("Password value of '" + string(raw) + "' is invalid.")
	}
	if err := c.checkPassword(password); err != nil {
		return err
	}
	h, err := c.s.auth.hash(c.ctx(), password)
	if err != nil {
		return err
	}
	d.Body, err = h.write(d.Body)
	return err
}

// validateUsers holds what CouchDB's own validation of _users asks for beside the shape.
func (c *call) validateUsers(_ context.Context, edits []store.Edit) error {
	for i := range edits {
		old, err := oldUser(&edits[i])
		if err != nil {
			return err
		}
		if err := c.validateUser(edits[i].Doc, old); err != nil {
			edits[i].Err = asError(err)
		}
	}
	return nil
}

// oldUser is what an edit replaces, nil if that is nothing.
func oldUser(e *store.Edit) (*userDoc, error) {
	raw := e.AppendOld(nil)
	if bytes.Equal(raw, []byte("null")) {
		return nil, nil //nolint:nilnil // there is none
	}
	old := new(userDoc)
	return old, jsonv2.Unmarshal(raw, old)
}

func (c *call) validateUser(d *store.Doc, old *userDoc) error {
	if d.Deleted {
		if c.who.admin || old != nil && c.who.name != "" && old.Name == c.who.name {
			return nil
		}
		return forbidden("Only admins may delete other user docs.")
	}
	var doc userDoc
	if jsonv2.Unmarshal(d.Body, &doc) != nil {
		return forbidden("doc.type must be user")
	}
	if old != nil && old.Name != doc.Name {
		return forbidden("Usernames can not be changed.")
	}
	if c.view != nil {
		switch {
		case old == nil && len(doc.Roles) > 0:
			return forbidden("Only _admin may set roles")
		case old != nil && c.who.name != doc.Name:
			return forbidden("You may only update your own user document.")
		case old != nil && !sameRoles(old.Roles, doc.Roles):
			return forbidden("Only _admin may edit roles")
		}
	}
	return checkNames(&doc)
}

func sameRoles(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// checkNames refuses the names of roles and users that are the system's.
func checkNames(doc *userDoc) error {
	for _, role := range doc.Roles {
		if strings.HasPrefix(role, "_") && role != metricsRole {
			return forbidden("No system roles (starting with underscore) in users db.")
		}
	}
	if strings.HasPrefix(doc.Name, "_") {
		return forbidden("Username may not start with underscore.")
	}
	if strings.Contains(doc.Name, ":") {
		return forbidden("Character `:` is not allowed in usernames.")
	}
	return nil
}

func forbidden(reason string) error {
	return &store.Error{Status: 403, Name: "forbidden", Reason: reason}
}

// checkUser holds the shape that CouchDB's own validation of _users asks for.
func checkUser(id string, m map[string]json.RawMessage) error {
	var name, kind string
	var roles []json.RawMessage
	if json.Unmarshal(m["type"], &kind) != nil || kind != "user" {
		return forbidden("doc.type must be user")
	}
	if json.Unmarshal(m["name"], &name) != nil || name == "" {
		return forbidden("doc.name is required")
	}
	switch {
	case m["roles"] == nil:
		return forbidden("doc.roles must exist")
	case m["roles"][0] != '[':
		return forbidden("doc.roles must be an array")
	case json.Unmarshal(m["roles"], &roles) != nil, slices.ContainsFunc(roles, func(role json.RawMessage) bool { return role[0] != '"' }):
		return forbidden("doc.roles can only contain strings")
	}
	if id != userPrefix+name {
		return forbidden("Doc ID must be of the form org.couchdb.user:name")
	}
	return checkHash(m)
}

// checkHash holds the fields of a password that was hashed before.
func checkHash(m map[string]json.RawMessage) error {
	if isString(m["password_sha"]) && !isString(m["salt"]) {
		return forbidden("Users with password_sha must have a salt.")
	}
	raw, ok := m["password_scheme"]
	if !ok || string(raw) == "null" {
		return nil
	}
	var scheme string
	if json.Unmarshal(raw, &scheme) != nil || !slices.Contains([]string{"", "simple", "pbkdf2", "bcrypt"}, scheme) {
		return forbidden("Password scheme `" + strings.Trim(string(raw), `"`) + "` not supported.")
	}
	if scheme != "pbkdf2" {
		return nil
	}
	var rounds float64
	if m["iterations"] == nil || json.Unmarshal(m["iterations"], &rounds) != nil {
		return forbidden("iterations must be a number.")
	}
	if !isString(m["derived_key"]) {
		return forbidden("derived_key must be a string.")
	}
	return nil
}

func isString(raw json.RawMessage) bool { return len(raw) > 2 && raw[0] == '"' }
