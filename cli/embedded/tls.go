package embedded

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// certificate is a pair of files that are read again when they have changed, so that nothing has to be restarted when a certificate is renewed.
type certificate struct {
	cert, key string
	log       logrus.FieldLogger

	mu   sync.Mutex
	pair *tls.Certificate
	seen [2]stamp
}

// stamp tells whether a file has changed.
type stamp struct {
	at   time.Time
	size int64
}

func stampOf(path string) (stamp, error) {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}, err
	}
	return stamp{info.ModTime(), info.Size()}, nil
}

// Secured gives what a listener needs to speak TLS with a pair of files (PEM), which are read again when they have changed. The log is told of
// that.
func Secured(cert, key string, log logrus.FieldLogger) (*tls.Config, error) {
	c := &certificate{cert: cert, key: key, log: log}
	if err := c.read(); err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.current}, nil
}

// read reads the files if they have changed.
func (c *certificate) read() error {
	var seen [2]stamp
	for i, path := range []string{c.cert, c.key} {
		var err error
		if seen[i], err = stampOf(path); err != nil {
			return err
		}
	}
	if seen == c.seen {
		return nil
	}
	c.seen = seen // also where they cannot be read, which is said once
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return fmt.Errorf("the certificate %s with the key %s: %w", c.cert, c.key, err)
	}
	c.pair = &pair
	return nil
}

// current is asked at each handshake. While the files make no sense, one being written before the other say, the former certificate stays.
func (c *certificate) current(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.pair
	switch err := c.read(); {
	case err != nil:
		c.log.WithError(err).Error("the certificate cannot be read again: the former one stays in force")
	case c.pair != before:
		c.log.WithField("certificate", c.cert).Info("the certificate was read again")
	}
	return c.pair, nil
}
