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
}

func newRig(tasks int) (*rig, error) {
	folder, err := os.MkdirTemp("", "after-bench-")
	if err != nil {
		return nil, err
	}
	r := &rig{folder: folder, binary: filepath.Join(folder, "after"), tasks: tasks}
	build := exec.Command("go", "build", "-o", r.binary, "github.com/adlayer/after/cmd/after")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return nil, errors.Join(fmt.Errorf("building the binary: %w", err), os.RemoveAll(folder))
	}
	return r, nil
}

func (r *rig) close() { _ = os.RemoveAll(r.folder) }

// bed is one running store with its own data and state.
type bed struct {
	rig     *rig
	folder  string
	address string
	env     []string
	serve   *exec.Cmd
	client  *couch.Client
	db      *couch.Database
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
	b := &bed{rig: r, address: address, folder: filepath.Join(r.folder, fmt.Sprint("bed", r.stores))}
	if err := os.MkdirAll(filepath.Join(b.folder, "jobs"), 0o755); err != nil {
		return nil, err
	}
	url := "http://after:after@" + address
	b.env = append(os.Environ(), "AFTER_COUCH_URL="+url, "AFTER_STORE_LISTEN="+address,
		"AFTER_STORE_DATA="+filepath.Join(b.folder, "data"), "AFTER_STATE_FOLDER="+filepath.Join(b.folder, "state"),
		"AFTER_JOBS_FOLDER="+filepath.Join(b.folder, "jobs"), "AFTER_LOG_LEVEL=warn")
	b.serve = b.command(ctx, "serve")
	if err := b.serve.Start(); err != nil {
		return nil, err
	}
	if b.client, err = couch.Dial(url, couch.Options{}); err != nil {
		return nil, err
	}
	for range 200 {
		if _, err = b.client.Server(ctx); err == nil {
			break
		}
		time.Sleep(25 * time.Millisecond)
	}
	if err != nil {
		return nil, fmt.Errorf("the store did not answer: %w", err)
	}
	if err := b.client.CreateDatabase(ctx, "tasks"); err != nil {
		return nil, err
	}
	b.db = b.client.Database("tasks")
	return b, nil
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
	_ = b.serve.Process.Signal(os.Interrupt)
	_ = b.serve.Wait()
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
