package fence

import (
	"net/netip"
	"strconv"
	"strings"
)

// endsInNumber says whether the last part of a canonical name is a number. No name in the DNS is like that: it is an address of IPv4 in one of the
// ways that C libraries, and proxies, read.
func endsInNumber(name string) bool {
	last := name[strings.LastIndexByte(name, '.')+1:]
	_, ok := number(last)
	return ok || last != "" && strings.Trim(last, "0123456789") == ""
}

// numeric reads an address of IPv4 with one to four parts, each decimal, octal (017) or hexadecimal (0xf), the last of which stands for all the
// bytes that are left: 169.254.169.254 may be written 2852039166, 0xa9fea9fe or 169.254.43518.
func numeric(name string) (addr netip.Addr, ok bool) {
	parts := strings.Split(name, ".")
	if len(parts) > 4 {
		return addr, false
	}
	var all uint64
	for i, part := range parts {
		n, ok := number(part)
		room := 8
		if i == len(parts)-1 {
			room = 8 * (5 - len(parts))
		}
		if !ok || n>>room != 0 {
			return addr, false
		}
		all = all<<room | n
	}
	return netip.AddrFrom4([4]byte{byte(all >> 24), byte(all >> 16), byte(all >> 8), byte(all)}), true
}

func number(text string) (n uint64, ok bool) {
	base := 10
	if rest, hex := strings.CutPrefix(text, "0x"); hex {
		if base, text = 16, rest; text == "" {
			return 0, true
		}
	} else if len(text) > 1 && text[0] == '0' {
		base = 8
	}
	n, err := strconv.ParseUint(text, base, 64)
	return n, err == nil && text[0] != '+' && !strings.Contains(text, "_")
}
