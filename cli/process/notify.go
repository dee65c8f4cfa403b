package process

import (
	"context"
	"fmt"
	"net"
	"os"
)

// Notify tells systemd how the service is, as sd_notify does: "READY=1", "STOPPING=1", "RELOADING=1". Without systemd it does nothing.
func Notify(ctx context.Context, state string) error {
	socket := os.Getenv("NOTIFY_SOCKET")
	if socket == "" {
		return nil
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unixgram", socket)
	if err != nil {
		return fmt.Errorf("telling systemd: %w", err)
	}
	defer conn.Close() //nolint:errcheck // a datagram is sent or not; there is nothing to flush
	if _, err := conn.Write([]byte(state)); err != nil {
		return fmt.Errorf("telling systemd: %w", err)
	}
	return nil
}
