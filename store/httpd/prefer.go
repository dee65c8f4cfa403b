package httpd

import (
	"net/http"
	"slices"
	"strings"
)

// minimalHeaders are those of an answer to who asks for few, unless the settings name others.
const minimalHeaders = "Cache-Control, Content-Length, Content-Range, Content-Type, ETag, Server, Transfer-Encoding, Vary"

// minimal wraps the answer to a client that prefers few headers, which are a good part of small answers.
func (c *call) minimal() {
	if strings.EqualFold(c.r.Header.Get("Prefer"), "return=minimal") {
		c.w = &minimalWriter{ResponseWriter: c.w, keep: c.s.settings.now().minimalHeaders}
	}
}

// minimalWriter leaves out headers that are not among those to keep.
type minimalWriter struct {
	http.ResponseWriter

	keep  []string
	begun bool
}

func (w *minimalWriter) begin() {
	if w.begun {
		return
	}
	w.begun = true
	h := w.Header()
	for name := range h {
		if !slices.ContainsFunc(w.keep, func(kept string) bool { return strings.EqualFold(kept, name) }) {
			delete(h, name)
		}
	}
}

func (w *minimalWriter) WriteHeader(status int) {
	w.begin()
	w.ResponseWriter.WriteHeader(status)
}

func (w *minimalWriter) Write(b []byte) (int, error) {
	w.begin()
	return w.ResponseWriter.Write(b)
}

// FlushError is for http.ResponseController, and sends what goes before the body, too.
func (w *minimalWriter) FlushError() error {
	w.begin()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Unwrap is for http.ResponseController.
func (w *minimalWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
