package httpd

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Passwords that are tried at the same instant have all been let in before the first is found wrong: the right one among them is refused, too.
func TestLockedMeanwhile(t *testing.T) {
	t.Parallel()
	l := newLockout()
	from := attemptOf(httptest.NewRequest(http.MethodGet, "/", nil), strings.Repeat("a long name", 1000))
	for range mostFailures + 1 {
		if err := l.check(from); err != nil {
			t.Fatal(err)
		}
	}
	for range mostFailures {
		l.failed(from)
	}
	if l.passed(from) == nil {
		t.Error("a right password passed although the account was locked while it was compared")
	}
	if l.check(from) == nil {
		t.Error("the account was unlocked by it")
	}
}
