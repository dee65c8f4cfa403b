package cli

import (
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"github.com/adlayer/after/config"
	"github.com/adlayer/after/gateway"
	"github.com/adlayer/after/store/httpd"
	"github.com/adlayer/after/webhook"
)

// queue is the queue over HTTP as this process serves it, if it does: a new configuration takes the place of the former one between two requests.
type queue struct {
	log logrus.FieldLogger

	mu     sync.Mutex // one change after the other
	config *config.Config
	where  placement // nil while this process does not serve it
	now    atomic.Pointer[queueNow]
}

// placement completes options by where the queue is served, and where its requests go.
type placement func(c *config.Config, o *gateway.Options) error

// queueNow is the queue with one configuration.
type queueNow struct {
	*gateway.Gateway

	pages httpd.CORS // the configuration's own
}

// inFront is the placement of "after gateway".
func inFront(c *config.Config, o *gateway.Options) (err error) {
	o.CORS = pages(&c.Gateway.CORS)
	o.TLS, err = trusted(c)
	return err
}

// under is the placement on the embedded store's own port; store is the way to it that needs no socket.
func under(store http.RoundTripper) placement {
	return func(_ *config.Config, o *gateway.Options) error {
		o.URL, o.Transport, o.Prefix = "http://store", store, "/_after"
		return nil
	}
}

// place has the queue served there from now on.
func (q *queue) place(where placement) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.where = where
	return q.take(q.config)
}

// configure takes another configuration; after an error the former one stays in force. Where the queue is served, and with which certificate,
// stays as it is.
func (q *queue) configure(c *config.Config) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.take(c)
}

// current is the configuration in force.
func (q *queue) current() *config.Config {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.config
}

func (q *queue) take(c *config.Config) error {
	o, err := gatewayOptions(c, q.log)
	if err != nil {
		return err
	}
	if q.where != nil {
		if err := q.where(c, &o); err != nil {
			return err
		}
		former := q.now.Load()
		if former != nil {
			o.Former = former.Gateway
		}
		fresh, err := gateway.New(o)
		if err != nil {
			return err
		}
		q.now.Store(&queueNow{Gateway: fresh, pages: pages(&c.Gateway.CORS)})
		if former != nil {
			former.Close()
		}
	}
	q.config = c
	return nil
}

// ServeHTTP answers one request with the configuration that is in force when it comes.
func (q *queue) ServeHTTP(w http.ResponseWriter, r *http.Request) { q.now.Load().ServeHTTP(w, r) }

func (q *queue) close() {
	if now := q.now.Load(); now != nil {
		now.Close()
	}
}

// mounted is the queue on the embedded store's own port.
func (q *queue) mounted(store http.RoundTripper) (map[string]httpd.Mounted, error) {
	if err := q.place(under(store)); err != nil {
		return nil, err
	}
	rules := func(store httpd.CORS) httpd.CORS {
		if own := q.now.Load().pages; len(own.Origins) > 0 {
			return gateway.Pages(own)
		}
		return gateway.Pages(store)
	}
	handlers := map[string]httpd.Mounted{}
	for _, name := range gateway.Names() {
		handlers[name] = httpd.Mounted{Handler: q, Credentials: gateway.CredentialsHeader, CORS: rules}
	}
	return handlers, nil
}

// gatewayOptions is the queue as the configuration describes it.
func gatewayOptions(c *config.Config, log logrus.FieldLogger) (gateway.Options, error) {
	o := gateway.Options{
		URL: c.Couch.URL, Database: c.Couch.Database, User: c.Couch.User, Password: c.Couch.Password, Worker: c.Gateway.Worker,
		MaxBody: c.Gateway.MaxBody, MaxWait: c.Gateway.MaxWait, Log: log, UserAgent: "after/" + Version(),
	}
	var err error
	if o.Folder, err = bodiesFolder(c); err != nil {
		return o, err
	}
	for name, text := range c.Gateway.Tokens {
		token, err := gateway.ParseToken(name, text)
		if err != nil {
			return o, fail(exitUsage, "gateway.tokens: %s: %w", name, err)
		}
		o.Tokens = append(o.Tokens, token)
	}
	if keys := c.HTTP.SigningKeys(); len(keys) > 0 {
		verifier, err := webhook.NewVerifier(keys...)
		if err != nil {
			return o, fail(exitUsage, "http.signing_key: %w", err)
		}
		o.Callbacks = verifier
	}
	return o, nil
}

// bodiesFolder is where long bodies lie while they are written into the database: among the state, since the system's folder for temporary files
// may be memory. It is made where it is not there.
func bodiesFolder(c *config.Config) (string, error) {
	state, err := c.StateFolder()
	if err != nil {
		return "", err
	}
	folder := filepath.Join(state, "bodies")
	return folder, os.MkdirAll(folder, 0o700)
}

// reload reads the configuration again for a process without workers: its log and its queue have it at once. later says what does not.
func (a *app) reload(cmd *cobra.Command, served *queue, log *logger, later string) {
	c, err := a.load(cmd)
	if err == nil {
		if former := served.current(); c.State != former.State {
			log.Warn("state has changed in the configuration: it comes in force at the next start")
			c.State = former.State
		}
		err = served.configure(c)
	}
	if err != nil {
		log.WithError(err).Error("the configuration was not read again: the former one stays in force")
		return
	}
	log.configure(c.Log, a.colour && a.talks)
	log.Info("the configuration was read again: " + later)
}
