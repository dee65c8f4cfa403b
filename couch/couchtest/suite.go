package couchtest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/adlayer/after/couch"
)

// gapPatience is how long a check may take that is known to fail: some fail by never answering.
const gapPatience = 5 * time.Second

// check is one rule that a server must keep.
type check struct {
	name string
	run  func(c *checker)
}

func suite() []check {
	var all []check
	for _, part := range [][]check{
		serverChecks(), documentChecks(), revisionChecks(), bulkChecks(), listingChecks(), changesChecks(), feedChecks(),
		queryChecks(), findChecks(), localChecks(), clientChecks(), attachmentChecks(), validationChecks(), filterChecks(),
		protocolChecks(), settingsChecks(), nodeChecks(), smallChecks(), sessionChecks(), authChecks(),
	} {
		all = append(all, part...)
	}
	return all
}

// Run holds a server against the suite. Each check has a database of its own.
func Run(t *testing.T, server Server) {
	t.Helper()
	known := map[string]bool{}
	for _, one := range suite() {
		known[one.name] = true
		t.Run(one.name, func(t *testing.T) {
			reason, gap := server.Gaps[one.name]
			limit := patience
			if gap {
				limit = gapPatience
			}
			err := runCheck(t, server, one, limit)
			switch {
			case err != nil && !gap:
				t.Error(err)
			case err == nil && gap:
				t.Errorf("%s is listed as a gap of %s (%s), but it passes: take it off the list", one.name, server.Name, reason)
			case err != nil:
				t.Logf("known gap of %s: %s (%v)", server.Name, reason, err)
			}
		})
	}
	for name := range server.Gaps {
		if !known[name] {
			t.Errorf("%s is listed as a gap of %s, but no check has that name", name, server.Name)
		}
	}
}

// failure is what a check found; it ends the check.
type failure struct{ err error }

func runCheck(t *testing.T, server Server, one check, limit time.Duration) (err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	client := server.Dial(t)
	name := "c" + strconv.FormatUint(rand.Uint64(), 36) //nolint:gosec // a name that is not in use
	c := &checker{
		ctx: ctx, server: server, client: client, db: client.Database(name), name: name,
		http: &http.Client{Transport: &http.Transport{DisableCompression: true}},
	}
	defer func() {
		c.http.CloseIdleConnections()
		dropping, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		if dropErr := client.DropDatabase(dropping, name); dropErr != nil && !couch.IsNotFound(dropErr) && err == nil {
			err = dropErr
		}
	}()
	defer func() {
		switch found := recover().(type) {
		case nil:
		case failure:
			err = found.err
		default:
			panic(found)
		}
	}()
	if err := client.CreateDatabase(ctx, name); err != nil {
		return err
	}
	one.run(c)
	return nil
}

// checker is what a check works with. Its methods end the check where something is not as it must be.
type checker struct {
	ctx    context.Context //nolint:containedctx // of one check, which is one call
	server Server
	client *couch.Client
	db     *couch.Database
	name   string // of the database
	http   *http.Client
}

func (c *checker) failf(format string, args ...any) { panic(failure{fmt.Errorf(format, args...)}) }

func (c *checker) must(err error) {
	if err != nil {
		panic(failure{err})
	}
}

// equal ends the check where two values differ.
func (c *checker) equal(what string, got, want any) {
	if !reflect.DeepEqual(got, want) {
		c.failf("%s: got %#v, want %#v", what, got, want)
	}
}

// reply is an answer being looked at.
type reply struct {
	c      *checker
	what   string
	status int
	header http.Header
	body   []byte
}

// ask sends a request to the database, as an administrator: path is what follows the database's name.
func (c *checker) ask(method, path string, body ...string) *reply {
	return c.askAs(c.server.User, c.server.Password, method, "/"+c.name+path, body...)
}

// askRoot sends a request to the server, as an administrator.
func (c *checker) askRoot(method, path string, body ...string) *reply {
	return c.askAs(c.server.User, c.server.Password, method, path, body...)
}

func (c *checker) askAs(user, password, method, path string, body ...string) *reply {
	response := c.open(user, password, method, path, body...)
	defer response.Body.Close() //nolint:errcheck // it was read
	r := &reply{c: c, what: method + " " + path, status: response.StatusCode, header: response.Header}
	var err error
	r.body, err = io.ReadAll(response.Body)
	c.must(err)
	return r
}

// open sends a request and leaves its body to be read.
func (c *checker) open(user, password, method, path string, body ...string) *http.Response {
	var content io.Reader
	if len(body) > 0 {
		content = strings.NewReader(strings.Join(body, ""))
	}
	request, err := http.NewRequestWithContext(c.ctx, method, c.server.URL+path, content)
	c.must(err)
	request.Header.Set("Accept", "application/json")
	if content != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if user != "" {
		request.SetBasicAuth(user, password)
	}
	response, err := c.http.Do(request)
	c.must(err)
	return response
}

// wants ends the check unless the status is this.
func (r *reply) wants(status int) *reply {
	if r.status != status {
		r.c.failf("%s: got status %d, want %d: %s", r.what, r.status, status, shorten(string(r.body), 300))
	}
	return r
}

// refuses ends the check unless the answer is a refusal of this status and name.
func (r *reply) refuses(status int, name string) *reply {
	r.wants(status)
	if got := r.get("error").String(); got != name {
		r.c.failf("%s: got error %q, want %q: %s", r.what, got, name, shorten(string(r.body), 300))
	}
	return r
}

func (r *reply) get(path string) gjson.Result { return gjson.GetBytes(r.body, path) }

// has ends the check unless the value at path is this JSON.
func (r *reply) has(path, want string) *reply {
	got := r.get(path)
	if !sameJSON(got.Raw, want) {
		r.c.failf("%s: %s is %s, want %s: %s", r.what, path, orNothing(got.Raw), want, shorten(string(r.body), 500))
	}
	return r
}

// lacks ends the check if there is a value at path.
func (r *reply) lacks(path string) *reply {
	if got := r.get(path); got.Exists() {
		r.c.failf("%s: %s is %s, want nothing", r.what, path, got.Raw)
	}
	return r
}

// list is a value of strings at path, such as "rows.#.id".
func (r *reply) list(path string) string {
	texts := []string{}
	for _, one := range r.get(path).Array() {
		texts = append(texts, one.String())
	}
	return strings.Join(texts, " ")
}

// lists ends the check unless the values at path, joined by spaces, are these.
func (r *reply) lists(path, want string) *reply {
	if got := r.list(path); got != want {
		r.c.failf("%s: %s are [%s], want [%s]: %s", r.what, path, got, want, shorten(string(r.body), 500))
	}
	return r
}

func (r *reply) rev() string {
	rev := r.get("rev").String()
	if !revision.MatchString(rev) {
		r.c.failf("%s: no revision in the answer: %s", r.what, r.body)
	}
	return rev
}

// put writes a document and gives its revision.
func (c *checker) put(id, body string) string { return c.ask("PUT", "/"+id, body).wants(201).rev() }

// generation is the number before the hyphen of a revision.
func generation(rev string) string {
	n, _, _ := strings.Cut(rev, "-")
	return n
}

func orNothing(raw string) string {
	if raw == "" {
		return "nothing"
	}
	return raw
}

func sameJSON(a, b string) bool {
	if a == b {
		return true
	}
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y)
}

// quoted is text as JSON.
func quoted(text string) string {
	raw, err := json.Marshal(text)
	if err != nil {
		return `""`
	}
	return string(raw)
}
