package config

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
)

// tlsKeys are the keys of a server's TLS below the path of; name is what the server is called, besides what more there is to say.
func tlsKeys(of, name, besides string) []Key {
	return []Key{
		{
			Path: of + ".tls.certificate", Kind: Path, Default: "",
			Doc: "A file with the certificate (PEM, with those that lead to its authority behind it) with which " + name + " speaks `https`. " +
				"It is read again when it has changed. Empty: it speaks `http`." + besides,
		},
		{
			Path: of + ".tls.key", Kind: Path, Default: "",
			Doc: "The file with the certificate's private key (PEM).",
		},
	}
}

// corsKeys are the keys of what a server allows the pages of other origins; origins and headers are the texts of the two keys that differ.
func corsKeys(of, origins, headers string) []Key {
	return []Key{
		{
			Path: of + ".cors.origins", Kind: List, Default: []string{}, check: checkOrigins,
			Doc: origins,
		},
		{
			Path: of + ".cors.credentials", Kind: Bool, Default: false,
			Doc: "Whether such pages may use the cookies and passwords that the browser has. Not together with the origin `*`.",
		},
		{
			Path: of + ".cors.headers", Kind: List, Default: []string{},
			Doc: headers,
		},
		{
			Path: of + ".cors.max_age", Kind: Duration, Default: "10m", check: checkPositive,
			Doc: "How long a browser may remember what is allowed.",
		},
	}
}

func (t TLS) check(of string) error {
	if (t.Certificate == "") != (t.Key == "") {
		return fmt.Errorf("%s.tls.certificate and %[1]s.tls.key belong together: one of them is empty", of)
	}
	return nil
}

func (c CORS) check(of string) error {
	if c.Credentials && slices.Contains(c.Origins, "*") {
		return fmt.Errorf(`%s.cors.credentials cannot be true while %[1]s.cors.origins has "*": any page could act as whoever is logged in. List the origins`, of)
	}
	return nil
}

func checkAddress(value any) error {
	text, _ := value.(string)
	_, port, err := net.SplitHostPort(text)
	if err != nil {
		return fmt.Errorf("%q is no address to listen on: write host:port, 127.0.0.1:5984 say", text)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || (n == 0 && port != "0") {
		return fmt.Errorf("%q has no port between 0 and 65535", text)
	}
	return nil
}

func checkOrigins(value any) error {
	list, _ := value.([]string)
	for _, origin := range list {
		u, err := url.Parse(origin)
		if origin != "*" && (err != nil || u.Scheme == "" || u.Host == "" || u.Scheme+"://"+u.Host != origin) {
			return fmt.Errorf("%q is no origin: write https://app.example or http://localhost:3000, say, without a path", origin)
		}
	}
	return nil
}
