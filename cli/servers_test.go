package cli_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/adlayer/after/couch/couchtest"
)

// TestScriptsOnEveryServer types the commands about what is planned, and when, on servers that after does not serve itself.
func TestScriptsOnEveryServer(t *testing.T) {
	t.Parallel()
	for _, server := range couchtest.Servers(t)[1:] { // the first is the embedded store, which all scripts run on
		var files []string
		for _, name := range []string{"control", "plans", "backfill", "states", "export"} {
			files = append(files, filepath.Join("testdata", name+".txtar"))
		}
		t.Run(server.Name, func(t *testing.T) {
			t.Parallel()
			testscript.Run(t, testscript.Params{
				Files:               files,
				RequireExplicitExec: true,
				Setup: func(env *testscript.Env) error {
					if err := setup(env); err != nil {
						return err
					}
					url := strings.Replace(server.URL, "://", "://"+server.User+":"+server.Password+"@", 1)
					env.Setenv("AFTER_COUCH_URL", url)
					env.Setenv("AFTER_COUCH_DATABASE", "cli-"+strings.ToLower(filepath.Base(env.WorkDir)))
					return nil
				},
				Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
					"exits": exits, "await": await, "signal": sendSignal,
				},
			})
		})
	}
}
