package fleet

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"github.com/gofrs/flock"
)

// slots bounds how many processes of the same names may stand by beside each other on one machine.
const slots = 16

// Identity is the lasting id of a member, locked for as long as this process lives. Close releases it.
type Identity struct {
	// Member is the id, the same at every start that finds the same folder.
	Member string
	// Incarnation is new at every start.
	Incarnation string
	// Folder is the member's own folder: what it must find again after a crash lies there.
	Folder string

	lock *flock.Flock
}

// Owner says which process holds an identity; it lies beside the lock, for people.
type Owner struct {
	PID     int      `json:"pid"`
	Workers []string `json:"workers"`
}

// InUseError says that a live process on this machine already runs these workers on this state folder.
type InUseError struct {
	Folder string
	Owner  Owner
}

func (e *InUseError) Error() string {
	return fmt.Sprintf("process %d on this machine already runs %s (its state is in %s): stop it first, or start with --standby",
		e.Owner.PID, strings.Join(e.Owner.Workers, ", "), e.Folder)
}

// Open takes the identity of the member that runs the given workers, below the state folder. The same names find the
// same identity again. Where a live process holds it, Open fails with *InUseError, or takes the next one if standby.
func Open(stateFolder string, workers []string, standby bool) (*Identity, error) {
	names := append([]string(nil), workers...)
	sort.Strings(names)
	base := filepath.Join(stateFolder, "members", folderName(strings.Join(names, "+")))
	for slot := range slots {
		folder := base
		if slot > 0 {
			folder = base + "." + strconv.Itoa(slot+1)
		}
		identity, err := openFolder(folder, names)
		var inUse *InUseError
		if standby && errors.As(err, &inUse) {
			continue
		}
		return identity, err
	}
	return nil, fmt.Errorf("taking an identity in %s: all %d are in use by live processes", base, slots)
}

// folderName makes a file name of worker names, which may hold any character.
func folderName(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '+':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	if name := b.String(); len(name) <= 120 {
		return name
	}
	sum := sha256.Sum256([]byte(text))
	return b.String()[:100] + "~" + hex.EncodeToString(sum[:6])
}

func openFolder(folder string, workers []string) (*Identity, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("making the member's state folder: %w", err)
	}
	lock := flock.New(filepath.Join(folder, "lock"))
	locked, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("locking the member's state folder %s: %w", folder, err)
	}
	if !locked {
		return nil, &InUseError{Folder: folder, Owner: readOwner(folder)}
	}
	identity, err := readIdentity(folder)
	if err == nil {
		err = writeOwner(folder, Owner{PID: os.Getpid(), Workers: workers})
	}
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	identity.lock = lock
	return identity, nil
}

func readIdentity(folder string) (*Identity, error) {
	file := filepath.Join(folder, "member")
	raw, err := os.ReadFile(file) //nolint:gosec // the path is our own state folder
	id := strings.TrimSpace(string(raw))
	switch {
	case errors.Is(err, os.ErrNotExist), err == nil && id == "":
		id = newID()
		if err := replaceFile(file, id+"\n"); err != nil {
			return nil, fmt.Errorf("writing the member's id: %w", err)
		}
	case err != nil:
		return nil, fmt.Errorf("reading the member's id: %w", err)
	}
	return &Identity{Member: id, Incarnation: newID(), Folder: folder}, nil
}

// replaceFile never leaves half an id behind.
func replaceFile(path, text string) error {
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func readOwner(folder string) Owner {
	var owner Owner
	raw, err := os.ReadFile(filepath.Join(folder, "owner.json")) //nolint:gosec // the path is our own state folder
	if err == nil {
		err = json.Unmarshal(raw, &owner)
	}
	if err != nil {
		return Owner{}
	}
	return owner
}

func writeOwner(folder string, owner Owner) error {
	raw, err := json.Marshal(owner)
	if err != nil {
		return fmt.Errorf("encoding the owner of %s: %w", folder, err)
	}
	if err := os.WriteFile(filepath.Join(folder, "owner.json"), raw, 0o600); err != nil {
		return fmt.Errorf("writing the owner of the member's state folder: %w", err)
	}
	return nil
}

// Close releases the lock; the id stays for the next start.
func (i *Identity) Close() error {
	if err := i.lock.Close(); err != nil {
		return fmt.Errorf("releasing the member's state folder: %w", err)
	}
	return nil
}

// newID gives 64 random bits as 16 hexadecimal digits.
func newID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, by its contract
	return hex.EncodeToString(b[:])
}
