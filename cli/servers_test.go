package cli_test

import (
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/adlayer/after/couch/couchtest"
)

// elsewhere are the scripts that have nothing to say about another server, each with the reason.
var elsewhere = map[string]string{
	"anew":        "begins with the queue on the embedded store's own port",
	"config":      "about the configuration, which asks no server",
	"functions":   "about the embedded store",
	"jobs":        "about the folder of jobs, which asks no server",
	"rules":       "about rules, which ask no server",
	"gateway":     "begins with the queue on the embedded store's own port",
	"serve":       "about the embedded store",
	"signals":     "about the processes of this machine, with the configuration of the embedded store",
	"store":       "about the embedded store",
	"takeover":    "about the embedded store",
	"tokens":      "begins with the queue on the embedded store's own port",
	"unreachable": "about servers that are not there",
	"usage":       "about the command line, which asks no server",
	"worker":      "about the first minutes with the embedded store",
}

// TestScriptsOnEveryServer types the commands on servers that after does not serve itself.
func TestScriptsOnEveryServer(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	var everywhere []string
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		if elsewhere[name] == "" {
			everywhere = append(everywhere, file)
		}
		delete(elsewhere, name)
	}
	for name := range elsewhere {
		t.Errorf("there is no script %s", name)
	}
	for _, server := range couchtest.Servers(t)[1:] { // the first is the embedded store, which all scripts run on
		t.Run(server.Name, func(t *testing.T) {
			t.Parallel()
			testscript.Run(t, testscript.Params{
				Files:               everywhere,
				RequireExplicitExec: true,
				Setup:               func(env *testscript.Env) error { return setupOn(env, server) },
				Cmds:                commands(),
			})
		})
	}
}

// setupOn is setup, with the tasks in a database of the script's own on another server.
func setupOn(env *testscript.Env, server couchtest.Server) error {
	if err := setup(env); err != nil {
		return err
	}
	place := strings.TrimPrefix(server.URL, "http://")
	ahead := httptest.NewServer(aMinuteAhead(place))
	env.Defer(ahead.Close)
	credentials := server.User + ":" + server.Password
	root, database := "http://"+credentials+"@"+place, "cli-"+strings.ToLower(filepath.Base(env.WorkDir))
	for name, value := range map[string]string{
		"PLACE": place, "AHEAD": credentials + "@" + strings.TrimPrefix(ahead.URL, "http://"),
		"AFTER_COUCH_URL": root, "AFTER_COUCH_DATABASE": database, "TASKS": root + "/" + database,
	} {
		env.Setenv(name, value)
	}
	return nil
}
