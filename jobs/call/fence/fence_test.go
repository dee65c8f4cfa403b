package fence_test

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/adlayer/after/jobs/call/fence"
)

func rules(t *testing.T, allow, deny []string) *fence.Rules {
	t.Helper()
	r, err := fence.New(allow, deny)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestRules asks of hosts what the rules say: + may be called, - must not, ? depends on its addresses.
func TestRules(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		allow, deny []string
		hosts       string
	}{
		"nothing": {nil, nil, "+example.org:80 +10.0.0.1:80 +127.0.0.1:80 +[::1]:80 +localhost:80 +[fc00::1]:80 +0.0.0.0:80 " +
			"-169.254.169.254:80 -[fe80::1]:80 -[fe80::1%eth0]:80 -[::ffff:169.254.169.254]:80 -[64:ff9b::169.254.169.254]:80 -[::169.254.1.1]:80 " +
			"-[2002:a9fe:a9fe::1]:80 -[fd00:ec2::254]:80 -[fd20:ce::254]:80 -100.100.100.200:80 -168.63.129.16:80 -192.0.0.192:80 " +
			"-[64:ff9b:1:a9fe:a9:fe00::]:80 -[64:ff9b:1::a9fe:a9fe]:80 -[2001:0:1:1::5601:5601]:80 -[2001:db8::5efe:169.254.169.254]:80 " +
			"-[::ffff:0:169.254.169.254]:80 -224.0.0.1:80 -[ff02::1]:80 -255.255.255.255:80 " +
			"-metadata:80 -Metadata.Google.Internal.:80 -ｍetadata.google.internal:80 -metadata.goog:80 -instance-data.ec2.internal:80 +my-metadata:80 -.:80"},
		"hosts": {
			[]string{"example.org", "*.example.net:443"},
			nil,
			"+example.org:1 +EXAMPLE.org.:1 -www.example.org:1 -notexample.org:1 -example.net:443 +a.b.example.net:443 -a.example.net:80 -10.0.0.1:80 -metadata.goog:80",
		},
		"networks": {
			[]string{"10.0.0.0/8", "[fc00::/7]:8000-8999"},
			nil,
			"?example.org:80 +10.1.2.3:80 -11.0.0.0:80 +[fc00::1]:8000 -[fc00::1]:80 +[::ffff:10.0.0.1]:80 -[64:ff9b::10.0.0.1]:80",
		},
		"denied":   {[]string{"*"}, []string{"bad.example", ".evil.example", "private", ":25", "example.org:8080", "192.0.2.1"}, "+example.org:80 -example.org:8080 -example.org:25 -bad.example:1 +x.bad.example:1 -x.evil.example:1 +evil.example:1 -10.0.0.1:80 -172.31.0.1:80 +172.32.0.1:80 -[fd12::1]:80 +127.0.0.1:80 -[::ffff:192.168.1.1]:80 -192.0.2.1:443 -169.254.1.1:80 -127.0.0.1:25"},
		"loopback": {nil, []string{"loopback"}, "-127.0.0.1:80 -127.255.0.1:80 -[::1]:80 -[::]:80 -0.0.0.0:80 -[::ffff:0.0.0.0]:80 -[::ffff:127.0.0.1]:80 +10.0.0.1:80 ?localhost:80"},
		"lifted":   {[]string{"*", "169.254.10.0/24", "metadata.goog"}, nil, "+169.254.10.1:80 -169.254.169.254:80 +metadata.goog:80 -metadata:80 +example.org:80"},
		"too wide": {[]string{"0.0.0.0/0"}, nil, "-169.254.10.1:80 +8.8.8.8:80"},
		"numbers": {
			nil,
			[]string{"loopback"},
			"-2852039166:80 -0xa9fea9fe:80 -0XA9FEA9FE:80 -0251.0376.0251.0376:80 -0xa9.0376.169.254:80 -169.254.43518:80 -169.16689662:80 -169.254.169.254.:80 " +
				"-127.1:80 -0:80 -0x7f.1:80 -017700000001:80 -127.0.0.1.:80 +8.8.2056:80 +134744072:80 -1.2.3.4.5:80 -256.1:80 -999999999999:80 -08:80 +1.0x:80 " +
				"+a1:80 +1a:80 +example.0xyz:80",
		},
		"denied first": {[]string{"example.org"}, []string{"*.org"}, "-example.org:80"},
		"punycode":     {[]string{"bücher.example"}, nil, "+xn--bcher-kva.example:80 +BÜCHER.example:80"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rules(t, test.allow, test.deny)
			for one := range strings.FieldsSeq(test.hosts) {
				host, _, err := net.SplitHostPort(one[1:])
				if err != nil {
					t.Fatal(err)
				}
				port := netip.MustParseAddrPort("0.0.0.0:" + one[strings.LastIndexByte(one, ':')+1:]).Port()
				_, err = r.Host(host, port)
				if refusal := (*fence.RefusalError)(nil); err != nil && !errors.As(err, &refusal) {
					t.Errorf("%s: %v is no refusal", one, err)
				}
				if (err != nil) != (one[0] == '-') {
					t.Errorf("%s: %v", one, err)
				}
			}
		})
	}
}

// TestAddresses of names: a name that is allowed need not have an address that is; nobody gets at what is refused.
func TestAddresses(t *testing.T) {
	t.Parallel()
	r := rules(t, []string{"example.org", "10.0.0.0/8"}, []string{"10.9.0.0/16"})
	for _, test := range []struct {
		host, addr string
		may        bool
	}{
		{"example.org", "8.8.8.8", true},
		{"example.org", "10.9.0.1", false},
		{"example.org", "169.254.169.254", false},
		{"other.example", "8.8.8.8", false},
		{"other.example", "10.1.0.1", true},
		{"other.example", "10.9.0.1", false},
	} {
		named, err := r.Host(test.host, 80)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Address(netip.MustParseAddr(test.addr), 80, named); (err == nil) != test.may {
			t.Errorf("%s at %s: %v", test.host, test.addr, err)
		}
	}
}

func TestEntries(t *testing.T) {
	t.Parallel()
	for entry, says := range map[string]string{
		"":                    "no name of a host",
		"http://example.org":  "neither a port",
		"example.org/x":       "is no network",
		"example.org's":       "no host, address, network or port",
		"10.0.0.0/33":         "is no network",
		"::ffff:10.0.0.0/104": "is no network",
		"a b":                 "no host, address",
		"*.":                  "no name of a host",
		"example.org:":        "no port behind the colon",
		"example.org:0":       "neither a port",
		":1-x":                "neither a port",
		":9-8":                "neither a port",
		":65536":              "neither a port",
		"[::1":                "write [address]",
		"[::1]80":             "write [address]",
		"[::1]:":              "write [address]",
	} {
		for _, lists := range [][2][]string{{{entry}, nil}, {nil, {entry}}} {
			if _, err := fence.New(lists[0], lists[1]); err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%q: %v, want %s", entry, err, says)
			}
		}
	}
}

// FuzzRules: reading entries never panics, what is denied is refused, and an address of IPv4 that is refused is refused in every way to
// write it within IPv6.
func FuzzRules(f *testing.F) {
	f.Add("10.0.0.0/8", uint32(0x0a000001), uint16(80))
	f.Add("[fc00::/7]:1-2", uint32(0xa9fea9fe), uint16(1))
	f.Add("*.example.org", uint32(0x7f000001), uint16(443))
	f.Add("loopback:80", uint32(0), uint16(80))
	f.Fuzz(func(t *testing.T, entry string, v4 uint32, port uint16) {
		r, err := fence.New(nil, []string{entry})
		if err != nil {
			return
		}
		b := []byte{byte(v4 >> 24), byte(v4 >> 16), byte(v4 >> 8), byte(v4)}
		addr := netip.AddrFrom4([4]byte(b))
		_, byName := r.Host(addr.String(), port)
		refused := r.Address(addr, port, true)
		if (byName == nil) != (refused == nil) {
			t.Errorf("%s: %v as a host, %v as an address", addr, byName, refused)
		}
		if refused == nil {
			return
		}
		for name, form := range map[string][16]byte{
			"mapped":  {10: 0xff, 11: 0xff, 12: b[0], 13: b[1], 14: b[2], 15: b[3]},
			"NAT64":   {1: 0x64, 2: 0xff, 3: 0x9b, 12: b[0], 13: b[1], 14: b[2], 15: b[3]},
			"6to4":    {0: 0x20, 1: 0x02, 2: b[0], 3: b[1], 4: b[2], 5: b[3], 15: 1},
			"ISATAP":  {0: 0x20, 1: 0x03, 10: 0x5e, 11: 0xfe, 12: b[0], 13: b[1], 14: b[2], 15: b[3]},
			"Teredo":  {0: 0x20, 1: 0x01, 4: 1, 12: ^b[0], 13: ^b[1], 14: ^b[2], 15: ^b[3]},
			"private": {1: 0x64, 2: 0xff, 3: 0x9b, 5: 1, 6: b[0], 7: b[1], 9: b[2], 10: b[3]},
		} {
			if r.Address(netip.AddrFrom16(form), port, true) == nil {
				t.Errorf("%s is refused, but not as %s (%s)", addr, netip.AddrFrom16(form), name)
			}
		}
	})
}
