//go:build unix

package process_test

import (
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/adlayer/after/cli/process"
)

// TestNotify sets a variable of the process, so it runs alone.
func TestNotify(t *testing.T) { //nolint:paralleltest // Setenv
	t.Setenv("NOTIFY_SOCKET", "")
	if err := process.Notify(t.Context(), "READY=1"); err != nil {
		t.Errorf("without systemd: %v", err)
	}
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	t.Setenv("NOTIFY_SOCKET", socket)
	if err := process.Notify(t.Context(), "READY=1"); err != nil {
		t.Fatal(err)
	}
	if err := listener.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 100)
	n, err := listener.Read(got)
	if err != nil || string(got[:n]) != "READY=1" {
		t.Errorf("systemd hears %q, %v", got[:n], err)
	}
}
