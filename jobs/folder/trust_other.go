//go:build !unix

package folder

import (
	"os"
	"path/filepath"
	"strings"
)

// executable says whether a file can be run at all, by its extension.
func executable(info os.FileInfo) bool {
	switch strings.ToLower(filepath.Ext(info.Name())) {
	case ".exe", ".com", ".bat", ".cmd":
		return info.Mode().IsRegular()
	}
	return false
}

// inert says what a file lacks that cannot be run, and what to do.
func inert(string) string {
	return "its name does not end like that of a program: rename it to .exe, .com, .bat or .cmd"
}

// trusted leaves it to the folder's access list who may write there.
func trusted(string) error { return nil }
