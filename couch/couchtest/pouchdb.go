package couchtest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"
)

// PouchDB starts PouchDB Server 4.2.0 in memory, a separate implementation of the protocol, and ends it with the test. The
// first call on a machine installs it from npm into test/pouchdb-server. Where node or npm is missing the error is errNoNPM.
func PouchDB(tb testing.TB) (Server, error) {
	tb.Helper()
	folder := filepath.Join(repository(tb), "test", "pouchdb-server")
	program := filepath.Join(folder, "node_modules", "pouchdb-server", "bin", "pouchdb-server")
	node, err := NPM(tb, folder)
	if err != nil {
		return Server{}, err
	}
	s := Server{Name: "PouchDB Server", User: "admin", Password: "secret", Gaps: pouchGaps()}
	port := startPouchDB(tb, node, filepath.Join(folder, "preload.js"), program, s)
	s.URL = "http://127.0.0.1:" + port
	return s, nil
}

// repository is the root of the module: tests run in their package's folder, below it.
func repository(tb testing.TB) string {
	tb.Helper()
	folder, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder
		}
		above := filepath.Dir(folder)
		if above == folder {
			tb.Fatal("no go.mod above the working directory: where is the repository?")
		}
		folder = above
	}
}

var listening = regexp.MustCompile(`^listening on port (\d+)$`)

// startPouchDB starts the server as a child that ends when its standard input does, and gives the port it listens on.
func startPouchDB(tb testing.TB, node, preload, program string, s Server) string {
	tb.Helper()
	folder := tb.TempDir()
	config, err := json.Marshal(map[string]any{
		"httpd":          map[string]any{"port": 0, "bind_address": "127.0.0.1"},
		"admins":         map[string]string{s.User: s.Password},
		"log":            map[string]string{"file": filepath.Join(folder, "log.txt"), "level": "warning"},
		"pouchdb_server": map[string]any{"in_memory": true, "no-stdout-logs": true},
	})
	if err != nil {
		tb.Fatal(err)
	}
	path := filepath.Join(folder, "config.json")
	if err := os.WriteFile(path, config, 0o600); err != nil {
		tb.Fatal(err)
	}
	child := exec.CommandContext(context.WithoutCancel(tb.Context()), node, "--require", preload, program, //nolint:gosec // both are ours
		"--config", path, "--dir", folder, "--in-memory")
	child.Dir = folder
	input, err := child.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	output, err := child.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	var complaints lockedBuffer
	child.Stderr = &complaints
	if err := child.Start(); err != nil {
		tb.Fatalf("starting PouchDB Server: %v", err)
	}
	port := make(chan string, 1)
	var reading sync.WaitGroup
	reading.Go(func() {
		lines := bufio.NewScanner(output)
		for lines.Scan() {
			if match := listening.FindStringSubmatch(lines.Text()); match != nil {
				select {
				case port <- match[1]:
				default:
				}
			}
		}
		_, _ = io.Copy(io.Discard, output)
	})
	tb.Cleanup(func() {
		_ = input.Close()
		kill := time.AfterFunc(10*time.Second, func() { _ = child.Process.Kill() })
		reading.Wait()
		_ = child.Wait()
		kill.Stop()
		if tb.Failed() && complaints.Len() > 0 {
			tb.Logf("PouchDB Server said: %s", complaints.String())
		}
	})
	select {
	case found := <-port:
		return found
	case <-time.After(patience): //nolint:forbidigo // one wait
		tb.Fatalf("PouchDB Server did not say where it listens within %v: %s", patience, complaints.String())
		return ""
	}
}

// lockedBuffer keeps what a child says on its standard error.
type lockedBuffer struct {
	mutex  sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) Len() int {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.buffer.Len()
}

func (b *lockedBuffer) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.buffer.String()
}
