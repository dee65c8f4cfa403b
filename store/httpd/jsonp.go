package httpd

import (
	"net/http"
	"regexp"

	"github.com/adlayer/after/store"
)

// callbackForm is what a function may be called that an answer is given to.
var callbackForm = regexp.MustCompile(`^[A-Za-z0-9._\[\]]+$`)

// padded wraps the answer to a web page of old that takes JSON as a script, where the settings allow that: any page can read what its visitor may.
func (c *call) padded() error {
	if !c.s.settings.now().jsonp {
		return nil
	}
	callback := c.r.URL.Query().Get("callback")
	if callback == "" {
		return nil
	}
	if !callbackForm.MatchString(callback) {
		return store.BadRequest("invalid_callback")
	}
	c.jsonp = &jsonpWriter{ResponseWriter: c.w, callback: callback, head: c.r.Method == http.MethodHead}
	c.w = c.jsonp
	return nil
}

// jsonpWriter makes a JSON answer the call of a function. Other answers, such as attachments, go through as they are.
type jsonpWriter struct {
	http.ResponseWriter

	callback string
	head     bool // there is no body
	json     bool // the answer is JSON
	begun    bool // the call has been opened
	line     bool // a line's end is held back: it may be the last
}

func (w *jsonpWriter) WriteHeader(status int) {
	if w.json {
		w.Header().Set("Content-Type", "application/javascript")
		w.Header().Del("Content-Length")
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *jsonpWriter) Write(b []byte) (int, error) {
	if !w.json || len(b) == 0 {
		return w.ResponseWriter.Write(b)
	}
	var front []byte
	if !w.begun {
		w.begun = true
		w.Header().Set("Content-Type", "application/javascript")
		front = []byte("/* CouchDB */" + w.callback + "(")
	}
	if w.line {
		front = append(front, '\n')
	}
	text := b
	if w.line = b[len(b)-1] == '\n'; w.line {
		text = b[:len(b)-1]
	}
	if len(front) > 0 {
		if _, err := w.ResponseWriter.Write(front); err != nil {
			return 0, err
		}
	}
	if n, err := w.ResponseWriter.Write(text); err != nil {
		return n, err
	}
	return len(b), nil
}

// end closes the call.
func (w *jsonpWriter) end() {
	if w != nil && w.begun && !w.head {
		_, _ = w.ResponseWriter.Write([]byte(");\n")) // a reader that has gone is no error of ours
	}
}

// Unwrap is for http.ResponseController.
func (w *jsonpWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
