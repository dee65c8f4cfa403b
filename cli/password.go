package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// errNoPassword is the end of the input, or ^C, where a password was asked for.
var errNoPassword = errors.New("no password was given")

// askPassword asks on a terminal without showing what is typed. However it ends, the terminal shows again what is typed: raw mode takes ^C
// for a key, and other signals end the context.
func askPassword(ctx context.Context, in *os.File, out io.Writer, prompt string) (string, error) {
	ctx, stop := interruptible(ctx)
	defer stop()
	before, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return "", fmt.Errorf("hiding what is typed: %w", err)
	}
	defer term.Restore(int(in.Fd()), before) //nolint:errcheck // nothing is left to be done
	terminal := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{in, out}, "")
	type answer struct {
		text string
		err  error
	}
	answers := make(chan answer, 1)
	go func() { // ends with the answer, or with the program
		text, err := terminal.ReadPassword(prompt)
		answers <- answer{text, err}
	}()
	select {
	case a := <-answers:
		if errors.Is(a.err, io.EOF) {
			fmt.Fprint(out, "\r\n") //nolint:errcheck // the message that follows stands beside the prompt then
			return "", errNoPassword
		}
		return a.text, a.err
	case <-ctx.Done():
		fmt.Fprint(out, "\r\n") //nolint:errcheck // as above
		return "", errNoPassword
	}
}
