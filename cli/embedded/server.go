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
	"time"

	"github.com/sirupsen/logrus"

	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/httpd"
	"github.com/adlayer/after/store/script"
)

// Options say what to serve, and where.
type Options struct {
	Listen  string            // host:port; port 0 takes a free one
	Data    string            // the folder, made where it is not there
	Admins  map[string]string // users and their passwords
	Relaxed bool              // writes are answered before they are on disk
	Version string
	Log     logrus.FieldLogger
}

// Server is a store being served.
type Server struct {
	store   *store.Store
	handler *httpd.Server
	http    *http.Server
	address string
	end     context.CancelFunc // of the requests
	failed  chan error         // the listener's end, once
}

// goodbye is how long answers under way may take when the server closes.
const goodbye = 3 * time.Second

// Serve opens the store and serves it until Close; the end of ctx does not end it. A folder that another process holds is a [*store.HeldError].
func Serve(ctx context.Context, o Options) (*Server, error) {
	s, err := store.Open(o.Data, store.Options{Log: o.Log, Relaxed: o.Relaxed})
	if err != nil {
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", o.Listen)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listening for the store: %w", err), s.Close())
	}
	if o.Relaxed {
		o.Log.Warn(`store.durability is "relaxed": a power cut, or the death of this process, can cost the writes of the last second or so`)
	}
	requests, end := context.WithCancel(context.WithoutCancel(ctx))
	handler := httpd.New(s, httpd.Options{Admins: o.Admins, Log: o.Log, Version: o.Version, Script: script.Options{Command: script.Self()}}) //nolint:contextcheck // what it starts outlives ctx
	server := &Server{
		store: s, handler: handler, address: listener.Addr().String(), end: end, failed: make(chan error, 1),
		http: &http.Server{
			Handler:           handler,
			ReadHeaderTimeout: 30 * time.Second,
			IdleTimeout:       2 * time.Minute,
			BaseContext:       func(net.Listener) context.Context { return requests },
		},
	}
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
	s.end()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close()
	}
	// After the connections, so that no reader of a feed who is slow is waited for.
	return errors.Join(err, s.handler.Close(), s.store.Close())
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
