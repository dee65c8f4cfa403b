package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2/maybe"
)

// Serve is the name by which the embedded store alone is known, as `after stop serve` says it.
const Serve = "serve"

// Gateway is the name by which the queue before a server is known.
const Gateway = "gateway"

// Info says what a process runs.
type Info struct {
	PID     int       `json:"pid"`
	Names   []string  `json:"names"` // the workers, or [Serve] alone
	Since   time.Time `json:"since"`
	Version string    `json:"version"`
	Serves  bool      `json:"serves"` // the store: others on the machine may need it to the end
	Ending  bool      `json:"ending"` // it has been asked to end already
}

// Has says whether the process runs a worker of that name.
func (i Info) Has(name string) bool { return slices.Contains(i.Names, name) }

// Registration is this process's own entry. It is safe for concurrent use.
type Registration struct {
	base string
	lock *flock.Flock

	mu   sync.Mutex
	info Info
}

func folder(state string) string { return filepath.Join(state, "run") }

// Register enters this process below the state folder, which it creates where there is none.
func Register(state string, info Info) (*Registration, error) {
	if err := os.MkdirAll(folder(state), 0o700); err != nil {
		return nil, fmt.Errorf("making the state folder: %w", err)
	}
	info.PID = os.Getpid()
	base := filepath.Join(folder(state), strconv.Itoa(info.PID))
	lock := flock.New(base + ".lock")
	if locked, err := lock.TryLock(); err != nil || !locked {
		return nil, fmt.Errorf("locking %s.lock: %w", base, errors.Join(err, lock.Close()))
	}
	r := &Registration{base: base, info: info, lock: lock}
	if err := r.write(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return r, nil
}

func (r *Registration) write() error {
	content, err := json.Marshal(r.info)
	if err == nil {
		err = maybe.WriteFile(r.base+".json", append(content, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("writing %s.json: %w", r.base, err)
	}
	return nil
}

// Serves notes that this process serves the store from now on.
func (r *Registration) Serves() error { return r.note(func(i *Info) { i.Serves = true }) }

// Ending notes that this process has been asked to end.
func (r *Registration) Ending() error { return r.note(func(i *Info) { i.Ending = true }) }

func (r *Registration) note(change func(*Info)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.info)
	return r.write()
}

// Close removes the entry. Whoever waits for the process to end sees it now.
func (r *Registration) Close() error {
	return errors.Join(os.Remove(r.base+".json"), os.Remove(r.base+".lock"), r.lock.Close())
}

// List gives the live processes below the state folder, oldest first.
func List(state string) ([]Info, error) {
	entries, err := os.ReadDir(folder(state))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the state folder: %w", err)
	}
	var live []Info
	for _, entry := range entries {
		id, isEntry := strings.CutSuffix(entry.Name(), ".json")
		pid, err := strconv.Atoi(id)
		if !isEntry || err != nil {
			continue
		}
		alive, err := Alive(state, pid)
		if err != nil {
			return nil, err
		}
		if !alive {
			continue
		}
		info, err := read(filepath.Join(folder(state), entry.Name()))
		if errors.Is(err, os.ErrNotExist) {
			continue // it ended just now
		}
		if err != nil {
			return nil, err
		}
		live = append(live, info)
	}
	slices.SortFunc(live, func(a, b Info) int { return a.Since.Compare(b.Since) })
	return live, nil
}

// Alive says whether the process that entered itself under that id still lives. A dead one's files are removed.
func Alive(state string, pid int) (bool, error) {
	base := filepath.Join(folder(state), strconv.Itoa(pid))
	if _, err := os.Stat(base + ".lock"); errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	lock := flock.New(base + ".lock")
	locked, err := lock.TryLock()
	if err != nil {
		return false, fmt.Errorf("looking at %s.lock: %w", base, err)
	}
	if !locked {
		return true, lock.Close()
	}
	// The errors of these two mean that somebody else was faster.
	_, _ = os.Remove(base+".json"), os.Remove(base+".lock")
	return false, lock.Close()
}

func read(path string) (Info, error) {
	var info Info
	content, err := os.ReadFile(path) //nolint:gosec // a file of our own state folder
	if err != nil {
		return info, err
	}
	if err := json.Unmarshal(content, &info); err != nil {
		return info, fmt.Errorf("reading %s: %w", path, err)
	}
	return info, nil
}
