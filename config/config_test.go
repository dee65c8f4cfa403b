package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/adlayer/after/config"
)

func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func emptyFile(t *testing.T) string {
	t.Helper()
	return write(t, "{}")
}

func load(t *testing.T, content string, environ ...string) *config.Config {
	t.Helper()
	c, err := config.Load(config.Options{Path: write(t, content), Environ: append([]string{}, environ...)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func source(t *testing.T, c *config.Config, key string) string {
	t.Helper()
	for _, s := range c.Settings() {
		if s.Key == key {
			return s.Source
		}
	}
	t.Fatalf("no setting %s", key)
	return ""
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	c := load(t, "{}")
	want := config.Couch{URL: "http://127.0.0.1:5984", User: "after", Password: "after", Database: "tasks"}
	if diff := cmp.Diff(want, c.Couch); diff != "" {
		t.Error(diff)
	}
	if c.Worker.Concurrency != 100 || c.Worker.Drain != 30*time.Second || c.Worker.Retention != 0 {
		t.Errorf("worker: %+v", c.Worker)
	}
	if got := c.Store.DefaultPasswords(); len(got) != 1 || got[0] != "after" {
		t.Errorf("default passwords: %v", got)
	}
}

func TestLaterGoesBeforeEarlier(t *testing.T) {
	t.Parallel()
	path := write(t, `{"couch": {"database": "file"}, "worker": {"concurrency": 7, "drain": "1m"}, "log": {"level": "warn"}}`)
	c, err := config.Load(config.Options{
		Path:    path,
		Environ: []string{"AFTER_COUCH_DATABASE=variable", "AFTER_WORKER_CONCURRENCY=8", "HOME=/nowhere"},
		Flags:   map[string]string{"couch.database": "flag"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.Couch.Database != "flag" || c.Worker.Concurrency != 8 || c.Worker.Drain != time.Minute || c.Log.Level != "warn" {
		t.Errorf("%+v %+v %+v", c.Couch, c.Worker, c.Log)
	}
	for key, want := range map[string]string{
		"couch.database": "--database", "worker.concurrency": "variable AFTER_WORKER_CONCURRENCY",
		"worker.drain": path, "log.format": "default", "couch.user": "couch.url",
	} {
		if got := source(t, c, key); got != want {
			t.Errorf("%s comes from %q, want %q", key, got, want)
		}
	}
}

func TestAdminsReplaceTheDefault(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]*config.Config{
		"file":     load(t, `{"store": {"admins": {"jean.luc": "x"}}}`),
		"variable": load(t, `{}`, "AFTER_STORE_ADMINS=jean.luc:x"),
		"json":     load(t, `{}`, `AFTER_STORE_ADMINS={"jean.luc":"x"}`),
		"lines":    load(t, `{"store": {"admins_file": "`+filepath.ToSlash(write(t, "# people\njean.luc:x\n"))+`"}}`),
	} {
		if diff := cmp.Diff(map[string]string{"jean.luc": "x"}, c.Store.Admins); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, content, want string }{
		{"unknown key", `{"couch": {"ulr": "http://h"}}`, "couch.ulr is no key of after; is couch.url meant?"},
		{"unknown section", `{"cuch": {}}`, "cuch is no key of after; is couch meant?"},
		{"far off", `{"completely": 1}`, "docs/config.md lists them"},
		{"section of the wrong type", `{"couch": "http://h"}`, "couch must be an object, not a text"},
		{"number as text", `{"worker": {"concurrency": "100"}}`, "worker.concurrency must be a whole number, not a text"},
		{"broken number", `{"worker": {"concurrency": 1.5}}`, "worker.concurrency must be a whole number, not 1.5"},
		{"huge number", `{"worker": {"concurrency": 1e30}}`, "worker.concurrency must be a whole number, not 1e+30"},
		{"none", `{"worker": {"concurrency": 0}}`, "worker.concurrency 0 is not between"},
		{"text as number", `{"couch": {"database": 3}}`, "couch.database must be a text in quotation marks, not a number"},
		{"no filter", `{"changes": {"filter": "mine"}}`, `changes.filter "mine" is no filter`},
		{"duration as number", `{"worker": {"drain": 30}}`, "worker.drain must be a text in quotation marks, not a number"},
		{"no duration", `{"worker": {"drain": "soon"}}`, `worker.drain "soon" is no duration`},
		{"a mail server with its port", `{"mail": {"host": "mail.example.org:587"}}`, `names a port: write mail.host mail.example.org and mail.port 587`},
		{"a mail server by its address", `{"mail": {"host": "smtp://mail.example.org"}}`, `is no name of a host`},
		{"mails from no address", `{"mail": {"host": "::1", "from": "ops"}}`, `mail.from "ops" is no mail address`},
		{"mails to no domain", `{"mail": {"allow": ["*.example.org"]}}`, `mail.allow "*.example.org" is neither an address`},
		{"list", `{"jobs": {"exec": {"allow": "ls"}}}`, "jobs.exec.allow must be a list of texts, not a text"},
		{"item", `{"jobs": {"exec": {"allow": ["ls", 1]}}}`, "item 1 is a number"},
		{"level", `{"log": {"level": "loud"}}`, `log.level "loud" is none of debug, info, warn, error`},
		{"listen", `{"store": {"listen": "5984"}}`, `store.listen "5984" is no address to listen on`},
		{"database", `{"couch": {"database": "Tasks"}}`, `couch.database "Tasks" is no name of a database`},
		{"scheme", `{"couch": {"url": "localhost:5984"}}`, "couch.url must begin with"},
		{"code", `{"http": {"codes": {"done": ["99"]}}}`, `http.codes.done "99" is no status code`},
		{"limit", `{"http": {"limit": "10"}}`, `http.limit "10" is no limit`},
		{"limits", `{"http": {"limits": {"h": ""}}}`, `http.limits "" of h is no limit`},
		{"callback", `{"http": {"callback_url": "example.org"}}`, "http.callback_url is no http or https address"},
		{"nobody", `{"store": {"admins": {}}}`, "store.admins names nobody"},
		{"null", `{"couch": {"url": null}}`, "couch.url must be a text in quotation marks, not null"},
		{"twice", "{\"log\": {},\n\"log\": {}}", ":2: is no proper JSON"},
		{"cut", "{\"log\": \n", ":2: is no proper JSON"},
		{"more", "{} {}", "is no proper JSON: there is more after the object"},
		{"list at the root", "[]", "must hold a JSON object, not a list"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := write(t, test.content)
			_, err := config.Load(config.Options{Path: path, Environ: []string{}})
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want the file's name and %q", err, test.want)
			}
		})
	}
}

// TestHalfAMailServer: what one key of mails needs of the others is said.
func TestHalfAMailServer(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		`{"mail": {"host": "mail.example.org"}}`: "mail.from is missing",
		`{"mail": {"password": "s3cret"}}`:       "mail.user is missing",
		`{"mail": {"user": "after"}}`:            "mail.password is missing",
	} {
		if _, err := config.Load(config.Options{Path: write(t, content), Environ: []string{}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", content, err, want)
		}
	}
}

func TestAllMistakesAtOnce(t *testing.T) {
	t.Parallel()
	_, err := config.Load(config.Options{
		Path:    write(t, `{"couch": {"ulr": ""}, "log": {"level": 1}}`),
		Environ: []string{"AFTER_WORKER_CONCURRENCY=many", "AFTER_COUCH_ULR=x", "AFTER_TEST_COUCHDB=x", "AFTER_COUCH_SERVICE_HOST=10.0.0.1", "AFTER_COUCH_PORT_80_TCP_ADDR=10.0.0.1"},
		Flags:   map[string]string{"worker.drain": "x"},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"couch.ulr", "log.level", `variable AFTER_WORKER_CONCURRENCY: worker.concurrency "many" is no whole number`, "AFTER_COUCH_ULR: there is no such key; is AFTER_COUCH_URL meant?", "--drain: worker.drain"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in:\n%v", want, err)
		}
	}
	if n := strings.Count(err.Error(), "\n") + 1; n != 5 {
		t.Errorf("%d mistakes found, want 5:\n%v", n, err)
	}
}

func TestPasswords(t *testing.T) {
	t.Parallel()
	file := filepath.ToSlash(write(t, "from-file\n"))
	for _, test := range []struct {
		name, content  string
		environ        []string
		user, password string
	}{
		{"address", `{"couch": {"url": "http://u:p%40ss@h"}}`, nil, "u", "p@ss"},
		{"variable", `{"couch": {"url": "http://u@h"}}`, []string{"AFTER_COUCH_PASSWORD=secret"}, "u", "secret"},
		{"variable before address", `{"couch": {"url": "http://u:old@h"}}`, []string{"AFTER_COUCH_PASSWORD=secret"}, "u", "secret"},
		{"file", `{"couch": {"url": "http://h", "user": "u", "password_file": "` + file + `"}}`, nil, "u", "from-file"},
		{"file before all", `{"couch": {"url": "http://u:old@h", "password": "older", "password_file": "` + file + `"}}`, nil, "u", "from-file"},
		{"another user does not get the password", `{"couch": {"url": "http://u:p@h", "user": "v"}}`, nil, "v", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := load(t, test.content, test.environ...)
			if c.Couch.User != test.user || c.Couch.Password != test.password || c.Couch.URL != "http://h" {
				t.Errorf("got %+v", c.Couch)
			}
		})
	}
}

func TestNothingShowsAPassword(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	shows := func(t *testing.T, text string) {
		t.Helper()
		if strings.Contains(text, secret) {
			t.Errorf("shows the password: %s", text)
		}
	}
	c := load(t, `{"couch": {"url": "http://u:hunter2@h", "password": "hunter2"}, "store": {"admins": {"a": "hunter2"}},
		"http": {"signing_key": "hunter2", "proxy": "http://u:hunter2@h", "credentials": {"a": "* bearer hunter2"}}}`)
	for _, s := range c.Settings() {
		shows(t, cmp.Diff(nil, s.Value))
	}
	shows(t, c.Couch.Redacted())
	if got, want := c.Couch.Redacted(), "http://u:*****@h"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, content := range []string{
		`{"couch": {"url": "http://u:hunter2@h:port"}}`, `{"couch": {"url": "http://u:hunter2%zz@h"}}`, `{"couch": {"url": "u:hunter2@h"}}`,
		`{"couch": {"url": "http://u:hunter2@"}}`, `{"couch": {"url": "http://u:hunter2@h?x"}}`, `{"couch": {"url": "http://u:hun ter2hunter2@h"}}`,
		`{"couch": {"url": ["hunter2"]}}`, `{"couch": {"password": "hunter2", "url": "http://h"}}`, `{"store": {"admins": {"a:b": "hunter2"}}}`,
		`{"couch": {"url": "http://u:hunter2@h}`,
	} {
		if _, err := config.Load(config.Options{Path: write(t, content), Environ: []string{}}); err == nil {
			t.Errorf("no error for %s", content)
		} else {
			shows(t, err.Error())
		}
	}
	_, err := config.Load(config.Options{Path: emptyFile(t), Environ: []string{}, Flags: map[string]string{"couch.url": "http://u:hunter2@h"}})
	if err == nil || !strings.Contains(err.Error(), "must not hold a password") {
		t.Errorf("a password in a flag: %v", err)
	} else {
		shows(t, err.Error())
	}
	_, err = config.Load(config.Options{Path: emptyFile(t), Environ: []string{"AFTER_STORE_ADMINS=hunter2"}})
	if err == nil {
		t.Error("no error for a password alone")
	} else {
		shows(t, err.Error())
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	path := write(t, `{"state": {"folder": "state"}, "store": {"data": "/var/lib/after"}}`)
	c, err := config.Load(config.Options{Path: path, Environ: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(filepath.Dir(path), "state"); c.State.Folder != want {
		t.Errorf("state.folder is %s, want %s", c.State.Folder, want)
	}
	if folder, err := c.DataFolder(); err != nil || folder != "/var/lib/after" {
		t.Errorf("data folder: %s, %v", folder, err)
	}
}

func TestMissingFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "none.json")
	for by, o := range map[string]config.Options{
		"--config":     {Path: path, Environ: []string{}},
		"AFTER_CONFIG": {Environ: []string{"AFTER_CONFIG=" + path}},
	} {
		_, err := config.Load(o)
		if err == nil || !strings.Contains(err.Error(), by) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", by, err)
		}
	}
}

// TestPlaces changes the working folder and the home, so it runs alone.
func TestPlaces(t *testing.T) { //nolint:paralleltest // Chdir and Setenv
	home, work := t.TempDir(), t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(home, ".config"))
	t.Setenv("XDG_DATA_HOME", "")
	t.Setenv("XDG_STATE_HOME", filepath.Join(home, "elsewhere"))
	t.Chdir(work)
	user, err := os.UserConfigDir()
	if err != nil {
		t.Fatal(err)
	}
	put := func(path, content string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	database := func() string {
		t.Helper()
		c, err := config.Load(config.Options{Environ: []string{}})
		if err != nil {
			t.Fatal(err)
		}
		return c.Couch.Database
	}
	if got := database(); got != "tasks" {
		t.Errorf("with no file: %s", got)
	}
	put(filepath.Join(user, "after", "config.json"), `{"couch": {"database": "user"}}`)
	if got := database(); got != "user" {
		t.Errorf("the user's file: %s", got)
	}
	for _, foreign := range []string{`{"log": {"level": "verbose"}, "port": 80}`, `{"couch": "potato"}`, `{"couch": {"host": "h", "port": 5984}}`, `[]`, `not json`} {
		put("config.json", foreign)
		if got := database(); got != "user" {
			t.Errorf("somebody else's config.json %s: %s", foreign, got)
		}
	}
	put("config.json", `{"couch": {"database": "here"}}`)
	if got := database(); got != "here" {
		t.Errorf("our config.json: %s", got)
	}
	put("config.json", `{"couch": {"database": "here"}, "prot": 1}`)
	if _, err := config.Load(config.Options{Environ: []string{}}); err == nil || !strings.Contains(err.Error(), "prot") {
		t.Errorf("our config.json with a mistake: %v", err)
	}
	for slip, want := range map[string]string{`{"couch": {"urll": "http://h"}}`: "couch.urll", `{"worker": {"concurency": 7}}`: "worker.concurency"} {
		put("config.json", slip)
		if _, err := config.Load(config.Options{Environ: []string{}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("our config.json with nothing but a slip: %v", err)
		}
	}
	for _, broken := range []string{`{"couch": {"database": "here"},}`, `{"worker": {"concurrency": 7}`, `{"jobs": {"folder": "x",}}`} {
		put("config.json", broken)
		if _, err := config.Load(config.Options{Environ: []string{}}); err == nil || !strings.Contains(err.Error(), ":1:") {
			t.Errorf("our config.json, no JSON: %v", err)
		}
	}
}
