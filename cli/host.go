package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/adlayer/after/cli/embedded"
	"github.com/adlayer/after/config"
	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/store"
)

// host sees to the server of the tasks: that it answers, and that this process serves the embedded store where the
// configuration means that and nobody does yet.
type host struct {
	config *config.Config
	client *couch.Client
	log    logrus.FieldLogger
	note   func(format string, args ...any) // for the person who started the process
	serves func() error                     // told once this process serves the store

	queue  *queue // on the store's port, where this process serves it
	server *embedded.Server
	keeper *embedded.Keeper
}

// settling is how long another process on this machine may take from locking the store's folder to answering.
const settling = 20 * time.Second

func (h *host) options(data string) (embedded.Options, error) {
	options, err := storeOptions(h.config, data, h.queue, h.log)
	if err != nil {
		err = &codeError{err: err, code: exitUsage}
	}
	return options, err
}

// up returns once the server answers and accepts the user.
func (h *host) up(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settling)
	defer cancel()
	own := embedded.MeansListener(h.config.Couch.URL, h.config.Store.Listen, h.config.Store.Secure())
	for {
		greeting, err := h.client.Server(ctx)
		if err == nil {
			return h.join(ctx, greeting, own)
		}
		if !nobodyThere(err) || !own {
			return h.explain(err)
		}
		if err = h.serve(ctx); err == nil {
			return h.accepted(ctx)
		}
		// Another process that starts at the same moment may have the folder, and will answer in a moment.
		if _, held := errors.AsType[*store.HeldError](err); !held {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("nothing answers at %s, yet %w", h.config.Couch.Redacted(), err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (h *host) serve(ctx context.Context) error {
	data, err := h.config.DataFolder()
	if err != nil {
		return err
	}
	if err := embedded.CheckListen(h.config.Store.Listen, h.config.Store.DefaultPasswords()); err != nil {
		return &codeError{err: err, code: exitUsage}
	}
	options, err := h.options(data)
	if err != nil {
		return err
	}
	h.server, err = embedded.Serve(ctx, options)
	if err != nil {
		return err
	}
	h.note("serving the embedded store at %s, its data in %s", h.server.URL(), data)
	return errors.Join(h.serves(), ctx.Err())
}

// join is for a server that answers already. If it is the store of our own folder, served by another process of this
// machine, this process stands by to serve it on.
func (h *host) join(ctx context.Context, greeting couch.Server, own bool) error {
	if err := h.accepted(ctx); err != nil {
		return err
	}
	h.log.WithField("server", h.config.Couch.Redacted()).WithField("version", greeting.Version).Info("connected")
	data, err := h.config.DataFolder()
	if !own || err != nil || !embedded.Holds(data, greeting.UUID) {
		return nil //nolint:nilerr // without a folder for data there is nothing to take over
	}
	options, err := h.options(data)
	if err != nil {
		return err
	}
	h.keeper = embedded.Keep(ctx, options, func(*embedded.Server) {
		h.log.WithField("data", data).Info("the process that served the store has ended: serving it from here on")
		if err := h.serves(); err != nil {
			h.log.WithError(err).Warn("\"after stop\" will not know that this process serves the store")
		}
	})
	return nil
}

// accepted asks whether the server takes the user for who they say they are.
func (h *host) accepted(ctx context.Context) error {
	_, err := h.client.Session(ctx)
	if couch.IsUnauthorized(err) && h.server != nil {
		return fail(exitDenied, "the embedded store knows %q, but not with the password of couch.url, or not at all: store.admins and couch.url must agree",
			h.config.Couch.User)
	}
	if err != nil {
		return h.explain(err)
	}
	return nil
}

// explain says what is wrong with the server that the configuration names.
func (h *host) explain(err error) error {
	where := h.config.Couch.Redacted()
	switch {
	case couch.IsUnauthorized(err), couch.IsForbidden(err):
		return fail(exitDenied, "something answers at %s but does not accept the user: %w", where, err)
	case nobodyThere(err): // where it is not the store's own address
		return fail(exitUnreachable, "no server of tasks at %s: %v\nThe embedded store is served only where couch.url means its address, which is %s (store.listen).",
			where, err, h.config.Store.Listen)
	case couch.Status(err) != 0:
		return fail(exitUnreachable, "what answers at %s is no CouchDB: %w", where, err)
	default:
		return fail(exitUnreachable, "no server of tasks at %s: %w", where, err)
	}
}

// close ends what this process serves.
func (h *host) close(ctx context.Context) error {
	// The server would wait for connections that were opened in reserve.
	h.client.Close()
	var errs []error
	if h.keeper != nil {
		errs = append(errs, h.keeper.Close())
	}
	if h.server != nil {
		errs = append(errs, h.server.Close(ctx))
	}
	return errors.Join(errs...)
}

// failed gives the error with which the listener of our own server ended; it never does where there is none.
func (h *host) failed() <-chan error {
	if h.server == nil {
		return nil
	}
	return h.server.Failed()
}

// nobodyThere says whether nothing listens at the address, as opposed to something that answers badly.
func nobodyThere(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial" && !op.Timeout()
}

// curl is a command line that schedules a task for the worker five seconds ahead, ready to be pasted as often as wanted.
func curl(c *config.Config, worker string) string {
	user := ""
	if c.Couch.User != "" {
		user = "-u " + quoted(c.Couch.User) + " "
		if c.Couch.Password == config.DefaultPassword { // everybody knows it; any other one curl asks for
			user = "-u " + quoted(c.Couch.User+":"+c.Couch.Password) + " "
		}
	}
	body := fmt.Sprintf(`{"worker": %q, "job": {"name": "log", "arguments": ["hello"]}, "date": "in 5 seconds", "status": "waiting"}`, worker)
	return fmt.Sprintf("curl %s-X PUT %s/%s/hello-$(date +%%s) -H 'Content-Type: application/json' -d %s",
		user, c.Couch.URL, url.PathEscape(c.Couch.Database), quoted(body))
}
