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

// Who is counted: one IPv4 address, or one network of IPv6.
func TestClientNetwork(t *testing.T) {
	t.Parallel()
	for remote, want := range map[string]string{
		"192.0.2.7:4711":                        "192.0.2.7",
		"[::ffff:192.0.2.7]:4711":               "192.0.2.7",
		"[2001:db8:1:2:3:4:5:6]:4711":           "2001:db8:1:2::/64",
		"[2001:db8:1:2:ffff:ffff:ffff:ffff]:80": "2001:db8:1:2::/64",
		"[2001:db8:1:3::1]:80":                  "2001:db8:1:3::/64",
		"[fe80::1%eth0]:80":                     "fe80::/64",
		"[::1]:80":                              "::/64",
		"@":                                     "@",
	} {
		if got := clientNetwork(remote); got != want {
			t.Errorf("%s is counted as %s, not as %s", remote, got, want)
		}
	}
}
