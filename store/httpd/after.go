package httpd

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/adlayer/after/store"
)

// after serves what is the store's own and not CouchDB's. No database can have its name.
func (c *call) after() error {
	if err := c.needAdmin(); err != nil {
		return err
	}
	switch strings.Join(c.path[1:], "/") {
	case "store/stats":
		return c.stats()
	case "store/backup":
		return c.backup()
	}
	return store.NotFound("missing")
}

func (c *call) stats() error {
	if err := c.allow(http.MethodGet, http.MethodHead); err != nil {
		return err
	}
	stats, err := c.s.store.Stats()
	if err != nil {
		return err
	}
	body, err := json.Marshal(stats)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, body)
}

// backup copies the store into a new folder of the server's machine.
func (c *call) backup() error {
	if err := c.allow(http.MethodPost); err != nil {
		return err
	}
	if err := c.wantJSON(); err != nil {
		return err
	}
	members, err := c.object(false)
	if err != nil {
		return err
	}
	var folder string
	if json.Unmarshal(members["folder"], &folder) != nil || !filepath.IsAbs(folder) {
		return store.BadRequest("`folder` must be the whole path of a new folder on the server's machine.")
	}
	if err := c.s.store.Backup(c.r.Context(), filepath.Clean(folder)); err != nil {
		return err
	}
	return c.ok()
}
