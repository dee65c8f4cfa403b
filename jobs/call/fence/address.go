package fence

import (
	"net/netip"
	"strings"
)

// refusal is a network that nobody may call by default, and why.
type refusal struct {
	network netip.Prefix
	why     string
}

// refused are the networks of the function below.
var refused = func() []refusal {
	const local, cloud, many = "it is a link-local address, where clouds serve credentials", "it is an address where a cloud serves credentials",
		"it is no address of one host"
	list := []struct{ network, why string }{
		{"169.254.0.0/16", local},
		{"fe80::/10", local},
		{"100.100.100.200/32", cloud},
		{"192.0.0.192/32", cloud},
		{"168.63.129.16/32", cloud},
		{"fd00:ec2::/32", cloud},
		{"fd20:ce::254/128", cloud},
		{"224.0.0.0/4", many},
		{"255.255.255.255/32", many},
		{"ff00::/8", many},
	}
	networks := make([]refusal, 0, len(list))
	for _, one := range list {
		networks = append(networks, refusal{netip.MustParsePrefix(one.network), one.why})
	}
	return networks
}()

// refusedNetworks are those that nobody may call by default.
func refusedNetworks() []refusal { return refused }

// isMetadata says whether a canonical name is one of those under which clouds serve credentials.
func isMetadata(name string) bool {
	switch name {
	case "metadata", "metadata.google.internal", "metadata.goog", "instance-data":
		return true
	}
	return strings.HasPrefix(name, "instance-data.")
}

// facesOf gives an address, and the addresses of IPv4 that packets to it may end at: there are many ways to write one within IPv6.
func facesOf(addr netip.Addr) []netip.Addr {
	addr = addr.WithZone("").Unmap()
	faces := make([]netip.Addr, 1, 5)
	faces[0] = addr
	add := func(b ...byte) { faces = append(faces, thisHost(netip.AddrFrom4([4]byte(b)))) }
	if addr.Is4() {
		if this := thisHost(addr); this != addr {
			faces = append(faces, this)
		}
		return faces
	}
	b := addr.As16()
	in := func(network string) bool { return netip.MustParsePrefix(network).Contains(addr) }
	switch {
	case addr == netip.IPv6Unspecified():
		faces = append(faces, netip.IPv6Loopback(), netip.AddrFrom4([4]byte{127, 0, 0, 1}))
	case addr == netip.IPv6Loopback():
	case in("::/96"), in("64:ff9b::/96"), in("::ffff:0:0:0/96"): // compatible, NAT64, translated
		add(b[12:]...)
	case in("64:ff9b:1::/48"): // NAT64 of one's own: the address stands where the network's length says
		add(b[6], b[7], b[9], b[10])
		add(b[7], b[9], b[10], b[11])
		add(b[9:13]...)
		add(b[12:]...)
	case in("2002::/16"): // 6to4
		add(b[2:6]...)
	case in("2001::/32"): // Teredo
		add(b[4:8]...)
		add(^b[12], ^b[13], ^b[14], ^b[15])
	}
	if b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe { // ISATAP
		add(b[12:]...)
	}
	return faces
}

// thisHost gives the loopback address for 0.0.0.0/8, which leads to the machine itself.
func thisHost(addr netip.Addr) netip.Addr {
	if addr.As4()[0] == 0 {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return addr
}
