// Package clienttest runs programs for Node as clients of `after serve`, the real process, which they have killed and started again in the
// middle of their work.
package clienttest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adlayer/after/couch/couchtest"
	"github.com/adlayer/after/test/faultproxy"
)

// patience is how long a program may take; it needs some seconds.
const patience = 5 * time.Minute

// Run runs a folder's client.js with the address of a server, credentials included, and fails the test unless it ends well, having run all
// parts. The program writes lines to its standard output:
//
//	<part>: ok   that a part of it ended well
//	kill         has the server killed as by kill -9, which is answered by a line "done"
//	start        has it started again at the same address, likewise
//
// At the end the server is killed, and its folder checked.
func Run(tb testing.TB, folder string, parts ...string) {
	tb.Helper()
	node, err := couchtest.NPM(tb, folder)
	if err != nil {
		couchtest.Without(tb, folder, err)
		return
	}
	if _, err := os.Stat("client.js"); err != nil { // go test runs anew what it saw a test look at
		tb.Fatal(err)
	}
	process := couchtest.NewProcess(tb, couchtest.Program(tb))
	process.Start()
	// The way in stays the same, whatever address the process has.
	proxy := faultproxy.New(tb, process.Address())
	server := process.Server()
	address := url.URL{Scheme: "http", Host: proxy.Addr(), User: url.UserPassword(server.User, server.Password)}

	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	client := exec.CommandContext(ctx, node, "client.js", address.String()) //nolint:gosec // it is ours
	client.Dir = folder
	var complaints strings.Builder
	client.Stderr = &complaints
	input, err := client.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	output, err := client.StdoutPipe()
	if err == nil {
		err = client.Start()
	}
	if err != nil {
		tb.Fatal(err)
	}
	said := obey(tb, output, input, process, proxy)
	if err := client.Wait(); err != nil {
		tb.Fatalf("%v\n%s\n%s", err, strings.Join(said, "\n"), complaints.String())
	}
	for _, part := range parts {
		if !slices.Contains(said, part+": ok") {
			tb.Errorf("the part %s did not run: %s", part, said)
		}
	}
	process.Kill()
	process.Check()
}

// obey does what the program asks for until its output ends, and gives all that it said.
func obey(tb testing.TB, output io.Reader, input io.Writer, process *couchtest.Process, proxy *faultproxy.Proxy) (said []string) {
	tb.Helper()
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		switch line := lines.Text(); line {
		case "kill":
			process.Kill()
			proxy.Cut()
		case "start":
			process.Start()
			proxy.SetTarget(process.Address())
		default:
			said = append(said, line)
			continue
		}
		if _, err := fmt.Fprintln(input, "done"); err != nil {
			tb.Errorf("the client hears nothing: %v", err)
		}
	}
	return said
}
