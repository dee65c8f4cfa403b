package embedded

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/sirupsen/logrus"

	"github.com/adlayer/after/store/httpd"
)

// Options say what to serve, and where.
type Options struct {
	Listen  string            // host:port; port 0 takes a free one
	Data    string            // the folder, made where it is not there
	Admins  map[string]string // users and their passwords
	Relaxed bool              // writes are answered before they are on disk
	Limits  Limits
	Version string
	// Certificate and Key are files in PEM form, with which it speaks https; empty for http.
	Certificate, Key string
	// Under makes the handlers of paths below /_after/; it gets a way to the store that needs no socket, which works once Serve has returned.
	// Nil: there are none.
	Under func(store http.RoundTripper) (map[string]httpd.Mounted, error)
	// HTTP has what the protocol can be told beyond that: bounds of requests, sessions, other origins. What stands above goes before it.
	HTTP httpd.Options
	Log  logrus.FieldLogger
	FS   vfs.FS // nil is the operating system's
	// Tidy keeps the memory of the whole process small; it is for the program, not for tests.
	Tidy bool
}

// Limits bound what requests bring, until they are changed over HTTP. Sizes are in bytes, and 0 means the store's own limit.
type Limits struct {
	Document   int
	Attachment int64 // negative: none
	Request    int64
	ID         int // 0: none
	BulkDocs   int // documents of one request
	BulkGet    int
}

// Server is a store being served.
type Server struct {
	options Options
	opened  atomic.Pointer[opened]
	http    *http.Server
	address string
	failed  chan error // the listener's end, once

	unwatch context.CancelFunc
	watched chan struct{} // closed when nobody watches any more
	closed  bool          // what is opened was closed; the watch has it, and who waited for its end
}

// goodbye is how long answers under way may take when the server closes.
const goodbye = 3 * time.Second

// Serve opens the store and serves it until Close; the end of ctx does not end it. A folder that another process holds is a store.HeldError.
func Serve(ctx context.Context, o Options) (*Server, error) {
	server := &Server{failed: make(chan error, 1), watched: make(chan struct{})}
	if o.Under != nil {
		var err error
		if o.HTTP.Under, err = o.Under(httpd.Inside(server)); err != nil {
			return nil, err
		}
	}
	first, err := o.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	listener, secure, err := o.listen(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listening for the store: %w", err), first.handler.Close(), first.store.Close())
	}
	if o.Relaxed {
		o.Log.Warn(`store.durability is "relaxed": a power cut, or the death of this process, can cost the writes of the last second or so`)
	}
	server.options, server.address = o, listener.Addr().String()
	server.opened.Store(first)
	server.http = o.HTTP.Limits.HTTPServer(server)
	server.http.TLSConfig = secure
	watch, unwatch := context.WithCancel(context.WithoutCancel(ctx))
	server.unwatch = unwatch
	go server.watch(watch)
	go func() {
		serve := server.http.Serve
		if secure != nil {
			serve = func(l net.Listener) error { return server.http.ServeTLS(l, "", "") }
		}
		err := serve(listener)
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		server.failed <- err
	}()
	return server, nil
}

// listen opens the listener. secure is nil for one without TLS.
func (o Options) listen(ctx context.Context) (listener net.Listener, secure *tls.Config, err error) {
	if o.Certificate != "" {
		if secure, err = Secured(o.Certificate, o.Key, o.Log); err != nil {
			return nil, nil, fmt.Errorf("store.tls: %w", err)
		}
	}
	inner, err := new(net.ListenConfig).Listen(ctx, "tcp", o.Listen)
	if err != nil {
		return nil, nil, err
	}
	return o.HTTP.Limits.Listener(inner), secure, nil
}

// URL is the address that it answers at.
func (s *Server) URL() string {
	if s.http.TLSConfig != nil {
		return "https://" + s.address
	}
	return "http://" + s.address
}

// Address is where it listens, as host:port.
func (s *Server) Address() string { return s.address }

// Failed gives the error with which the listener ended, nil after Close.
func (s *Server) Failed() <-chan error { return s.failed }

// Close ends the feeds and the replications, lets other answers under way finish, and closes the store, whether or not ctx has ended.
func (s *Server) Close(ctx context.Context) error {
	s.unwatch()
	<-s.watched
	last := s.opened.Load()
	last.end()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close()
	}
	// After the connections, so that no reader of a feed who is slow is waited for.
	if s.closed {
		return err
	}
	return errors.Join(err, last.handler.Close(), last.store.Close())
}

// Holds says whether the folder's store is the one that a server's greeting names by uuid.
func Holds(data, uuid string) bool {
	content, err := os.ReadFile(filepath.Join(data, "after-store.json")) //nolint:gosec // the store's own folder
	if err != nil || uuid == "" {
		return false
	}
	var mark struct {
		UUID string `json:"uuid"`
	}
	return json.Unmarshal(content, &mark) == nil && mark.UUID == uuid
}
