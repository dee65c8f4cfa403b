package couchtest

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// patience is how long one exchange may take.
const patience = time.Minute

// reportVariable names the variable that, where it is set, names a file which Replay appends all differences to, the listed
// ones too.
const reportVariable = "AFTER_REPLAY_REPORT"

// Gap is one recorded exchange that a server is known not to answer as CouchDB does.
type Gap struct {
	// Where is "group/scenario" and its steps, counted from 1: "documents/copy#2,4-6". Each of them differs.
	Where string
	// Reason says why, for people.
	Reason string
	// Only is the one place of the answer that differs, as a JSON pointer; empty: any.
	Only string
}

// Replay sends the recorded exchanges to a server and compares its answers by the rules of testdata/README.md. An exchange
// that differs fails the test unless the server's Recorded names it; one that is named there and no longer differs fails the
// test too, so that the list stays true.
func Replay(t *testing.T, server Server, recordings fs.FS) {
	t.Helper()
	groups, err := load(recordings)
	if err != nil {
		t.Fatalf("reading the recordings: %v", err)
	}
	known := newGaps(t, server.Recorded)
	for _, g := range groups {
		t.Run(g.Group, func(t *testing.T) {
			for _, s := range g.Scenarios {
				t.Run(s.Name, func(t *testing.T) {
					r := newReplayer(t, server, g.Group, s)
					r.run()
					r.judge(known)
				})
			}
		})
	}
	for _, where := range known.unused() {
		t.Errorf("%s is listed as a gap of %s, but no recording has that name", where, server.Name)
	}
}

// gaps are the listed gaps of one server.
type gaps struct {
	listed map[string]map[int]Gap // by scenario and step
	seen   map[string]bool
}

func newGaps(t *testing.T, list []Gap) *gaps {
	t.Helper()
	g := &gaps{listed: map[string]map[int]Gap{}, seen: map[string]bool{}}
	for _, gap := range list {
		where, steps, _ := strings.Cut(gap.Where, "#")
		if g.listed[where] == nil {
			g.listed[where] = map[int]Gap{}
		}
		for part := range strings.SplitSeq(steps, ",") {
			first, last, isRange := strings.Cut(part, "-")
			from, err := strconv.Atoi(first)
			to := from
			if isRange && err == nil {
				to, err = strconv.Atoi(last)
			}
			if err != nil || from < 1 || to < from {
				t.Errorf("%q does not name steps as scenario#1,3-5 does", gap.Where)
				continue
			}
			for n := from; n <= to; n++ {
				if _, twice := g.listed[where][n]; twice {
					t.Errorf("step %d of %s is listed twice", n, where)
				}
				g.listed[where][n] = gap
			}
		}
	}
	return g
}

// of gives the listed steps of a scenario.
func (g *gaps) of(group, name string) map[int]Gap {
	where := group + "/" + name
	g.seen[where] = true
	return g.listed[where]
}

func (g *gaps) unused() []string {
	var names []string
	for where := range g.listed {
		if !g.seen[where] {
			names = append(names, where)
		}
	}
	return names
}

// replayer plays one scenario.
type replayer struct {
	t      *testing.T
	server Server
	group  string
	s      scenario
	vars   vars
	found  map[int][]difference // by step, counted from 1
}

func newReplayer(t *testing.T, server Server, group string, s scenario) *replayer {
	t.Helper()
	token := strconv.FormatUint(rand.Uint64(), 36) //nolint:gosec // names that are not in use
	r := &replayer{t: t, server: server, group: group, s: s, found: map[int][]difference{}}
	r.vars = vars{
		"db": "r" + token, "db2": "r" + token + "2", "db3": "r" + token + "3",
		"user1": "u1" + token, "user2": "u2" + token, "user3": "u3" + token,
		"base": strings.TrimRight(server.URL, "/"), "hostport": server.hostport(),
	}
	return r
}

func (r *replayer) admin() string { return r.server.User + ":" + r.server.Password }

func (r *replayer) run() {
	r.t.Helper()
	for _, database := range r.s.Setup.Databases {
		a, err := r.asAdmin(http.MethodPut, "/"+r.vars[database]+"?q=1")
		if err != nil || a.status >= 300 {
			r.t.Fatalf("creating %s: %+v %v", database, a, err)
		}
	}
	r.t.Cleanup(r.cleanUp)
	for i, step := range r.s.Steps {
		r.found[i+1] = r.step(step)
	}
}

func (r *replayer) asAdmin(method, path string) (*answer, error) {
	return exchange{hostport: r.server.hostport(), method: method, path: path, auth: r.admin()}.do()
}

// cleanUp drops what a scenario may have made: on a server that is not ours alone it must not stay.
func (r *replayer) cleanUp() {
	for _, database := range []string{"db", "db2", "db3"} {
		if _, err := r.asAdmin(http.MethodDelete, "/"+r.vars[database]); err != nil {
			r.t.Logf("dropping %s: %v", database, err)
		}
	}
	for _, user := range []string{"user1", "user2", "user3"} {
		path := "/_users/org.couchdb.user:" + r.vars[user]
		a, err := r.asAdmin(http.MethodGet, path)
		if err != nil || a.status != http.StatusOK {
			continue
		}
		var doc struct {
			Rev string `json:"_rev"`
		}
		if json.Unmarshal(a.body, &doc) == nil {
			_, _ = r.asAdmin(http.MethodDelete, path+"?rev="+doc.Rev)
		}
	}
}

func (r *replayer) step(s step) []difference {
	switch s.Kind {
	case "wait":
		return r.wait(s.WaitMS)
	case "feed":
		return r.feed(s)
	}
	e, err := r.exchange(s.Request)
	if err != nil {
		return []difference{{"request", "one that can be sent", err.Error()}}
	}
	a, err := e.do()
	if err != nil {
		return []difference{{"answer", "one", err.Error()}}
	}
	return r.compare(s, a)
}

func (r *replayer) wait(ms int) []difference {
	timer := time.NewTimer(time.Duration(ms) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.t.Context().Done():
	}
	return nil
}

// feed opens a feed, plays what happens meanwhile, and reads it.
func (r *replayer) feed(s step) []difference {
	e, err := r.exchange(s.Request)
	if err != nil {
		return []difference{{"request", "one that can be sent", err.Error()}}
	}
	conn, err := e.open()
	if err != nil {
		return []difference{{"request", "one that is taken", err.Error()}}
	}
	defer conn.Close() //nolint:errcheck // it was read as far as wanted
	var found []difference
	for i, during := range s.During {
		r.wait(during.AfterMS)
		for _, d := range r.step(during) {
			d.where = fmt.Sprintf("meanwhile %d: %s", i+1, d.where)
			found = append(found, d)
		}
	}
	limit := time.Duration(s.ReadMS) * time.Millisecond
	if s.Response.Ended != nil && *s.Response.Ended {
		limit = patience // its end is awaited, however slow the machine
	}
	if err := conn.SetReadDeadline(time.Now().Add(limit)); err != nil { //nolint:forbidigo // a deadline of the network's
		return append(found, difference{"answer", "one", err.Error()})
	}
	a, err := e.read(conn)
	if err != nil {
		return append(found, difference{"answer", "one", err.Error()})
	}
	return append(found, r.compare(s, a)...)
}

func (r *replayer) exchange(q request) (exchange, error) {
	body, err := q.payload(r.vars)
	if err != nil {
		return exchange{}, err
	}
	e := exchange{
		hostport: r.server.hostport(), method: q.Method, path: r.vars.fill(q.Path), body: body,
		auth: r.vars.fill(q.Auth), headers: map[string]string{},
	}
	if q.Auth == "admin" {
		e.auth = r.admin()
	}
	for name, value := range q.Headers {
		e.headers[name] = r.vars.fill(value)
	}
	if name := placeholder.FindString(e.path); name != "" {
		return e, fmt.Errorf("%s has no value: the step that gives it went wrong", name)
	}
	return e, nil
}

var (
	placeholder = regexp.MustCompile(`\{\{\w+(\.hash)?\}\}`)
	revision    = regexp.MustCompile(`^\d+-.`)
)

func (r *replayer) compare(s step, a *answer) []difference {
	found := r.capture(s, a)
	return append(found, compare(r.vars, s, a)...)
}

// capture takes the values of placeholders out of an answer.
func (r *replayer) capture(s step, a *answer) []difference {
	var found []difference
	for name, source := range s.Capture {
		value, ok := captured(source, a)
		if !ok {
			found = append(found, difference{"capture " + name, "a value at " + source, "none"})
			continue
		}
		r.vars[name] = value
		if recorded := r.s.Recorded[name]; revision.MatchString(recorded) && revision.MatchString(value) {
			want, _, _ := strings.Cut(recorded, "-")
			if got, _, _ := strings.Cut(value, "-"); got != want {
				found = append(found, difference{"capture " + name, "generation " + want, value})
			}
		}
	}
	return found
}

func captured(source string, a *answer) (string, bool) {
	if header, ok := strings.CutPrefix(source, "header:"); ok {
		name, cookie, isCookie := strings.Cut(header, ":")
		if !isCookie {
			return a.headers.Get(name), a.headers.Get(name) != ""
		}
		for _, c := range (&http.Response{Header: a.headers}).Cookies() {
			if c.Name == cookie {
				return c.Value, true
			}
		}
		return "", false
	}
	value, err := decode(a.body)
	if err != nil {
		return "", false
	}
	for _, name := range splitPointer(source) {
		switch at := value.(type) {
		case map[string]any:
			value = at[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(at) {
				return "", false
			}
			value = at[i]
		default:
			return "", false
		}
	}
	switch v := value.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	}
	return "", false
}

// explains tells whether nothing differs but what the gap is about.
func (g Gap) explains(found []difference) bool {
	return g.Only == "" || !slices.ContainsFunc(found, func(d difference) bool { return d.where != g.Only })
}

// judge holds what was found against the list of gaps.
func (r *replayer) judge(known *gaps) {
	r.t.Helper()
	steps := known.of(r.group, r.s.Name)
	for i, s := range r.s.Steps {
		n, found := i+1, r.found[i+1]
		gap, listed := steps[n]
		switch {
		case len(found) > 0 && (!listed || !gap.explains(found)):
			r.t.Errorf("step %d: %s\n\t%s", n, r.describe(s), join(found))
		case len(found) == 0 && listed:
			r.t.Errorf("step %d is listed as a gap of %s (%s), but it agrees: take it off the list", n, r.server.Name, gap.Reason)
		}
		if len(found) > 0 {
			r.report(n, s, found, listed)
		}
	}
	for n := range steps {
		if n > len(r.s.Steps) {
			r.t.Errorf("step %d is listed as a gap of %s, but there are %d steps", n, r.server.Name, len(r.s.Steps))
		}
	}
}

func (r *replayer) describe(s step) string {
	e, err := r.exchange(s.Request)
	if err != nil {
		return s.Request.Method + " " + s.Request.Path
	}
	return e.String()
}

func join(found []difference) string {
	texts := make([]string, 0, len(found))
	for _, d := range found {
		texts = append(texts, d.String())
	}
	slices.Sort(texts)
	return strings.Join(texts, "\n\t")
}

// report appends to the file that reportVariable names.
func (r *replayer) report(n int, s step, found []difference, listed bool) {
	path := os.Getenv(reportVariable)
	if path == "" {
		return
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600) //nolint:gosec // the person names the file
	if err != nil {
		r.t.Errorf("writing the report: %v", err)
		return
	}
	defer file.Close() //nolint:errcheck // a report, not data
	mark := ""
	if listed {
		mark = " (listed)"
	}
	_, err = fmt.Fprintf(file, "%s/%s#%d%s %s\n\t%s\n", r.group, r.s.Name, n, mark, r.describe(s), join(found))
	if err != nil {
		r.t.Errorf("writing the report: %v", err)
	}
}
