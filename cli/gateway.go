package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"github.com/adlayer/after/cli/embedded"
	"github.com/adlayer/after/cli/process"
	"github.com/adlayer/after/config"
	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/gateway"
)

func newGateway(a *app) *cobra.Command {
	var m modes
	cmd := &cobra.Command{
		Use:   "gateway",
		Short: "Serve the queue over HTTP in front of any server of tasks",
		Long: `Serves the queue that any program can post to: calls of endpoints, now or later, and what came of them. The tasks are in
the database of the configuration; requests go there with the credentials that they bring, or with those of the
configuration where they bring a token.

The embedded store needs none: it has the queue on its own port, below /_after/.

"after stop gateway" ends it, "after log gateway" shows its log.`,
		Example: `  after gateway --worker manobi
  after gateway -b --listen 127.0.0.1:8088 --url http://couch.example.org:5984
  after gateway token shop --right post --worker manobi --limit 10/s`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.stay(cmd, m, []string{process.Gateway}, func(c *config.Config, v *voice) error { return a.gateway(cmd.Context(), cmd, c, v) })
		},
	}
	m.flags(cmd)
	keyFlags(cmd, "couch.url", "couch.database", "state.folder", "log.level")
	keyFlag(cmd, "gateway.listen", "listen")
	keyFlag(cmd, "gateway.worker", "worker")
	a.jsonFlag(cmd)
	token := newToken(a)
	checked(token)
	cmd.AddCommand(token)
	return cmd
}

// The gateway's own limits for clients.
const (
	gatewayHeader = 20 * time.Second // for the head of a request
	gatewayBody   = time.Minute      // and for its body
	gatewayIdle   = 5 * time.Minute
	gatewayHead   = 64 << 10 // bytes
	gatewayEnd    = 3 * time.Second
)

func (a *app) gateway(ctx context.Context, cmd *cobra.Command, c *config.Config, v *voice) (err error) {
	host, _, err := net.SplitHostPort(c.Gateway.Listen)
	if err == nil && !embedded.Loopback(host) && c.Couch.Password == config.DefaultPassword {
		return fail(exitUsage, "the queue is not served on %s, which other machines can reach, while %s has the default password: set couch.user and couch.password_file",
			c.Gateway.Listen, c.Couch.User)
	}
	log, entry, err := a.enter(c, []string{process.Gateway}, v.detached)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.close(), entry.Close()) }()
	served := &queue{log: log, config: c}
	if err := served.place(inFront); err != nil {
		return &codeError{err: err, code: exitUsage}
	}
	defer served.close()
	if err := reachable(ctx, c, log); err != nil {
		return err
	}
	secure, err := trusted(c)
	if err != nil {
		return &codeError{err: err, code: exitUsage}
	}
	tellOfTokens(ctx, c, c.Couch.URL, secure, log)
	listener, scheme, err := listen(ctx, c, log)
	if err != nil {
		return err
	}
	requests, end := context.WithCancel(ctx)
	defer end()
	server := &http.Server{
		Handler: served, ReadHeaderTimeout: gatewayHeader, ReadTimeout: gatewayBody, WriteTimeout: 2 * gatewayBody, IdleTimeout: gatewayIdle,
		MaxHeaderBytes: gatewayHead, BaseContext: func(net.Listener) context.Context { return requests },
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	given := takeOrders()
	log.WithField("address", listener.Addr().String()).WithField("server", c.Couch.Redacted()).Info("the queue is served")
	v.note("serving the queue at %s://%s/queue, its tasks at %s", scheme, listener.Addr(), c.Couch.Redacted())
	if err := errors.Join(v.ready([]string{process.Gateway}), process.Notify(ctx, "READY=1")); err != nil {
		log.WithError(err).Warn("nobody could be told that the queue is ready")
	}
	err = a.untilStopped(ctx, cmd, served, log, failed, given)
	end() // what waits for outcomes is answered as it stands
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), gatewayEnd)
	defer cancel()
	if server.Shutdown(closing) != nil {
		err = errors.Join(err, server.Close())
	}
	return err
}

// listen opens the gateway's listener, and tells the scheme of its addresses.
func listen(ctx context.Context, c *config.Config, log logrus.FieldLogger) (listener net.Listener, scheme string, err error) {
	var secure *tls.Config
	if pair := c.Gateway.TLS; pair.Certificate != "" {
		if secure, err = embedded.Secured(pair.Certificate, pair.Key, log); err != nil {
			return nil, "", fail(exitUsage, "gateway.tls: %w", err)
		}
		secure.NextProtos = []string{"h2", "http/1.1"}
	}
	if listener, err = new(net.ListenConfig).Listen(ctx, "tcp", c.Gateway.Listen); err != nil {
		return nil, "", fmt.Errorf("listening for the queue: %w", err)
	}
	if secure == nil {
		return listener, "http", nil
	}
	return tls.NewListener(listener, secure), "https", nil
}

// reachable asks the server once, so that a wrong address or password is told at the start.
func reachable(ctx context.Context, c *config.Config, log *logger) error {
	server, err := dial(c)
	if err != nil {
		return &codeError{err: err, code: exitUsage}
	}
	defer server.Close()
	h := &host{config: c, client: server, log: log}
	if _, err := server.Server(ctx); err != nil {
		return h.explain(err)
	}
	return h.accepted(ctx)
}

// tellOfTokens says in the log where the server of the tasks does not let in the queue's own user, as whom requests with a token go there.
func tellOfTokens(ctx context.Context, c *config.Config, address string, secure *tls.Config, log logrus.FieldLogger) {
	if len(c.Gateway.Tokens) == 0 {
		return
	}
	server, err := couch.Dial(address, couch.Options{User: c.Couch.User, Password: c.Couch.Password, UserAgent: "after/" + Version(), TLS: secure})
	if err == nil {
		defer server.Close()
		_, err = server.Session(ctx)
	}
	if err == nil && c.Couch.User == "" {
		err = errors.New("couch.user is empty")
	}
	if err == nil {
		if _, err = server.Database(c.Couch.Database).Info(ctx); couch.IsNotFound(err) {
			return // a worker makes it
		}
	}
	if err != nil {
		log.WithError(err).Errorf("gateway.tokens: whoever brings a token gets a 502, since the server of the tasks does not let in the queue's own user %q: "+
			"make couch.user and couch.password one that it knows", c.Couch.User)
	}
}

// untilStopped returns when the process is asked to end, or its listener has failed.
func (a *app) untilStopped(ctx context.Context, cmd *cobra.Command, served *queue, log *logger, failed <-chan error, given orders) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case sig := <-given.stop:
			log.WithField("signal", sig.String()).Info("the queue ends")
			return process.Notify(ctx, "STOPPING=1")
		case err := <-failed:
			return err
		case <-given.reload:
			if a.abandoned() {
				log.Info("the terminal is gone: the queue ends")
				return nil
			}
			a.reload(cmd, served, log, "gateway.listen and gateway.tls come in force at the next start")
		}
	}
}

func newToken(a *app) *cobra.Command {
	var t gateway.Token
	rights := []string{"post", "read", "cancel"}
	cmd := &cobra.Command{
		Use:   "token <name>",
		Short: "Make a token for the queue",
		Long: `Makes a token with which a program may use the queue without a password of the database. The token is shown once and kept
nowhere; what the configuration needs of it, below gateway.tokens, is a line with its hash and its rights, which is shown
with it.

Programs send it as "Authorization: Bearer <token>".`,
		Example: `  after gateway token shop
  after gateway token shop --right post --worker manobi --limit 10/s`,
		Args: one("the name of the token"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.TrimSpace(args[0]) == "" {
				return fail(exitUsage, "the name of the token is empty")
			}
			var token string
			token, t.Hash = gateway.NewToken()
			for _, right := range t.Rights {
				if !slices.Contains(rights, right) {
					return misuse(cmd.CommandPath(), "--right %q: the rights are %s", right, strings.Join(rights, ", "))
				}
			}
			if t.Limit != "" {
				if err := gateway.CheckLimit(t.Limit); err != nil {
					return misuse(cmd.CommandPath(), "--limit: %v", err)
				}
			}
			made, err := gateway.ParseToken(args[0], t.String())
			if err != nil {
				return &usageError{err: err, command: cmd.CommandPath()}
			}
			line := map[string]any{"gateway": map[string]any{"tokens": map[string]string{made.Name: made.String()}}}
			if a.json {
				return a.printJSON(map[string]any{"token": token, "configuration": line})
			}
			if err := a.println(token); err != nil {
				return err
			}
			return a.printJSON(line)
		},
	}
	cmd.Flags().StringArrayVar(&t.Rights, "right", rights, "what it lets do: post, read or cancel; may be repeated (`right`)")
	cmd.Flags().StringArrayVar(&t.Workers, "worker", nil, "for tasks of this `worker` alone; may be repeated")
	cmd.Flags().StringVar(&t.Limit, "limit", "", "how many requests it may make: `10/s`, 100/m or 1000/h")
	a.jsonFlag(cmd)
	return cmd
}
