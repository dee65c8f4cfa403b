package couchtest

import (
	"fmt"
	"net"
	"os"

	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/httpd"
)

// childFolder is the variable that names the folder a test program serves instead of running tests.
const childFolder = "AFTER_TEST_SERVE"

// ServeIfAsked makes a test program that was started as a [Process] serve until it is killed; else it returns. It stands in TestMain of programs
// that give their own path, os.Args[0], to [NewProcess]: those need no other program to be built.
func ServeIfAsked() {
	if dir := os.Getenv(childFolder); dir != "" {
		fmt.Fprintln(os.Stderr, serveFolder(dir))
		os.Exit(1) //nolint:forbidigo // it is a program of its own
	}
}

// serveFolder serves a folder as `after serve` does, and tells its address in the same words.
func serveFolder(dir string) error {
	st, err := store.Open(dir, store.Options{})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // until it is killed
	if err != nil {
		return err
	}
	fmt.Printf("serving the store at http://%s, its data in %s\n", l.Addr(), dir) //nolint:forbidigo // to who started it
	return httpd.New(st, httpd.Options{Admins: map[string]string{"admin": "secret"}, HashRounds: 1000}).HTTPServer().Serve(l)
}
