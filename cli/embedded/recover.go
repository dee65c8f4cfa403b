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

func (o Options) open(ctx context.Context) (*opened, error) {
	st, err := store.Open(o.Data, store.Options{
		Log: o.Log, Relaxed: o.Relaxed, FS: o.FS,
		MaxDocument: o.Limits.Document, MaxAttachment: o.Limits.Attachment, MaxID: o.Limits.ID,
	})
	if err != nil {
		return nil, err
	}
	options := o.HTTP
	options.Admins, options.Log, options.Version = o.Admins, o.Log, o.Version
	options.Script = script.Options{Command: script.Self()}
	options.MaxRequest, options.MaxBulkDocs, options.MaxBulkGet = o.Limits.Request, o.Limits.BulkDocs, o.Limits.BulkGet
	handler := httpd.New(st, options) //nolint:contextcheck // what it starts outlives ctx
	if err := handler.SetUp(ctx); err != nil {
		return nil, errors.Join(err, handler.Close(), st.Close())
	}
	served := &opened{store: st, handler: handler}
	served.ctx, served.end = context.WithCancel(context.WithoutCancel(ctx))
	return served, nil
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
	probeSize = 1 << 20
)

// watch opens the store anew when it has failed, the disk was full, say, and can be written again. Until then it can be read.
func (s *Server) watch(ctx context.Context) {
	defer close(s.watched)
	ticker := time.NewTicker(probing)
	defer ticker.Stop()
	said := ""
	var tidy *memory
	if s.options.Tidy {
		tidy = newMemory(s.opened.Load().store.Memory())
	}
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
		if !s.closed && (old.store.Failed() == nil || s.options.probe(old.store.RoomToOpen()) != nil) {
			continue
		}
		if !s.closed {
			s.closed = true
			old.end()
			err := errors.Join(old.handler.Close(), old.store.Close())
			if errors.Is(err, store.ErrStuck) {
				s.options.Log.WithError(err).Error("the store cannot be opened again by this process: end it and start it anew")
				return
			}
			if err != nil { // of what had failed before, most likely
				s.options.Log.WithError(err).Debug("the store that failed was not closed in good order")
			}
		}
		next, err := s.options.open(ctx)
		if err != nil {
			if err.Error() != said {
				said = err.Error()
				s.options.Log.WithError(err).Warn("the store cannot be opened again yet")
			}
			continue
		}
		s.closed = false
		s.opened.Store(next)
		s.options.Log.Info("the store can write again: it was opened anew")
	}
}

// probe tells whether the folder can be written: there must be room for what opening it writes, and a megabyte must reach the disk. Nobody
// else's room is taken to find that out.
func (o Options) probe(room int64) error {
	fs := o.FS
	if fs == nil {
		fs = vfs.Default
	}
	if usage, err := fs.GetDiskUsage(o.Data); err == nil && usage.TotalBytes > 0 { // some file systems do not say
		free := usage.AvailBytes
		if os.Geteuid() == 0 { // who may use what is reserved, too
			free = max(free, usage.TotalBytes-usage.UsedBytes)
		}
		if free < uint64(room)+probeSize { //nolint:gosec // never negative
			return errors.New("the disk is full")
		}
	}
	name := filepath.Join(o.Data, "probe.tmp")
	f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, probeSize))
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close(), fs.Remove(name))
}
