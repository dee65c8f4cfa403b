package cli

import (
	"context"
	"os"
	"time"
)

// RunAt runs one command line as if it were now, and gives the exit status.
func RunAt(now time.Time, args []string) int {
	a := newApp(Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	a.now = func() time.Time { return now }
	return a.run(context.Background(), "after", args)
}
