package httpd

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/adlayer/after/store"
)

// A sequence is written N-tag; the tag names the database, so that one from an earlier database of the same name starts anew instead of
// skipping changes.

func seqTag(db *store.Database) string { return db.UUID()[:12] }

func appendSeq(b []byte, db *store.Database, seq uint64) []byte {
	b = strconv.AppendUint(b, seq, 10)
	return append(append(b, '-'), seqTag(db)...)
}

func badSince() error { return store.BadRequest("Malformed sequence supplied in 'since' parameter.") }

// parseSeq reads a since parameter. A sequence that this database never gave counts as 0: everything is sent again.
func parseSeq(text string, db *store.Database) (uint64, error) {
	text = strings.Trim(text, `"`)
	switch text {
	case "0":
		return 0, nil
	case "now":
		return db.Seq(), nil
	}
	number, tag, ok := strings.Cut(text, "-")
	n, err := strconv.ParseUint(number, 10, 64)
	if !ok || err != nil || tag == "" {
		return 0, badSince()
	}
	if tag != seqTag(db) || !db.Gave(n) {
		return 0, nil
	}
	return n, nil
}

// changesQuery is what a request asks of the feed.
type changesQuery struct {
	feed        string
	since       uint64
	limit       int // negative: none
	descending  bool
	includeDocs bool
	conflicts   bool
	allLeaves   bool
	interval    int
	heartbeat   time.Duration // 0: none
	timeout     time.Duration // 0: none
	match       func(row *store.Row) bool
	interest    store.Interest // which writes match can be true of
	// counted tells that rows which the filter drops count as pending, as CouchDB does for filters that only look at ids.
	counted bool
	fields  []string
	// function is a filter function of a design document, which is asked about many rows at once.
	function functionFilter
	updates  bool // the feed is that of _db_updates
	files    fileOptions
}

const defaultTimeout = time.Minute

func (c *call) changes() error {
	if err := c.allow(http.MethodGet, http.MethodPost, http.MethodHead); err != nil {
		return err
	}
	c.q = lowered(c.q)
	q, err := c.parseChanges()
	if err != nil {
		return err
	}
	if q.feed == "normal" && c.method() == http.MethodGet && c.cached(c.changesTag()) {
		return nil
	}
	if c.r.Method == http.MethodHead {
		return c.answer(http.StatusOK, nil)
	}
	f := feed{c: c, q: q, last: q.since, db: c.db}
	return f.run()
}

// lowered has the names of parameters in small letters, as which _changes takes them.
func lowered(q url.Values) url.Values {
	out := make(url.Values, len(q))
	for name, values := range q {
		name = strings.ToLower(name)
		out[name] = append(out[name], values...)
	}
	return out
}

func (c *call) changesTag() string {
	return etagOf([]byte(c.db.UUID() + strconv.FormatUint(c.db.Seq(), 10) + "?" + c.r.URL.RawQuery))
}

func (c *call) parseChanges() (*changesQuery, error) {
	body := map[string]json.RawMessage{}
	if c.r.Method == http.MethodPost {
		c.keep = true
		if err := c.wantJSON(); err != nil {
			return nil, err
		}
		var err error
		if body, err = c.object(true); err != nil {
			return nil, err
		}
	}
	files, err := c.fileOptions()
	if err != nil {
		return nil, err
	}
	files.letGo = !c.flag("descending")
	q := &changesQuery{
		files: files,
		feed:  c.q.Get("feed"), limit: -1, descending: c.flag("descending"), includeDocs: c.flag("include_docs"),
		conflicts: c.flag("conflicts"), interval: 1,
	}
	switch q.feed {
	case "", "normal":
		q.feed = "normal"
	case "live":
		q.feed = "continuous"
	case "continuous", "longpoll", "eventsource":
	default:
		return nil, store.BadRequest("Supported `feed` types: normal, continuous, live, longpoll, eventsource")
	}
	for _, parse := range []func(*changesQuery) error{c.parseSince, c.parseTimes, c.parseCounts} {
		if err := parse(q); err != nil {
			return nil, err
		}
	}
	return q, c.parseFilter(q, body)
}

func (c *call) parseSince(q *changesQuery) (err error) {
	for _, name := range []string{"since", "last-event-id"} {
		if c.q.Has(name) {
			q.since, err = parseSeq(c.q.Get(name), c.db)
		}
	}
	if id := c.r.Header.Get("Last-Event-ID"); err == nil && id != "" && q.feed == "eventsource" {
		q.since, err = parseSeq(id, c.db)
	}
	return err
}

func (c *call) parseTimes(q *changesQuery) error {
	q.timeout = c.s.settings.now().changesTimeout
	if c.q.Has("timeout") {
		ms, err := strconv.ParseInt(c.q.Get("timeout"), 10, 32)
		if err != nil || ms < 0 {
			return store.BadRequest("Invalid timeout value. Expecting a positive integer value (in milliseconds).")
		}
		q.timeout = max(time.Duration(ms)*time.Millisecond, time.Millisecond)
	}
	switch text := c.q.Get("heartbeat"); text {
	case "", "false":
		return nil
	case "true":
		q.heartbeat = c.s.opts.Heartbeat
	default:
		ms, err := strconv.ParseInt(text, 10, 32)
		if err == nil && ms < 1 {
			return store.BadRequest("The heartbeat value should be a positive integer (in milliseconds).")
		}
		if err != nil {
			return store.BadRequest("Invalid heartbeat value. Expecting a positive integer value (in milliseconds).")
		}
		q.heartbeat = time.Duration(ms) * time.Millisecond
	}
	q.timeout = 0
	return nil
}

func (c *call) parseCounts(q *changesQuery) error {
	if c.q.Has("limit") {
		n, err := strconv.Atoi(c.q.Get("limit"))
		if err != nil || n < 0 {
			return store.BadRequest("Invalid value for limit: %q", c.q.Get("limit"))
		}
		q.limit = n
		if n == 0 && q.feed == "longpoll" {
			q.limit = 1
		}
	}
	if c.q.Has("seq_interval") {
		n, err := strconv.Atoi(c.q.Get("seq_interval"))
		if err != nil || n < 1 {
			return store.BadRequest("invalid_seq_interval")
		}
		q.interval = n
	}
	switch c.q.Get("style") {
	case "", "main_only":
	case "all_docs":
		q.allLeaves = true
	default:
		return store.BadRequest("Supported `style` types: main_only, all_docs")
	}
	return nil
}

func (c *call) parseFilter(q *changesQuery, body map[string]json.RawMessage) error {
	switch filter := c.q.Get("filter"); filter {
	case "":
		return nil
	case "_doc_ids":
		return c.filterIDs(q, body)
	case "_selector":
		return c.filterSelector(q, body)
	case "_design":
		q.counted = true
		q.match = func(row *store.Row) bool { return strings.HasPrefix(row.ID, designPrefix) }
		return nil
	case "_view":
		return c.filterView(q)
	default:
		if filter[0] == '_' {
			return store.BadRequest("unknown builtin filter name")
		}
		return c.filterDesign(q, filter)
	}
}

func (c *call) filterIDs(q *changesQuery, body map[string]json.RawMessage) error {
	raw := []byte(body["doc_ids"])
	if c.r.Method != http.MethodPost && c.q.Has("doc_ids") {
		var err error
		if raw, err = store.Canonical([]byte(c.q.Get("doc_ids"))); err != nil {
			return err
		}
	}
	var ids []string
	if raw == nil || json.Unmarshal(raw, &ids) != nil || ids == nil {
		return store.BadRequest("`doc_ids` filter parameter is not a list of doc ids.")
	}
	wanted := make(map[string]bool, len(ids))
	for _, id := range ids {
		wanted[id] = true
	}
	q.counted = true
	q.match = func(row *store.Row) bool { return wanted[row.ID] }
	if q.limit < 0 && (q.feed == "continuous" || q.feed == "eventsource") {
		q.interest.IDs = ids // elsewhere the rows that are dropped are counted
	}
	return nil
}

func (c *call) filterSelector(q *changesQuery, body map[string]json.RawMessage) error {
	if c.r.Method != http.MethodPost {
		return store.BadRequest("Selector must be specified in POST payload")
	}
	raw := body["selector"]
	if len(raw) == 0 || raw[0] != '{' {
		return store.BadRequest("Selector error: expected a JSON object")
	}
	match, interest, err := c.s.opts.Selector(raw)
	if err != nil {
		if e := asError(err); e.Status == http.StatusBadRequest {
			return store.BadRequest("%s", e.Reason) // CouchDB has one name for all of them here
		}
		return err
	}
	if fields, ok := body["fields"]; ok && json.Unmarshal(fields, &q.fields) != nil {
		return store.BadRequest("`fields` must be a list of field names")
	}
	q.interest = interest
	var doc []byte
	q.match = func(row *store.Row) bool {
		doc = row.AppendJSON(doc[:0])
		return match(doc)
	}
	return nil
}

// project keeps the top-level fields of a document that are named, in the order of the names.
func project(doc []byte, fields []string) ([]byte, error) {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(doc, &m); err != nil {
		return nil, err
	}
	out := []byte{'{'}
	for i, name := range fields {
		value, ok := m[name]
		if !ok || slices.Contains(fields[:i], name) {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(store.AppendString(out, name), ':'), value...)
	}
	return append(out, '}'), nil
}
