package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/adlayer/after/couch"
)

// rig is the built binary and a folder for what it writes.
type rig struct {
	folder string
	binary string
	tasks  int
	stores int

	filled, couch *host // the store with a million documents, and the CouchDB; nil until they are needed
}

// newRig builds the binary, unless one is given.
func newRig(binary string, tasks int) (*rig, error) {
	folder, err := os.MkdirTemp("", "after-bench-")
	if err != nil {
		return nil, err
	}
	r := &rig{folder: folder, binary: filepath.Join(folder, "after"), tasks: tasks}
	if binary != "" {
		r.binary, err = filepath.Abs(binary)
		return r, err
	}
	build := exec.Command("go", "build", "-trimpath", "-o", r.binary, "github.com/adlayer/after/cmd/after")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as make build does: with a C compiler Pebble would keep its memory elsewhere
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return nil, errors.Join(fmt.Errorf("building the binary: %w", err), os.RemoveAll(folder))
	}
	return r, nil
}

func (r *rig) close(ctx context.Context) {
	if r.filled != nil {
		r.filled.bed.close()
	}
	if r.couch != nil && r.couch.million != nil {
		if err := r.couch.million.drop(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "bench: a database is left behind:", err)
		}
	}
	_ = os.RemoveAll(r.folder)
}

// bed is one running store with its own data and state.
type bed struct {
	rig    *rig
	folder string
	url    string
	env    []string
	serve  *exec.Cmd
	client *couch.Client
	db     *couch.Database
}

// open serves a fresh store with an empty database of tasks.
func (r *rig) open(ctx context.Context) (*bed, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		return nil, err
	}
	r.stores++
	b := &bed{rig: r, url: "http://after:after@" + address, folder: filepath.Join(r.folder, fmt.Sprint("bed", r.stores))}
	if err := os.MkdirAll(filepath.Join(b.folder, "jobs"), 0o755); err != nil {
		return nil, err
	}
	b.env = append(os.Environ(), "AFTER_COUCH_URL="+b.url, "AFTER_STORE_LISTEN="+address,
		"AFTER_STORE_DATA="+filepath.Join(b.folder, "data"), "AFTER_STATE_FOLDER="+filepath.Join(b.folder, "state"),
		"AFTER_JOBS_FOLDER="+filepath.Join(b.folder, "jobs"), "AFTER_LOG_LEVEL=warn")
	if b.client, err = couch.Dial(b.url, couch.Options{}); err != nil {
		return nil, err
	}
	if err := b.start(ctx); err != nil {
		return nil, err
	}
	if err := b.client.CreateDatabase(ctx, "tasks"); err != nil {
		return nil, err
	}
	b.db = b.client.Database("tasks")
	return b, nil
}

// start serves the store and waits until it answers.
func (b *bed) start(ctx context.Context) (err error) {
	b.serve = b.command(ctx, "serve")
	if err := b.serve.Start(); err != nil {
		return err
	}
	for range 2000 {
		if _, err = b.client.Server(ctx); err == nil {
			return nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return fmt.Errorf("the store did not answer: %w", err)
}

// stop ends the store's process.
func (b *bed) stop() {
	_ = b.serve.Process.Signal(os.Interrupt)
	_ = b.serve.Wait()
}

// restart ends the store and tells how long it takes to answer again from the start of its process.
func (b *bed) restart(ctx context.Context) (time.Duration, error) {
	b.stop()
	began := time.Now()
	err := b.start(ctx)
	return time.Since(began), err
}

// resident is the memory of the store's process, in millions of bytes.
func (b *bed) resident() (float64, error) {
	return residentOf(b.serve)
}

func (b *bed) command(ctx context.Context, arguments ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, b.rig.binary, arguments...)
	command.Env, command.Dir = b.env, b.folder
	command.Stderr = os.Stderr // what it says on its output is for people
	return command
}

func (b *bed) after(ctx context.Context, arguments ...string) error {
	if err := b.command(ctx, arguments...).Run(); err != nil {
		return fmt.Errorf("after %s: %w", strings.Join(arguments, " "), err)
	}
	return nil
}

// close stops the store and removes its data.
func (b *bed) close() {
	b.client.Close()
	b.stop()
	_ = os.RemoveAll(b.folder)
}

// insert writes n documents in batches from several connections.
func (b *bed) insert(ctx context.Context, n, batch, clients int, document func(i int) []byte) error {
	return spread(ctx, n, batch, clients, func(ctx context.Context, first, end int) error {
		docs := make([][]byte, 0, end-first)
		for i := first; i < end; i++ {
			docs = append(docs, document(i))
		}
		return bulk(ctx, b.db, docs, nil)
	})
}

// bulk writes documents and notes their revisions, where wanted.
func bulk(ctx context.Context, db *couch.Database, docs [][]byte, revs []string) error {
	results, err := db.Bulk(ctx, docs)
	if err != nil {
		return err
	}
	for i, result := range results {
		if err := result.Err(); err != nil {
			return err
		}
		if revs != nil {
			revs[i] = result.Rev
		}
	}
	return nil
}

// spread does n things in batches, several at a time.
func spread(ctx context.Context, n, batch, clients int, do func(ctx context.Context, first, end int) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	next := make(chan int)
	go func() {
		defer close(next)
		for first := 0; first < n; first += batch {
			select {
			case next <- first:
			case <-ctx.Done():
				return
			}
		}
	}()
	ended := make(chan error, clients)
	for range clients {
		go func() {
			var err error
			for first := range next {
				if err = do(ctx, first, min(n, first+batch)); err != nil {
					cancel()
					break
				}
			}
			ended <- err
		}()
	}
	var errs []error
	for range clients {
		errs = append(errs, <-ended)
	}
	return errors.Join(errs...)
}
