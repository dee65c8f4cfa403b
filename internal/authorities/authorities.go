// Package authorities reads the files that say whose certificates are believed.
package authorities

import (
	"crypto/x509"
	"fmt"
	"os"
)

// Only gives the authorities of a file, in PEM. One without a certificate is an error.
func Only(file string) (*x509.CertPool, error) { return with(x509.NewCertPool(), file) }

// Beside gives the authorities of a file, and the system's beside them.
func Beside(file string) (*x509.CertPool, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // there are none, or they cannot be read: the file's are believed
	}
	return with(pool, file)
}

func with(pool *x509.CertPool, file string) (*x509.CertPool, error) {
	content, err := os.ReadFile(file) //nolint:gosec // the configuration names the file
	if err != nil {
		return nil, err
	}
	if !pool.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("%s has no certificate (PEM) in it", file)
	}
	return pool, nil
}
