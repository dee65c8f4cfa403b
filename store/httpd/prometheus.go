package httpd

import (
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// exposition is text in Prometheus' format, in which CouchDB's names are used for what is CouchDB's.
type exposition struct{ b []byte }

// sample is one value of a metric, with its labels as they are written.
type sample struct {
	labels string
	value  int64
}

func (e *exposition) metric(name, kind, about string, samples ...sample) {
	e.b = fmt.Appendf(e.b, "# HELP couchdb_%s %s\n# TYPE couchdb_%s %s\n", name, about, name, kind)
	for _, s := range samples {
		e.b = fmt.Appendf(e.b, "couchdb_%s%s %d\n", name, s.labels, s.value)
	}
}

func (e *exposition) counter(name, about string, value int64) {
	e.metric(name+"_total", "counter", about, sample{value: value})
}

func (e *exposition) gauge(name, about string, value int64) {
	e.metric(name, "gauge", about, sample{value: value})
}

// prometheus answers _prometheus: _stats and _system, for Prometheus.
func (c *call) prometheus() error {
	if err := c.allow(http.MethodGet); err != nil {
		return err
	}
	var e exposition
	e.requests(&c.s.counts)
	e.documents(&c.s.counts)
	e.replications(c.s)
	e.gauge("open_databases", "number of open databases", int64(len(c.s.store.Databases())))
	e.gauge("compactions", "number of compactions that run or wait", int64(len(c.s.store.Compactions())))
	e.process(c.s.counts.seconds())
	h := c.w.Header()
	h.Set("Content-Type", "text/plain; version=2.0")
	h.Set("Cache-Control", "must-revalidate")
	h.Set("Content-Length", strconv.Itoa(len(e.b)))
	c.w.WriteHeader(http.StatusOK)
	if c.r.Method != http.MethodHead {
		_, _ = c.w.Write(e.b) // a reader that has gone is no error of ours
	}
	return nil
}

// summary tells of the last ten seconds of a histogram.
func (e *exposition) summary(name, about string, d distribution) {
	const perSecond = 1000 // CouchDB divides all of them, numbers of documents too
	e.b = fmt.Appendf(e.b, "# HELP couchdb_%s_seconds %s\n# TYPE couchdb_%s_seconds summary\n", name, about, name)
	for i, p := range percentiles {
		e.b = fmt.Appendf(e.b, "couchdb_%s_seconds{quantile=\"%v\"} %v\n", name, p[1], d.Percentile[i][1]/perSecond)
	}
	e.b = fmt.Appendf(e.b, "couchdb_%s_seconds_sum %v\ncouchdb_%s_seconds_count %v\n", name, d.N*d.ArithmeticMean/perSecond, name, d.N)
}

// documents are the figures of reads and writes, and of passwords.
func (e *exposition) documents(c *counts) {
	known, unknown := c.known.Load(), c.unknown.Load()
	e.counter("auth_cache_requests", "number of passwords that were checked", known+unknown)
	e.counter("auth_cache_misses", "number of passwords of users whose hash was computed", unknown)
	e.counter("database_reads", "number of documents read from databases", c.reads.Load())
	e.counter("database_writes", "number of times a database was written to", c.writes.Load())
	e.counter("document_writes", "number of documents written", c.documents.Load())
	e.counter("document_inserts", "number of new documents among them", c.inserts.Load())
	e.counter("local_document_writes", "number of _local documents written", c.locals.Load())
	e.summary("request_time", "time from a request to the end of its answer", c.shown(&c.times, perMillisecond))
	e.summary("dbinfo", "time that the state of a database took", c.shown(&c.infos, perMillisecond))
	e.summary("httpd_bulk_docs", "thousands of documents of one _bulk_docs", c.shown(&c.batches, 1))
}

// replications are those that there are now.
func (e *exposition) replications(s *Server) {
	running, crashed := s.replicator.Count()
	e.gauge("couch_replicator_jobs_running", "number of replications that run", int64(running))
	e.gauge("couch_replicator_jobs_crashed", "number of replications that failed and are tried again", int64(crashed))
	e.gauge("couch_replicator_jobs_total", "number of replications", int64(running+crashed))
}

// requests are the server's own figures, those of _stats.
func (e *exposition) requests(c *counts) {
	var methods, statuses []sample
	for i, name := range countedMethods[:len(countedMethods)-1] {
		methods = append(methods, sample{`{method="` + name + `"}`, c.methods[i].Load()})
	}
	for _, status := range countedStatuses {
		statuses = append(statuses, sample{`{code="` + strconv.Itoa(status) + `"}`, c.statuses[status].Load()})
	}
	e.counter("httpd_requests", "number of HTTP requests", c.requests.Load())
	e.counter("httpd_aborted_requests", "number of requests whose answers were cut off", c.aborted.Load())
	e.counter("httpd_bulk_requests", "number of bulk requests", c.bulk.Load())
	e.gauge("httpd_clients_requesting_changes", "number of clients for continuous _changes", c.feeds.Load())
	e.metric("httpd_request_methods", "counter", "number of HTTP requests by method", methods...)
	e.metric("httpd_status_codes", "counter", "number of HTTP responses by status code", statuses...)
}

// process are the figures of the process. Those that CouchDB has of Erlang have other names here.
func (e *exposition) process(uptime int64) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	e.metric("uptime_seconds", "counter", "couchdb uptime", sample{value: uptime})
	e.metric("go_memory_bytes", "gauge", "size of memory by its use",
		sample{`{memory_type="heap"}`, int64(m.HeapSys)},        //nolint:gosec // far below the largest
		sample{`{memory_type="heap_used"}`, int64(m.HeapAlloc)}, //nolint:gosec // likewise
		sample{`{memory_type="total"}`, int64(m.Sys)})           //nolint:gosec // likewise
	e.counter("go_gc_collections", "number of garbage collections", int64(m.NumGC))
	e.gauge("go_goroutines", "number of goroutines", int64(runtime.NumGoroutine()))
}

// smoosh answers _smoosh/status with the compactions, as the channels of CouchDB's compaction daemon.
func (c *call) smoosh(path []string) error {
	if !slices.Equal(path, []string{"status"}) {
		return missingPath()
	}
	if err := c.allow(http.MethodGet); err != nil {
		return err
	}
	type queue struct {
		Size int `json:"size"`
		Min  int `json:"min"`
		Max  int `json:"max"`
	}
	type channel struct {
		Starting int   `json:"starting"`
		Waiting  queue `json:"waiting"`
		Active   int   `json:"active"`
	}
	channels := map[string]*channel{}
	for name := range strings.FieldsSeq("ratio_dbs slack_dbs upgrade_dbs ratio_views slack_views upgrade_views index_cleanup") {
		channels[name] = new(channel)
	}
	for _, running := range c.s.store.Compactions() {
		if running.Started.IsZero() {
			channels["ratio_dbs"].Waiting.Size++
		} else {
			channels["ratio_dbs"].Active++
		}
	}
	return c.answerValue(map[string]any{"channels": channels})
}
