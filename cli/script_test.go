package cli_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/adlayer/after/cli"
	"github.com/adlayer/after/internal/testcert"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"after": after})
}

// clockVariable gives a command another time than the machine's.
const clockVariable = "TEST_NOW"

func after() {
	text := os.Getenv(clockVariable)
	if text == "" {
		cli.Main()
	}
	now, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	os.Exit(cli.RunAt(now, os.Args[1:]))
}

// TestScripts types every command as a person would, each script with a home, a state folder and a port of its own.
//
// Beside testscript's own commands there are
//
//	exits <status> <command...>          runs it and compares its exit status
//	await <pattern> <command...>         runs it again and again until its output matches
//	signal <name> <worker>               sends a signal to the process that runs a worker
//	certify <ca> <certificate> <key>     writes the files of a server's certificate and of the authority that signed it
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup:               setup,
		Cmds:                commands(),
	})
}

// hashedAdmin is the administrator after of password after. A plain password is hidden by each server that starts, for which the race detector
// takes seconds of a processor.
const hashedAdmin = `{"after":"-pbkdf2:sha256-dbd6a9366c9c92099c2c6c616148d25db375988b79c2801a99577c67729151a8,salt,10"}`

func commands() map[string]func(ts *testscript.TestScript, neg bool, args []string) {
	return map[string]func(ts *testscript.TestScript, neg bool, args []string){"exits": exits, "await": await, "signal": sendSignal, "certify": certify}
}

// lastPort is the last port that freeAddress has given.
var lastPort atomic.Int64

// freeAddress gives an address of this machine that nobody listens on, each time another one. A script stops its server and starts it there
// again: so it lies below the ports that the system gives to whoever asks for any, of which another test may take it in between.
func freeAddress() (string, error) {
	const lowest, ports = 10_000, 20_000
	for range ports {
		address := fmt.Sprintf("127.0.0.1:%d", lowest+(int64(os.Getpid())*97+lastPort.Add(1))%ports)
		listener, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		return address, listener.Close()
	}
	return "", errors.New("no port is free")
}

func setup(env *testscript.Env) error {
	address, err := freeAddress()
	if err != nil {
		return err
	}
	foreign := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>hello") }))
	env.Defer(foreign.Close)
	ahead := httptest.NewServer(aMinuteAhead(address))
	env.Defer(ahead.Close)
	home := filepath.Join(env.WorkDir, "home")
	for _, folder := range []string{home, filepath.Join(env.WorkDir, "jobs")} {
		if err := os.Mkdir(folder, 0o700); err != nil {
			return err
		}
	}
	for name, value := range map[string]string{
		"HOME": home, "TZ": "UTC", "ADDRESS": address, "PLACE": address, "FOREIGN": foreign.URL,
		"AHEAD":           "after:after@" + strings.TrimPrefix(ahead.URL, "http://"),
		"AFTER_COUCH_URL": "http://after:after@" + address, "AFTER_STORE_LISTEN": address,
		"QUEUE":              "http://after:after@" + address,
		"TASKS":              "http://after:after@" + address + "/tasks",
		"AFTER_JOBS_FOLDER":  filepath.Join(env.WorkDir, "jobs"),
		"AFTER_STATE_FOLDER": filepath.Join(env.WorkDir, "state"), "AFTER_STORE_DATA": filepath.Join(env.WorkDir, "data"),
		"AFTER_STORE_ADMINS": hashedAdmin,
		// Under the race detector a process that ends waits a second for reports otherwise.
		"GORACE": "atexit_sleep_ms=0",
	} {
		env.Setenv(name, value)
	}
	env.Defer(func() {
		cmd := exec.Command("after", "stop", "--all", "--now")
		cmd.Env = env.Vars
		if out, err := cmd.CombinedOutput(); err != nil {
			env.T().Log(fmt.Sprintf("ending what the script left: %v: %s", err, out))
		}
	})
	return nil
}

// aMinuteAhead passes everything on to a server, and says that its clock is a minute ahead.
func aMinuteAhead(address string) http.Handler {
	pass := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: address})
	pass.FlushInterval = -1
	pass.Transport = &http.Transport{DisableCompression: true, DisableKeepAlives: true}
	pass.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	pass.ModifyResponse = func(r *http.Response) error {
		r.Header.Set("Date", time.Now().Add(time.Minute).UTC().Format(http.TimeFormat))
		return nil
	}
	return pass
}

func certify(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: certify <ca> <certificate> <key>")
	}
	authority, err := testcert.New(ts.MkAbs(args[0]))
	ts.Check(err)
	_, err = authority.Issue(ts.MkAbs(args[1]), ts.MkAbs(args[2]))
	ts.Check(err)
}

// exits runs a command and compares its exit status.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits <status> <command...>")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("%s: exit status %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// await runs a command until its output matches.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: [!] await <pattern> <command...>")
	}
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	limit := time.Now().Add(2 * time.Minute)
	for {
		err := ts.Exec(args[1], args[2:]...)
		out := ts.ReadFile("stdout") + ts.ReadFile("stderr")
		if pattern.MatchString(out) != neg {
			return
		}
		if time.Now().After(limit) {
			ts.Fatalf("%s: never %q (%v)", strings.Join(args[1:], " "), args[0], err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// sendSignal sends a signal to the process that runs a worker.
func sendSignal(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: signal <name> <worker>")
	}
	entries, err := filepath.Glob(filepath.Join(ts.Getenv("AFTER_STATE_FOLDER"), "run", "*.json"))
	ts.Check(err)
	for _, entry := range entries {
		if strings.Contains(ts.ReadFile(entry), strconv.Quote(args[1])) {
			ts.Check(ts.Exec("kill", "-s", args[0], strings.TrimSuffix(filepath.Base(entry), ".json")))
			return
		}
	}
	ts.Fatalf("no process runs %s", args[1])
}
