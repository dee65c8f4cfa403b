package httpd

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/adlayer/after/store"
)

// database answers what is addressed to a database.
func (c *call) database() error {
	name := c.path[0]
	if err := c.mayAsk(name, c.path[1:]); err != nil {
		return err
	}
	if what, ok := serverMissing[name]; ok {
		return store.NotImplemented(what)
	}
	c.path = c.path[1:]
	if len(c.path) == 0 {
		switch c.r.Method {
		case http.MethodPut:
			return c.createDatabase(name)
		case http.MethodDelete:
			return c.dropDatabase(name)
		}
	}
	db, err := c.s.store.Database(name)
	if err != nil {
		return err
	}
	c.db = db
	if err := c.needMember(); err != nil {
		return err
	}
	if err := c.guardUsers(); err != nil {
		return err
	}
	if len(c.path) == 0 {
		return c.root()
	}
	if serve, ok := databaseRoutes[c.path[0]]; ok {
		return serve(c)
	}
	return c.document()
}

// databaseRoutes are the paths of a database that are no documents.
var databaseRoutes = map[string]func(*call) error{ //nolint:gochecknoglobals // a constant table
	"_all_docs":           (*call).allDocs,
	"_design_docs":        (*call).designDocs,
	"_local_docs":         (*call).localDocs,
	"_bulk_docs":          (*call).bulkDocs,
	"_bulk_get":           (*call).bulkGet,
	"_changes":            (*call).changes,
	"_revs_diff":          (*call).revsDiff,
	"_missing_revs":       (*call).missingRevs,
	"_find":               (*call).findRoute,
	"_explain":            (*call).findRoute,
	"_index":              (*call).findRoute,
	"_security":           (*call).security,
	"_revs_limit":         (*call).revsLimit,
	"_ensure_full_commit": (*call).fullCommit,
	"_compact":            (*call).compact,
	"_view_cleanup":       (*call).viewCleanup,
	"_purge":              missing("Purging (_purge)"),
	"_purged_infos":       (*call).purgedInfos,
	"_purged_infos_limit": (*call).purgesLimit,
	"_shards":             (*call).shards,
	"_sync_shards":        (*call).syncShards,
	"_partition":          missing("Partitions (_partition)"),
	"_search":             missing("Text search (_search)"),
	"_search_cleanup":     missing("Text search (_search_cleanup)"),
	"_nouveau_cleanup":    missing("Text search (_nouveau_cleanup)"),
	"_temp_view":          missing("Temporary views (_temp_view)"),
	"_auto_purge":         missing("Purging (_auto_purge)"),
}

func missing(what string) func(*call) error {
	return func(*call) error { return store.NotImplemented(what) }
}

func (c *call) createDatabase(name string) error {
	if err := c.needAdmin(); err != nil {
		return err
	}
	shards, err := c.clusterOptions()
	if err != nil {
		return err
	}
	switch c.q.Get("partitioned") {
	case "", "false":
	case "true":
		return store.NotImplemented("A partitioned database")
	default:
		return store.BadRequest("Invalid `partitioned` parameter")
	}
	db, err := c.s.store.CreateSharded(c.ctx(), name, shards)
	if err == nil && c.s.settings.now().openToAll && !strings.HasPrefix(name, "_") {
		err = db.SetSecurity(c.ctx(), json.RawMessage("{}"))
	}
	if err != nil {
		return err
	}
	c.s.keepAuthDesign(c.ctx(), db)
	c.w.Header().Set("Location", c.base()+"/"+escape(name))
	return c.answer(http.StatusCreated, []byte(`{"ok":true}`))
}

func (c *call) dropDatabase(name string) error {
	if err := c.needAdmin(); err != nil {
		return err
	}
	if c.q.Has("rev") {
		return store.BadRequest("You tried to DELETE a database with a ?=rev parameter. Did you mean to DELETE a document instead?")
	}
	if err := c.s.store.DropDatabase(c.ctx(), name); err != nil {
		return err
	}
	return c.ok()
}

// escape encodes one part of a path as CouchDB does in Location.
func escape(part string) string {
	return strings.ReplaceAll(url.QueryEscape(part), "+", "%20")
}

// root is the database itself.
func (c *call) root() error {
	switch c.r.Method {
	case http.MethodGet, http.MethodHead:
		began := time.Since(c.s.counts.started)
		b, err := appendInfo(nil, c.db)
		c.s.counts.took(&c.s.counts.infos, began)
		if err != nil {
			return err
		}
		return c.answer(http.StatusOK, b)
	case http.MethodPost:
		return c.postDocument()
	}
	return c.allow(http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodPost)
}

// diskBlock is in what pieces disks give room.
const diskBlock = 4096

// appendInfo adds what GET /db answers. What it says of sizes is about right: the databases of a store share their files.
func appendInfo(b []byte, db *store.Database) ([]byte, error) {
	snap, err := db.Snapshot()
	if err != nil {
		return nil, err
	}
	st := snap.Stats()
	_ = snap.Close() // the reads have told all there is
	b = append(b, `{"instance_start_time":"`...)
	b = strconv.AppendInt(b, db.Created().Unix(), 10)
	b = append(b, `","db_name":`...)
	b = store.AppendString(b, db.Name())
	b = append(b, `,"purge_seq":"0-`...)
	b = append(b, seqTag(db)...)
	b = append(b, `","update_seq":"`...)
	b = appendSeq(b, db, st.Seq)
	live := strconv.FormatUint(st.Live, 10)
	b = strconv.AppendUint(append(b, `","sizes":{"file":`...), (st.Disk/diskBlock+1)*diskBlock, 10)
	b = append(b, `,"external":`+live+`,"active":`+live+`},"props":{},"doc_del_count":`...)
	b = strconv.AppendInt(b, st.Deleted, 10)
	b = append(b, `,"doc_count":`...)
	b = strconv.AppendInt(b, st.Docs, 10)
	b = append(b, `,"disk_format_version":8,"compact_running":`...)
	b = strconv.AppendBool(b, db.Compacting())
	b = strconv.AppendInt(append(b, `,"cluster":{"q":`...), int64(db.Shards()), 10)
	return append(b, `,"n":1,"w":1,"r":1}}`...), nil
}

func (c *call) findRoute() error {
	if c.path[0] != "_index" {
		if err := c.allow(http.MethodPost); err != nil {
			return err
		}
	} else if c.r.Method != http.MethodGet && c.r.Method != http.MethodHead {
		if err := c.mayWrite(designPrefix); err != nil {
			return err
		}
	}
	return c.find()
}

func (c *call) fullCommit() error {
	if err := c.allow(http.MethodPost); err != nil {
		return err
	}
	if err := c.wantJSON(); err != nil {
		return err
	}
	at := strconv.FormatInt(c.db.Created().Unix(), 10)
	return c.answer(http.StatusCreated, []byte(`{"ok":true,"instance_start_time":"`+at+`"}`))
}

func (c *call) compact() error {
	if err := c.maintenance(); err != nil {
		return err
	}
	if err := c.wantJSON(); err != nil {
		return err
	}
	if len(c.path) > 1 { // a view's files: there are none, but the design document must be there
		if _, err := c.designMember(c.path[1]); err != nil {
			return err
		}
		return c.answer(http.StatusAccepted, []byte(`{"ok":true}`))
	}
	c.db.Compact()
	return c.answer(http.StatusAccepted, []byte(`{"ok":true}`))
}

func (c *call) viewCleanup() error {
	if err := c.maintenance(); err != nil {
		return err
	}
	return c.answer(http.StatusAccepted, []byte(`{"ok":true}`))
}

func (c *call) maintenance() error {
	if err := c.allow(http.MethodPost); err != nil {
		return err
	}
	return c.databaseAdmin(unauthorized("You are not a server or db admin."))
}

func (c *call) revsLimit() error {
	return c.number(c.db.RevsLimit(), func(text string) error {
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return store.BadRequest("`revs_limit` must be a positive integer")
		}
		return c.db.SetRevsLimit(c.ctx(), n)
	})
}

// purgedInfos lists what was purged. There is nothing yet.
func (c *call) purgedInfos() error {
	if err := c.allow(http.MethodGet); err != nil {
		return err
	}
	return c.answer(http.StatusOK, []byte(`{"purged_infos":[]}`))
}

// purgesLimit shows and keeps how many purges a database would remember. There are none yet.
func (c *call) purgesLimit() error {
	return c.number(c.db.PurgesLimit(), func(text string) error {
		n, err := strconv.ParseUint(text, 10, 31)
		if err != nil || n == 0 {
			return store.BadRequest("`purged_infos_limit` must be positive integer")
		}
		return c.db.SetPurgesLimit(c.ctx(), n)
	})
}

// number shows a number of the database, or lets its administrators change it.
func (c *call) number(now uint64, change func(text string) error) error {
	switch c.method() {
	case http.MethodGet:
		return c.answer(http.StatusOK, strconv.AppendUint(nil, now, 10))
	case http.MethodPut:
	default:
		return c.allow(http.MethodPut, http.MethodGet)
	}
	if err := c.databaseAdmin(unauthorized(notDatabaseAdmin)); err != nil {
		return err
	}
	raw, done, err := c.body()
	if err != nil {
		return err
	}
	defer done()
	if raw, err = store.Canonical(raw); err != nil {
		return err
	}
	if err := change(string(raw)); err != nil {
		return err
	}
	return c.ok()
}

// positive reads a whole number above 0.
func positive(text string) (int, bool) {
	n, err := strconv.ParseInt(text, 10, 32)
	return int(n), err == nil && n > 0
}

func (c *call) security() error {
	switch c.method() {
	case http.MethodGet:
		raw := c.db.Security()
		if raw == nil {
			raw = json.RawMessage(defaultSecurity)
		}
		return c.answer(http.StatusOK, bytes.Clone(raw))
	case http.MethodPut:
	default:
		return c.allow(http.MethodPut, http.MethodGet)
	}
	if err := c.databaseAdmin(unauthorized(notDatabaseAdmin)); err != nil {
		return err
	}
	if c.db.Name() == usersDatabase && !c.s.settings.UsersSecurityEditable() {
		return forbidden("You can't edit the security object of the user database.")
	}
	raw, done, err := c.body()
	if err != nil {
		return err
	}
	defer done()
	if raw, err = store.Canonical(raw); err != nil {
		return err
	}
	if err := checkSecurity(raw); err != nil {
		return err
	}
	if err := c.db.SetSecurity(c.ctx(), raw); err != nil {
		return err
	}
	return c.ok()
}
