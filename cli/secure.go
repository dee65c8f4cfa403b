package cli

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/sirupsen/logrus"

	"github.com/adlayer/after/cli/embedded"
	"github.com/adlayer/after/config"
	"github.com/adlayer/after/internal/authorities"
	"github.com/adlayer/after/store/httpd"
)

// trusted says whose certificates are believed: those of couch.ca_file, nil for those that the system trusts.
func trusted(c *config.Config) (*tls.Config, error) {
	if c.Couch.CAFile == "" {
		return nil, nil //nolint:nilnil // nothing is said
	}
	pool, err := authorities.Only(c.Couch.CAFile)
	if err != nil {
		return nil, fmt.Errorf("couch.ca_file: %w", err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}, nil
}

// ownCertificate believes the certificate that the embedded store of this very configuration has, whatever names are in it: who asks it by
// the address that it listens on knows no other.
func ownCertificate(c *config.Config) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(c.Store.TLS.Certificate, c.Store.TLS.Key)
	if err != nil {
		return nil, fmt.Errorf("store.tls: %w", err)
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, //nolint:gosec // it is compared below
		VerifyConnection: func(state tls.ConnectionState) error {
			if !bytes.Equal(state.PeerCertificates[0].Raw, pair.Certificate[0]) {
				return errors.New("what answers there has another certificate than store.tls.certificate")
			}
			return nil
		},
	}, nil
}

// replicated are the authorities whose certificates replications believe: the system's, and those of couch.ca_file beside them; nil where there is
// no such file.
func replicated(c *config.Config) (*x509.CertPool, error) {
	if c.Couch.CAFile == "" {
		return nil, nil //nolint:nilnil // the system's
	}
	pool, err := authorities.Beside(c.Couch.CAFile)
	if err != nil {
		return nil, fmt.Errorf("couch.ca_file: %w", err)
	}
	return pool, nil
}

// pages are the rules for web pages of other origins.
func pages(c *config.CORS) httpd.CORS {
	return httpd.CORS{Origins: c.Origins, Credentials: c.Credentials, Headers: c.Headers, Methods: c.Methods, MaxAge: c.MaxAge}
}

// storeOptions is the embedded store as the configuration describes it.
func storeOptions(c *config.Config, data string, served *queue, log logrus.FieldLogger) (embedded.Options, error) {
	const mega = 1 << 20
	s := c.Store
	believed, err := replicated(c)
	if err != nil {
		return embedded.Options{}, err
	}
	return embedded.Options{
		Listen: s.Listen, Data: data, Admins: s.Admins, Relaxed: s.Relaxed(), Version: Version(), Log: log, Tidy: tidies(),
		Limits: storeLimits(&s), Certificate: s.TLS.Certificate, Key: s.TLS.Key,
		Under: served.mounted,
		HTTP: httpd.Options{
			Authorities: believed,
			Limits: httpd.Limits{
				Connections: s.Limits.Connections, Stall: s.Limits.Stall, Rate: s.Limits.Rate, BodyMemory: s.Limits.Memory * mega,
			},
			SessionTimeout: s.Session.Timeout, SameSite: s.Session.SameSite,
			UsersSecurityEditable: s.Users.SecurityEditable, PublicFields: s.Users.PublicFields,
			CORS: pages(&s.CORS),
		},
	}, nil
}
