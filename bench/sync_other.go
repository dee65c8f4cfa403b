//go:build !linux

package main

import "os"

// syncData brings a file's content to disk.
func syncData(file *os.File) error { return file.Sync() }
