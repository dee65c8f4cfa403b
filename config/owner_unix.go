//go:build unix

package config

import (
	"os"
	"syscall"
)

// ownedByUser says whether the file belongs to who runs the program and nobody else may change it.
func ownedByUser(info os.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid() && info.Mode().Perm()&0o002 == 0
}

// trusted says whether only the user or root may change the file.
func trusted(info os.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && (stat.Uid == 0 || int(stat.Uid) == os.Geteuid()) && info.Mode().Perm()&0o002 == 0
}
