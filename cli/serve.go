package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/adlayer/after/cli/embedded"
	"github.com/adlayer/after/cli/process"
	"github.com/adlayer/after/config"
)

func newServe(a *app) *cobra.Command {
	var m modes
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the embedded store alone",
		Long: `Serves the store that comes with after, in CouchDB's protocol, for workers and other programs of this machine and,
once it has passwords of its own, of others. "after start" does so by itself where nothing answers yet.

"after stop serve" ends it, "after log serve" shows its log.`,
		Example: `  after serve
  after serve -b --listen 127.0.0.1:5984 --data /var/lib/after/data`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.stay(cmd, m, []string{process.Serve}, func(c *config.Config, v *voice) error { return a.serve(cmd.Context(), cmd, c, v) })
		},
	}
	m.flags(cmd)
	keyFlags(cmd, "store.listen", "store.data", "state.folder", "log.level")
	a.jsonFlag(cmd)
	return cmd
}

// enter opens the log and registers the process under the names.
func (a *app) enter(c *config.Config, names []string, detached bool) (*logger, *process.Registration, error) {
	state, err := c.StateFolder()
	if err != nil {
		return nil, nil, err
	}
	screen := a.Err
	if detached {
		screen = io.Discard
	}
	log, err := newLogger(c, state, names, screen, a.colour && a.talks)
	if err != nil {
		return nil, nil, err
	}
	entry, err := process.Register(state, process.Info{Names: names, Since: a.now().UTC(), Version: Version()})
	if err != nil {
		return nil, nil, errors.Join(err, log.close())
	}
	return log, entry, nil
}

// storeLimits are those of the configuration.
func storeLimits(c *config.Store) embedded.Limits {
	l := embedded.Limits{
		Document: int(c.MaxDocumentSize), Attachment: c.MaxAttachmentSize, Request: c.MaxHTTPRequestSize,
		ID: int(c.MaxDocumentIDLength), BulkDocs: int(c.MaxBulkDocsCount), BulkGet: int(c.MaxBulkGetCount),
	}
	if l.Attachment == 0 {
		l.Attachment = -1
	}
	return l
}

func (a *app) serve(ctx context.Context, cmd *cobra.Command, c *config.Config, v *voice) (err error) {
	if err := embedded.CheckListen(c.Store.Listen, c.Store.DefaultPasswords()); err != nil {
		return &codeError{err: err, code: exitUsage}
	}
	data, err := c.DataFolder()
	if err != nil {
		return err
	}
	log, entry, err := a.enter(c, []string{process.Serve}, v.detached)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.close(), entry.Close()) }()
	served := &queue{log: log, config: c}
	options, err := storeOptions(c, data, served, log)
	if err != nil {
		return &codeError{err: err, code: exitUsage}
	}
	server, err := embedded.Serve(ctx, options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close(ctx)) }()
	if err := entry.Serves(); err != nil {
		return err
	}
	var own *tls.Config
	if c.Store.Secure() {
		if own, err = ownCertificate(c); err != nil {
			return &codeError{err: err, code: exitUsage}
		}
	}
	tellOfTokens(ctx, c, server.URL(), own, log)
	given := takeOrders()
	log.WithField("address", server.Address()).WithField("data", data).Info("the store is served")
	v.note("serving the store at %s, its data in %s", server.URL(), data)
	if err := errors.Join(v.ready([]string{process.Serve}), process.Notify(ctx, "READY=1")); err != nil {
		log.WithError(err).Warn("nobody could be told that the store is ready")
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case sig := <-given.stop:
			log.WithField("signal", sig.String()).Info("the store ends")
			return process.Notify(ctx, "STOPPING=1")
		case err := <-server.Failed():
			return err
		case <-given.reload:
			if a.abandoned() {
				log.Info("the terminal is gone: the store ends")
				return nil
			}
			a.reload(cmd, served, log, "store comes in force at the next start")
		}
	}
}
