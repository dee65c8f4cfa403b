package httpd

import (
	"encoding/json"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"
)

// metric is one figure as CouchDB shows it.
type metric struct {
	Value any    `json:"value"`
	Type  string `json:"type"`
	About string `json:"desc"`
}

// group are figures, and groups of them, by name.
type group map[string]any

func counter(value *atomic.Int64, about string) metric { return metric{value.Load(), "counter", about} }

func gauge(value int64, about string) metric { return metric{value, "gauge", about} }

// never is the counter of what this server does not do, for those who ask for it.
func never(what string) metric {
	return metric{0, "counter", "number of " + what + ", which this server has none of"}
}

// shown are the figures of a histogram. scale divides its values.
func (c *counts) shown(h *histogram, scale float64) distribution {
	return distributionOf(h.counted(c.seconds(), scale))
}

// perMillisecond turns microseconds into CouchDB's milliseconds.
const perMillisecond = float64(time.Millisecond / time.Microsecond)

// stats are the figures, in CouchDB's groups.
func (s *Server) stats() group {
	return group{"couchdb": s.coreStats(), "couch_replicator": s.replicatorStats()}
}

func (s *Server) coreStats() group {
	c := &s.counts
	methods, statuses := group{}, group{}
	for i, name := range countedMethods[:len(countedMethods)-1] {
		methods[name] = counter(&c.methods[i], "number of HTTP "+name+" requests")
	}
	for _, status := range countedStatuses {
		statuses[strconv.Itoa(status)] = counter(&c.statuses[status], "number of HTTP "+strconv.Itoa(status)+" "+http.StatusText(status)+" responses")
	}
	times := func(h *histogram, about string) metric {
		return metric{c.shown(h, perMillisecond), "histogram", about}
	}
	return group{
		"httpd":                 s.httpStats(),
		"httpd_request_methods": methods,
		"httpd_status_codes":    statuses,
		"request_time":          times(&c.times, "milliseconds from a request to the end of its answer"),
		"dbinfo":                times(&c.infos, "milliseconds that the state of a database took"),
		"auth_cache_hits":       counter(&c.known, "number of passwords that were known from before"),
		"auth_cache_misses":     counter(&c.unknown, "number of passwords of users whose hash was computed"),
		"database_reads":        counter(&c.reads, "number of documents read from databases"),
		"database_writes":       counter(&c.writes, "number of times a database was written to"),
		"document_writes":       counter(&c.documents, "number of documents written"),
		"document_inserts":      counter(&c.inserts, "number of new documents among them"),
		"local_document_writes": counter(&c.locals, "number of _local documents written"),
		"database_purges":       never("purges"),
		"open_databases":        metric{len(s.store.Databases()), "counter", "number of open databases"},
		"open_os_files":         metric{openFiles(), "counter", "number of file descriptors that the server has open"},
		"query_server":          group{"vdu_rejects": counter(&c.rejects, "number of documents that validation functions refused")},
	}
}

// httpStats are those of requests.
func (s *Server) httpStats() group {
	c := &s.counts
	g := group{
		"requests":                   counter(&c.requests, "number of HTTP requests"),
		"aborted_requests":           counter(&c.aborted, "number of requests whose answers were cut off"),
		"bulk_requests":              counter(&c.bulk, "number of bulk requests"),
		"bulk_docs":                  metric{c.shown(&c.batches, 1), "histogram", "documents of one _bulk_docs"},
		"clients_requesting_changes": counter(&c.feeds, "number of clients that wait for changes"),
	}
	for name, what := range map[string]string{
		"view_reads": "reads of views", "temporary_view_reads": "reads of temporary views", "view_timeouts": "views that took too long",
		"purge_requests": "purges",
	} {
		g[name] = never(what)
	}
	return g
}

// replicatorStats are those of the replications that there are now.
func (s *Server) replicatorStats() group {
	running, crashed := s.replicator.Count()
	return group{"jobs": group{
		"total":   gauge(int64(running+crashed), "number of replications"),
		"running": gauge(int64(running), "number of replications that run"),
		"crashed": gauge(int64(crashed), "number of replications that failed and are tried again"),
		"pending": gauge(0, "number of replications that wait for their turn"),
	}}
}

// openFiles counts the process's open files, 0 where the system does not tell.
func openFiles() int {
	folder, err := os.Open("/dev/fd")
	if err != nil {
		return 0
	}
	defer folder.Close() //nolint:errcheck // it was only read
	names, err := folder.Readdirnames(-1)
	if err != nil {
		return 0
	}
	return len(names) - 1 // but for this one
}

var countedStatuses = []int{ //nolint:gochecknoglobals // a constant table
	200, 201, 202, 204, 206, 301, 302, 304, 400, 401, 403, 404, 405, 406, 409, 412, 413, 414, 415, 416, 417, 500, 501, 503, 507,
}

// nodeStats shows the figures, or the part of them that a path leads to: null where there is none, as in CouchDB.
func (c *call) nodeStats(path []string) error {
	raw, err := json.Marshal(c.s.stats())
	if err != nil {
		return err
	}
	for _, name := range path {
		var members map[string]json.RawMessage
		if json.Unmarshal(raw, &members) != nil || members[name] == nil {
			raw = []byte("null")
			break
		}
		raw = members[name]
	}
	return c.answer(http.StatusOK, raw)
}
