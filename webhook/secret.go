package webhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strings"
)

const (
	prefix   = "whsec_"
	shortest = 24 // bytes of a key, as Standard Webhooks has it
	longest  = 64
)

// NewSecret makes a secret of 32 random bytes.
func NewSecret() string {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return prefix + base64.StdEncoding.EncodeToString(key)
}

// keysOf reads secrets. Its errors do not show them.
func keysOf(secrets []string) ([][]byte, error) {
	if len(secrets) == 0 {
		return nil, errors.New("webhook: there is no secret")
	}
	keys := make([][]byte, 0, len(secrets))
	for i, secret := range secrets {
		text, found := strings.CutPrefix(strings.TrimSpace(secret), prefix)
		if !found {
			return nil, fmt.Errorf("webhook: secret %d does not begin with %s", i+1, prefix)
		}
		key, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, fmt.Errorf("webhook: secret %d is no base64 behind its %s", i+1, prefix)
		}
		if len(key) < shortest || len(key) > longest {
			return nil, fmt.Errorf("webhook: the key of secret %d has %d bytes: it must have %d to %d", i+1, len(key), shortest, longest)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// macsOf starts a code for each key.
func macsOf(keys [][]byte) []hash.Hash {
	macs := make([]hash.Hash, 0, len(keys))
	for _, key := range keys {
		macs = append(macs, hmac.New(sha256.New, key))
	}
	return macs
}
