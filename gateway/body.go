package gateway

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

// body reads the body of a request, within the limits. release gives its memory back and is never nil.
func (x *exchange) body() (body []byte, release func(), err error) {
	if x.r.ContentLength > x.opts.MaxBody {
		return nil, func() {}, &http.MaxBytesError{Limit: x.opts.MaxBody}
	}
	counted := &metered{Reader: http.MaxBytesReader(x.w, x.r.Body, x.opts.MaxBody), counter: &x.held, most: x.opts.BodyMemory}
	body, err = io.ReadAll(counted)
	// From here on the connection is watched for the client's going, which must not run into a deadline. What cannot be set has none.
	_ = http.NewResponseController(x.w).SetReadDeadline(time.Time{})
	if err == nil {
		return body, counted.release, nil
	}
	counted.release()
	return nil, func() {}, unread(err)
}

// wantsJSON refuses a body that is not said to be JSON.
func (x *exchange) wantsJSON() error {
	if media, _, err := mime.ParseMediaType(x.r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return contentType("send JSON (application/json), and say so in Content-Type")
	}
	return nil
}

// unread is why a body could not be read.
func unread(err error) error {
	if _, ok := errors.AsType[*refusal](err); ok {
		return err
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return err
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &refusal{status: http.StatusRequestTimeout, Name: "timeout", Reason: "the body did not arrive in time"}
	}
	return bad("", "the body cannot be read to its end: %v", err)
}

// metered counts the bytes of bodies that are somewhere, all requests together.
type metered struct {
	io.Reader

	counter *atomic.Int64
	most    int64
	took    int64
}

func (m *metered) Read(into []byte) (int, error) {
	n, err := m.Reader.Read(into)
	m.took += int64(n)
	if m.counter.Add(int64(n)) > m.most {
		return n, busy("the requests under way take all the memory that there is for them; try again")
	}
	return n, err
}

func (m *metered) release() {
	m.counter.Add(-m.took)
	m.took = 0
}
