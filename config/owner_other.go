//go:build !unix

package config

import "os"

// ownedByUser cannot be told from the mode here: the folder's own rights decide.
func ownedByUser(os.FileInfo) bool { return true }

func trusted(os.FileInfo) bool { return true }
