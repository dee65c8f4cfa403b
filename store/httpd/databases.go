package httpd

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/adlayer/after/store"
)

// databaseNames are the names that a request for a list of databases asks for.
func (c *call) databaseNames() ([]string, error) {
	v, err := parseView(c.q, nil)
	if err != nil {
		return nil, err
	}
	names := c.s.store.Databases()
	if v.hasKeys {
		return v.namesAmong(names), nil
	}
	if v.r.Descending {
		slices.Reverse(names)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !v.within(name) })
	names = names[min(v.skip, len(names)):]
	return names[:min(v.limit, len(names))], nil
}

// namesAmong are the keys that are among sorted names.
func (v *viewQuery) namesAmong(names []string) []string {
	var found []string
	for _, key := range v.keys {
		var name string
		if json.Unmarshal(key, &name) == nil {
			if _, there := slices.BinarySearch(names, name); there {
				found = append(found, name)
			}
		}
	}
	return found
}

func (c *call) allDBs() error {
	if err := c.allow(http.MethodGet, http.MethodHead); err != nil {
		return err
	}
	if err := c.mayAsk(c.path[0], nil); err != nil {
		return err
	}
	names, err := c.databaseNames()
	if err != nil {
		return err
	}
	b := []byte{'['}
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = store.AppendString(b, name)
	}
	b = append(b, ']')
	if c.cached(etagOf(b)) {
		return nil
	}
	return c.answer(http.StatusOK, b)
}

// dbsInfo tells of many databases: of those that a GET asks for like _all_dbs, or of those that a POST names.
func (c *call) dbsInfo() error {
	if err := c.allow(http.MethodGet, http.MethodHead, http.MethodPost); err != nil {
		return err
	}
	if err := c.needAdmin(); err != nil {
		return err
	}
	named := c.r.Method == http.MethodPost
	names, err := c.databaseNames()
	if named {
		names, err = c.infoKeys()
	}
	if err != nil {
		return err
	}
	s := &stream{c: c}
	b := []byte{'['}
	for _, name := range names {
		db, err := c.s.store.Database(name)
		if err != nil && !named { // it has gone since
			continue
		}
		if len(b) > 1 || s.sent {
			b = append(b, ',')
		}
		b = store.AppendString(append(b, `{"key":`...), name)
		if err == nil {
			b, err = appendInfo(append(b, `,"info":`...), db)
		} else {
			b, err = append(b, `,"error":"not_found"`...), nil
		}
		if b = append(b, '}'); err == nil {
			b, err = s.more(b)
		}
		if err != nil {
			return s.end(b, err)
		}
	}
	return s.end(append(b, ']'), nil)
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
	if json.Unmarshal(keys, &names) != nil || names == nil {
		return nil, store.BadRequest("`keys` member must be an array.")
	}
	if len(names) > c.s.settings.now().maxDatabasesInfo {
		return nil, store.BadRequest("too_many_keys")
	}
	return names, nil
}
