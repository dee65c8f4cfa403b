package httpd

import (
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/adlayer/after/store"
)

// counts are the server's own figures, for _stats.
type counts struct {
	started time.Time

	requests, aborted atomic.Int64      // that were answered, and whose answers were cut off
	methods           [8]atomic.Int64   // in the order of countedMethods
	statuses          [600]atomic.Int64 // by number
	bulk              atomic.Int64      // _bulk_docs and _bulk_get
	feeds             atomic.Int64      // open now
	reads             atomic.Int64      // documents
	writes            atomic.Int64      // writes of one document or several
	documents         atomic.Int64      // that were written
	inserts           atomic.Int64      // new ones among them
	locals            atomic.Int64      // _local documents that were written
	known, unknown    atomic.Int64      // passwords that were remembered, and that had to be computed
	rejects           atomic.Int64      // documents that validation functions refused
	times             histogram         // of requests, in microseconds
	infos             histogram         // of GET /db, likewise
	batches           histogram         // documents of one _bulk_docs
}

var countedMethods = [8]string{ //nolint:gochecknoglobals // a constant table
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete, "COPY", http.MethodOptions, "other",
}

// begin counts a request, and its answer when that begins; end must follow.
func (c *counts) begin(w http.ResponseWriter, r *http.Request) *countedWriter {
	i := 0
	for i < len(countedMethods)-1 && countedMethods[i] != r.Method {
		i++
	}
	c.methods[i].Add(1)
	return &countedWriter{ResponseWriter: w, counts: c, arrived: time.Since(c.started)}
}

// end counts how long the request took. Where its handler was broken off, the answer was too.
func (w *countedWriter) end() {
	if !w.whole {
		w.counts.aborted.Add(1)
		return
	}
	w.counts.requests.Add(1)
	w.counts.took(&w.counts.times, w.arrived)
}

// took adds to a histogram how long it is since a time that is counted from the start.
func (c *counts) took(h *histogram, since time.Duration) {
	now := time.Since(c.started)
	h.add(int64(now/time.Second), uint64(max(now-since, 0)/time.Microsecond))
}

// wrote counts documents that were written, those of replicators too.
func (c *counts) wrote(results []store.Result) {
	var documents, inserts, locals int64
	for i := range results {
		switch {
		case results[i].Err != nil:
		case strings.HasPrefix(results[i].ID, localPrefix):
			locals++
		default:
			documents++
			if results[i].New {
				inserts++
			}
		}
	}
	c.writes.Add(1)
	c.documents.Add(documents)
	c.inserts.Add(inserts)
	c.locals.Add(locals)
}

// seconds are those since the start.
func (c *counts) seconds() int64 { return int64(time.Since(c.started) / time.Second) }

type countedWriter struct {
	http.ResponseWriter

	counts  *counts
	arrived time.Duration // after the start
	begun   bool
	whole   bool // its handler came to its end
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
