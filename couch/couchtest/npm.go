package couchtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/gofrs/flock"
)

// requireNPM is the variable that, set to 1, makes a missing node or npm fail the tests instead of leaving out what needs them.
const requireNPM = "AFTER_REQUIRE_NPM"

// errNoNPM says why what comes from npm cannot be had.
var errNoNPM = errors.New("node and npm are not both installed")

// installPatience is how long a download from npm may take.
const installPatience = 10 * time.Minute

// NPM installs what the package-lock.json in a folder names, unless that is there already (`make npm` leaves the same sign), and
// gives the node program to run it with. Tests that run side by side wait for each other. Where node or npm is missing the
// error is errNoNPM: [Without] says what that means.
func NPM(tb testing.TB, folder string) (node string, err error) {
	tb.Helper()
	node, err = exec.LookPath("node")
	if err != nil {
		return "", errNoNPM
	}
	unlock, err := lockFile(filepath.Join(folder, ".lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if installed(folder) {
		return node, nil
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		return "", errNoNPM
	}
	tb.Log("npm ci in " + folder)
	ctx, cancel := context.WithTimeout(context.Background(), installPatience)
	defer cancel()
	install := exec.CommandContext(ctx, npm, "ci", "--no-progress") //nolint:gosec // found in the path
	install.Dir = folder
	if output, err := install.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci in %s: %w\n%s", folder, err, output)
	}
	return node, nil
}

// Without says loudly that a test did not run on something that cannot be had, with the reason. It fails the test unless the
// reason is that there is no npm, which AFTER_REQUIRE_NPM=1 does not accept either.
func Without(tb testing.TB, what string, why error) {
	tb.Helper()
	if errors.Is(why, errNoNPM) && os.Getenv(requireNPM) != "1" {
		loudly(tb, what+": "+why.Error())
		return
	}
	tb.Errorf("%s cannot be had: %v", what, why)
}

// stamp is what npm writes last: an installation that was cut short has none.
func stamp(folder string) string { return filepath.Join(folder, "node_modules", ".package-lock.json") }

// installed says whether an installation is complete and not older than what asks for it.
func installed(folder string) bool {
	done, err := os.Stat(stamp(folder))
	if err != nil {
		return false
	}
	for _, name := range []string{"package.json", "package-lock.json"} {
		asked, err := os.Stat(filepath.Join(folder, name))
		if err != nil || asked.ModTime().After(done.ModTime()) {
			return false
		}
	}
	return true
}

// lockFile waits for the lock on a file, which it makes.
func lockFile(path string) (unlock func(), err error) {
	lock := flock.New(filepath.Clean(path))
	ctx, cancel := context.WithTimeout(context.Background(), installPatience)
	defer cancel()
	if _, err := lock.TryLockContext(ctx, 100*time.Millisecond); err != nil {
		return nil, fmt.Errorf("waiting for %s: %w", path, err)
	}
	return func() { _ = lock.Unlock() }, nil
}
