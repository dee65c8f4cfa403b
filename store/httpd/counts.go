package httpd

import (
	"maps"
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/adlayer/after/store"
)

// counts are the server's own figures, for _stats.
type counts struct {
	requests atomic.Int64
	methods  [8]atomic.Int64 // in the order of countedMethods
	statuses [600]atomic.Int64
	bulk     atomic.Int64
	feeds    atomic.Int64 // open now
}

var countedMethods = [8]string{ //nolint:gochecknoglobals // a constant table
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete, "COPY", http.MethodOptions, "other",
}

// begin counts a request, and its answer when that begins.
func (c *counts) begin(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
	c.requests.Add(1)
	i := 0
	for i < len(countedMethods)-1 && countedMethods[i] != r.Method {
		i++
	}
	c.methods[i].Add(1)
	return &countedWriter{ResponseWriter: w, counts: c}
}

type countedWriter struct {
	http.ResponseWriter

	counts *counts
	begun  bool
}

func (w *countedWriter) WriteHeader(status int) {
	if !w.begun && status >= http.StatusOK && status < len(w.counts.statuses) {
		w.begun = true
		w.counts.statuses[status].Add(1)
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *countedWriter) Write(b []byte) (int, error) {
	if !w.begun {
		w.begun = true
		w.counts.statuses[http.StatusOK].Add(1)
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (w *countedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// metric is one figure as CouchDB shows it.
func metric(kind string, value int64, about string) map[string]any {
	return map[string]any{"value": value, "type": kind, "desc": about}
}

func counter(value *atomic.Int64, about string) map[string]any {
	return metric("counter", value.Load(), about)
}

// stats are the figures, in groups.
func (s *Server) stats() map[string]any {
	c := &s.counts
	methods, statuses := map[string]any{}, map[string]any{}
	for i, name := range countedMethods[:len(countedMethods)-1] {
		methods[name] = counter(&c.methods[i], "number of HTTP "+name+" requests")
	}
	for _, status := range countedStatuses {
		statuses[strconv.Itoa(status)] = counter(&c.statuses[status], "number of HTTP "+strconv.Itoa(status)+" "+http.StatusText(status)+" responses")
	}
	return map[string]any{"couchdb": map[string]any{
		"httpd": map[string]any{
			"requests":                   counter(&c.requests, "number of HTTP requests"),
			"bulk_requests":              counter(&c.bulk, "number of bulk requests"),
			"clients_requesting_changes": counter(&c.feeds, "number of clients for continuous _changes"),
		},
		"httpd_request_methods": methods,
		"httpd_status_codes":    statuses,
		"open_databases":        metric("counter", int64(len(s.store.Databases())), "number of open databases"),
	}}
}

var countedStatuses = []int{ //nolint:gochecknoglobals // a constant table
	200, 201, 202, 204, 206, 301, 302, 304, 400, 401, 403, 404, 405, 406, 409, 412, 413, 414, 415, 416, 417, 500, 501, 503,
}

// nodeStats shows the figures, or those of a group.
func (c *call) nodeStats(path []string) error {
	group := c.s.stats()
	for _, name := range path {
		next, ok := group[name].(map[string]any)
		if !ok {
			return store.NotFound("missing")
		}
		group = maps.Clone(next)
	}
	return c.answerValue(group)
}
