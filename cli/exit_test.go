package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"syscall"
	"testing"
)

func TestCodes(t *testing.T) {
	t.Parallel()
	refused := &url.Error{Op: "Get", URL: "http://h", Err: syscall.ECONNREFUSED}
	cut := &url.Error{Op: "Get", URL: "http://h", Err: context.Canceled}
	for _, test := range []struct {
		err  error
		code int
	}{
		{nil, exitOK},
		{errors.New("something"), exitFailure},
		{fmt.Errorf("asking: %w", refused), exitUnreachable},
		{fmt.Errorf("asking: %w", cut), exitFailure},
		{fmt.Errorf("%w", fail(exitTask, "a task failed")), exitTask},
	} {
		if got := codeOf(test.err); got != test.code {
			t.Errorf("%v has the status %d instead of %d", test.err, got, test.code)
		}
	}
}
