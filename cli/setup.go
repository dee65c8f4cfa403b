package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/adlayer/after/cli/embedded"
	"github.com/adlayer/after/config"
	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/expect"
	"github.com/adlayer/after/fleet"
	"github.com/adlayer/after/runs"
	"github.com/adlayer/after/worker"
)

// adminVariable may hold the administrator's password for setup.
const adminVariable = "AFTER_SETUP_PASSWORD"

type setupOptions struct {
	admin        string
	passwordFile string
	reset        bool
}

func newSetup(a *app) *cobra.Command {
	var o setupOptions
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "Prepare a CouchDB for workers, with an administrator's credentials",
		Long: `Creates what workers need on a CouchDB: the databases, the index of live tasks, the user of the configuration
(couch.user, or the one in couch.url), and that user's rights as a member of the databases. What is there already is left
as it is, so it may be run again.

The administrator's password is asked for on the terminal, or comes from ` + adminVariable + ` or --admin-password-file;
it is not kept.`,
		Example: `  after setup --admin admin
  AFTER_SETUP_PASSWORD=secret after setup --url http://couch.example.org:5984`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.load(cmd)
			if err != nil {
				return err
			}
			return a.setup(cmd, c, o)
		},
	}
	cmd.Flags().StringVar(&o.admin, "admin", "admin", "the administrator's `name`")
	cmd.Flags().StringVar(&o.passwordFile, "admin-password-file", "", "a `file` whose first line is the administrator's password")
	cmd.Flags().BoolVar(&o.reset, "reset-password", false, "give a user that is there already the password of the configuration")
	keyFlags(cmd, serverKeys()...)
	a.jsonFlag(cmd)
	return cmd
}

// step is one thing that setup saw to.
type step struct {
	What  string `json:"what"`
	State string `json:"state"` // created, changed or there
}

func (a *app) setup(cmd *cobra.Command, c *config.Config, o setupOptions) error {
	switch {
	case c.Couch.User == "" || c.Couch.Password == "":
		return fail(exitUsage, "the configuration names no user with a password: set couch.user and couch.password_file, or AFTER_COUCH_USER and AFTER_COUCH_PASSWORD")
	case c.Couch.User == o.admin:
		return fail(exitUsage, "the workers' user of the configuration is the administrator %s: give them a user of their own (couch.user)", o.admin)
	}
	password, err := a.adminPassword(cmd.Context(), o)
	if err != nil {
		return err
	}
	secure, err := trusted(c)
	if err != nil {
		return &codeError{err: err, code: exitUsage}
	}
	server, err := couch.Dial(c.Couch.URL, couch.Options{User: o.admin, Password: password, UserAgent: "after/" + Version(), TLS: secure})
	if err != nil {
		return &codeError{err: err, code: exitUsage}
	}
	defer server.Close()
	defer a.progress("setting up " + c.Couch.URL)()
	s := &setup{app: a, config: c, server: server, reset: o.reset}
	return s.run(cmd.Context(), o.admin)
}

func (a *app) adminPassword(ctx context.Context, o setupOptions) (string, error) {
	if o.passwordFile != "" {
		content, err := os.ReadFile(o.passwordFile)
		if err != nil {
			return "", fmt.Errorf("reading the administrator's password: %w", err)
		}
		line, _, _ := strings.Cut(string(content), "\n")
		return strings.TrimSuffix(line, "\r"), nil
	}
	if password, ok := os.LookupEnv(adminVariable); ok {
		return password, nil
	}
	in, ok := a.In.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return "", fail(exitUsage, "the administrator's password is needed: set %s or give --admin-password-file", adminVariable)
	}
	password, err := askPassword(ctx, in, a.Err, "password of "+o.admin+": ")
	switch {
	case errors.Is(err, errNoPassword):
		return "", &codeError{err: err, code: exitUsage}
	case err != nil:
		return "", fmt.Errorf("reading the administrator's password: %w", err)
	}
	return password, nil
}

// setup is one run of the command.
type setup struct {
	app    *app
	config *config.Config
	server *couch.Client
	reset  bool
}

func (s *setup) run(ctx context.Context, admin string) error {
	session, err := s.server.Session(ctx)
	if couch.IsUnauthorized(err) {
		return fail(exitDenied, "%s does not accept the administrator %s with that password", s.config.Couch.URL, admin)
	}
	if err != nil {
		return err
	}
	if !session.Admin() {
		return fail(exitDenied, "%s is no administrator of %s", admin, s.config.Couch.URL)
	}
	names := []string{s.config.Couch.Database, fleet.Database(s.config.Couch.Database), runs.Database(s.config.Couch.Database)}
	for _, name := range names {
		if err := s.database(ctx, name); err != nil {
			return err
		}
	}
	db := s.server.Database(names[0])
	if err := errors.Join(db.EnsureIndex(ctx, worker.Index()), db.EnsureIndex(ctx, worker.CalendarIndex()), db.EnsureIndex(ctx, expect.Index())); err != nil {
		return err
	}
	if err := s.tell("index of live tasks", "there"); err != nil {
		return err
	}
	if err := s.user(ctx); err != nil {
		return err
	}
	for _, name := range names {
		if err := s.rights(ctx, name); err != nil {
			return err
		}
	}
	return s.try(ctx, names)
}

func (s *setup) tell(what, state string) error {
	return s.app.told(step{what, state}, "%s: %s", what, state)
}

func (s *setup) database(ctx context.Context, name string) error {
	err := s.server.CreateDatabase(ctx, name)
	switch {
	case couch.IsExists(err):
		return s.tell("database "+name, "there")
	case err != nil:
		return err
	}
	return s.tell("database "+name, "created")
}

// user creates the workers' user, unless it can log in already.
func (s *setup) user(ctx context.Context) error {
	what := "user " + s.config.Couch.User
	own, err := dial(s.config)
	if err != nil {
		return err
	}
	defer own.Close()
	if _, err := own.Session(ctx); err == nil {
		return s.tell(what, "there")
	} else if !couch.IsUnauthorized(err) {
		return err
	}
	if s.config.Couch.Password == config.DefaultPassword && !loopback(s.config.Couch.URL) {
		return fail(exitUsage, "the user %s would get the default password on a server that others can reach: set another one (couch.password_file)", s.config.Couch.User)
	}
	// A CouchDB that nobody has set up yet lacks even this one.
	if err := s.server.CreateDatabase(ctx, "_users"); err == nil {
		if err := s.tell("database _users", "created"); err != nil {
			return err
		}
	} else if !couch.IsExists(err) {
		return err
	}
	id := "org.couchdb.user:" + s.config.Couch.User
	path := "/_users/" + url.PathEscape(id)
	document := map[string]any{"_id": id, "name": s.config.Couch.User, "password": s.config.Couch.Password, "roles": []string{}, "type": "user"}
	status, answer, err := s.server.Do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	state := "created"
	if status == http.StatusOK {
		if !s.reset {
			return fail(exitConflict, "the user %s is there, with another password than the configuration's: --reset-password gives it that one", s.config.Couch.User)
		}
		var former map[string]any
		if err := json.Unmarshal(answer, &former); err != nil {
			return fmt.Errorf("reading the user %s: %w", s.config.Couch.User, err)
		}
		document["_rev"], document["roles"] = former["_rev"], former["roles"]
		state = "changed"
	}
	body, err := json.Marshal(document)
	if err != nil {
		return fmt.Errorf("encoding the user: %w", err)
	}
	status, answer, err = s.server.Do(ctx, http.MethodPut, path, body)
	if err == nil && status >= http.StatusBadRequest {
		err = fmt.Errorf("the server answers %d: %s", status, strings.TrimSpace(string(answer)))
	}
	if err != nil {
		return fmt.Errorf("writing the user %s: %w", s.config.Couch.User, err)
	}
	return s.tell(what, state)
}

func loopback(address string) bool {
	u, err := url.Parse(address)
	return err == nil && embedded.Loopback(u.Hostname())
}

// rights makes the user a member of a database; the other rights stay as they are.
func (s *setup) rights(ctx context.Context, name string) error {
	what := fmt.Sprintf("%s as a member of %s", s.config.Couch.User, name)
	db := s.server.Database(name)
	raw, err := db.Security(ctx)
	if err != nil {
		return err
	}
	security := map[string]json.RawMessage{}
	members := map[string]json.RawMessage{}
	var names []string
	err = errors.Join(decode(raw, &security), decode(security["members"], &members), decode(members["names"], &names))
	if err != nil {
		return fmt.Errorf("reading the rights of database %s: %w", name, err)
	}
	if slices.Contains(names, s.config.Couch.User) {
		return s.tell(what, "there")
	}
	if members["names"], err = json.Marshal(append(names, s.config.Couch.User)); err != nil {
		return fmt.Errorf("encoding the rights of database %s: %w", name, err)
	}
	if security["members"], err = json.Marshal(members); err != nil {
		return fmt.Errorf("encoding the rights of database %s: %w", name, err)
	}
	body, err := json.Marshal(security)
	if err != nil {
		return fmt.Errorf("encoding the rights of database %s: %w", name, err)
	}
	if err := db.SetSecurity(ctx, body); err != nil {
		return err
	}
	return s.tell(what, "created")
}

// decode reads JSON that may be absent.
func decode(raw json.RawMessage, into any) error {
	if len(raw) == 0 {
		return nil
	}
	return json.Unmarshal(raw, into)
}

// try reads the databases as the workers will.
func (s *setup) try(ctx context.Context, names []string) error {
	own, err := dial(s.config)
	if err != nil {
		return err
	}
	defer own.Close()
	for _, name := range names {
		if _, err := own.Database(name).Info(ctx); err != nil {
			return fmt.Errorf("all is set up, yet %s cannot read database %s: %w", s.config.Couch.User, name, err)
		}
	}
	return nil
}
