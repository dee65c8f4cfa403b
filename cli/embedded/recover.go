package embedded

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/httpd"
	"github.com/adlayer/after/store/script"
)

// opened is a store between its opening and its closing.
type opened struct {
	store   *store.Store
	handler *httpd.Server
	ctx     context.Context //nolint:containedctx // of its requests
	end     context.CancelFunc
}

// open opens the store and makes the databases that it needs.
func (o Options) open(ctx context.Context) (*opened, error) {
	// What a process left that died while it looked for room has the room that opening takes. One that looks now misses it, and looks again.
	if err := o.files().Remove(o.probed()); err != nil && !errors.Is(err, os.ErrNotExist) {
		o.Log.WithError(err).Warn("a file that nobody needs cannot be removed")
	}
	st, err := store.Open(o.Data, o.store())
	if err != nil {
		return nil, err
	}
	served := o.serve(ctx, st)
	if err := served.handler.SetUp(ctx); err != nil {
		served.end()
		return nil, errors.Join(err, served.handler.Close(), st.Close())
	}
	return served, nil
}

// openToRead opens a store that cannot be opened to write, for a reason.
func (o Options) openToRead(ctx context.Context, reason error) (*opened, error) {
	st, err := store.OpenFailed(o.Data, o.store(), reason)
	if err != nil {
		return nil, err
	}
	return o.serve(ctx, st), nil
}

func (o Options) store() store.Options {
	return store.Options{
		Log: o.Log, Relaxed: o.Relaxed, FS: o.FS,
		MaxDocument: o.Limits.Document, MaxAttachment: o.Limits.Attachment, MaxID: o.Limits.ID,
	}
}

func (o Options) serve(ctx context.Context, st *store.Store) *opened {
	options := o.HTTP
	options.Admins, options.Log, options.Version = o.Admins, o.Log, o.Version
	options.Script = script.Options{Command: script.Self()}
	options.MaxRequest, options.MaxBulkDocs, options.MaxBulkGet = o.Limits.Request, o.Limits.BulkDocs, o.Limits.BulkGet
	served := &opened{store: st, handler: httpd.New(st, options)} //nolint:contextcheck // what it starts outlives ctx
	served.ctx, served.end = context.WithCancel(context.WithoutCancel(ctx))
	return served
}

// ServeHTTP answers by the store that is open now. When that one closes, its feeds end: who follows them asks again from where they were.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o := s.opened.Load()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(o.ctx, func() { //nolint:contextcheck // both end the request
		cancel()
		// Nor may a client that sends or reads slowly, or not at all, keep the store from being closed. What cannot be set has no deadline.
		rc := http.NewResponseController(w)
		_, _ = rc.SetReadDeadline(time.Unix(1, 0)), rc.SetWriteDeadline(time.Unix(1, 0))
	})()
	o.handler.ServeHTTP(w, r.WithContext(ctx))
}

const (
	probing   = time.Second // how often a store that cannot write is looked after
	mostPause = time.Minute // the longest between two tries to open it, which end what clients read
	probeSize = 1 << 20
)

// watch opens the store anew when it has failed, the disk was full, say, and can be written again. Until then it can be read.
func (s *Server) watch(ctx context.Context) {
	defer close(s.watched)
	ticker := time.NewTicker(probing)
	defer ticker.Stop()
	var tidy *memory
	if s.options.Tidy {
		tidy = newMemory(s.opened.Load().store.Memory())
	}
	r := reopening{pause: probing}
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		old := s.opened.Load()
		if tidy != nil && !s.closed {
			tidy.look(old.store.Memory())
		}
		since := time.Since(r.tried)
		switch {
		case s.closed:
		case old.store.Failed() == nil:
			if since > mostPause { // it has stood the test
				r.pause = probing
			}
			continue
		case since < r.pause || s.options.probe(old.store.RoomToOpen()) != nil:
			continue
		}
		if !s.reopen(ctx, &r) {
			return
		}
	}
}

// reopening is what is known of the tries to open a store again.
type reopening struct {
	tried time.Time
	pause time.Duration // from then to the next one
	said  string        // what was logged last
}

// reopen closes the store and opens it anew: to read it, where it cannot be written yet after all. It is false where this process cannot go on.
func (s *Server) reopen(ctx context.Context, r *reopening) bool {
	if !s.closed {
		s.closed = true
		old := s.opened.Load()
		old.end()
		err := errors.Join(old.handler.Close(), old.store.Close())
		if errors.Is(err, store.ErrStuck) {
			s.options.Log.WithError(err).Error("the store cannot be opened again by this process: end it and start it anew")
			return false
		}
		if err != nil { // of what had failed before, most likely
			s.options.Log.WithError(err).Debug("the store that failed was not closed in good order")
		}
	}
	next, err := s.options.open(ctx)
	r.tried, r.pause = time.Now(), min(2*r.pause, mostPause)
	if err == nil {
		s.closed, r.said = false, ""
		s.opened.Store(next)
		s.options.Log.Info("the store can write again: it was opened anew")
		return true
	}
	if err.Error() != r.said {
		r.said = err.Error()
		s.options.Log.WithError(err).Warn("the store cannot be opened again yet")
	}
	if next, err = s.options.openToRead(ctx, err); err == nil {
		s.closed = false
		s.opened.Store(next)
	}
	return true
}

func (o Options) files() vfs.FS {
	if o.FS == nil {
		return vfs.Default
	}
	return o.FS
}

// probed is the file with which room is looked for.
func (o Options) probed() string { return filepath.Join(o.Data, "probe.tmp") }

// probe tells whether the folder can be written: there must be room for what opening it writes, and a megabyte must reach the disk. Nobody
// else's room is taken to find that out, but for the moment in which a file system that has more to go by than its own size, quotas say, is asked
// to reserve it.
func (o Options) probe(room int64) error {
	fs := o.files()
	if usage, err := fs.GetDiskUsage(o.Data); err == nil && usage.TotalBytes > 0 { // some file systems do not say
		free := usage.AvailBytes
		if os.Geteuid() == 0 { // who may use what is reserved, too
			free = max(free, usage.TotalBytes-usage.UsedBytes)
		}
		if free < uint64(room)+probeSize { //nolint:gosec // never negative
			return errors.New("the disk is full")
		}
	}
	name := o.probed()
	f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	if err = f.Preallocate(0, room+probeSize); errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	if err == nil {
		_, err = f.Write(make([]byte, probeSize))
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close(), fs.Remove(name))
}
