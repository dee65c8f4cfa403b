package embedded

import (
	"context"
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
)

// Options say what to serve, and where.
type Options struct {
	Listen  string            // host:port; port 0 takes a free one
	Data    string            // the folder, made where it is not there
	Admins  map[string]string // users and their passwords
	Relaxed bool              // writes are answered before they are on disk
	Limits  Limits
	Version string
	Log     logrus.FieldLogger
	FS      vfs.FS // nil is the operating system's
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
	first, err := o.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", o.Listen)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listening for the store: %w", err), first.handler.Close(), first.store.Close())
	}
	if o.Relaxed {
		o.Log.Warn(`store.durability is "relaxed": a power cut, or the death of this process, can cost the writes of the last second or so`)
	}
	server := &Server{options: o, address: listener.Addr().String(), failed: make(chan error, 1), watched: make(chan struct{})}
	server.opened.Store(first)
	server.http = &http.Server{Handler: server, ReadHeaderTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute}
	watch, unwatch := context.WithCancel(context.WithoutCancel(ctx))
	server.unwatch = unwatch
	go server.watch(watch)
	go func() {
		err := server.http.Serve(listener)
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		server.failed <- err
	}()
	return server, nil
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
