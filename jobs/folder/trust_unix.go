//go:build unix

package folder

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unicode"
)

// executable says whether a file can be run at all.
func executable(info os.FileInfo) bool { return info.Mode().IsRegular() && info.Mode()&0o111 != 0 }

// inert says what a file lacks that cannot be run, and what to do.
func inert(path string) string { return "is not executable: run chmod +x " + shell(path) }

// shell writes a path as a shell reads it.
func shell(path string) string {
	if strings.ContainsFunc(path, func(r rune) bool { return !unicode.In(r, unicode.L, unicode.N) && !strings.ContainsRune("/._-+@:,", r) }) {
		return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	}
	return path
}

// trusted says why a file must not be run, nil if nothing is wrong. Where the path is a link, both ends of it count.
func trusted(path string) error {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	for _, p := range []string{filepath.Dir(path), real, filepath.Dir(real)} {
		info, err := os.Stat(p)
		if err != nil {
			return err
		}
		if mode := info.Mode().Perm(); mode&0o022 != 0 {
			return fmt.Errorf("%s can be written by others than its owner (%v): run chmod go-w on it", p, mode)
		}
		if s, ok := info.Sys().(*syscall.Stat_t); ok && s.Uid != 0 && int(s.Uid) != os.Geteuid() {
			return fmt.Errorf("%s belongs to user %d, not to the user of this worker or to root", p, s.Uid)
		}
	}
	return nil
}
