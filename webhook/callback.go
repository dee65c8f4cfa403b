package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Callback is what the token of a callback URL stands for: the run whose end its holder may tell.
type Callback struct {
	Task    string    // the id of the task's document
	Key     string    // the identity of the firing
	Attempt int64     // the run of the firing, from 1
	Expires time.Time // in whole seconds; the token is worth nothing after it
}

// claims is a callback as it stands in a token.
type claims struct {
	Task    string `json:"t"`
	Key     string `json:"k"`
	Attempt int64  `json:"a"`
	Expires int64  `json:"e"` // seconds since 1970
}

// Callback makes the token of a callback, signed with the first secret. It is fit for the path of a URL and can be read by whoever has it.
func (s *Signer) Callback(c Callback) (string, error) {
	raw, err := json.Marshal(claims{c.Task, c.Key, c.Attempt, c.Expires.Unix()})
	if err != nil {
		return "", fmt.Errorf("webhook: encoding a callback: %w", err)
	}
	body := base64.RawURLEncoding.EncodeToString(raw)
	return body + "." + base64.RawURLEncoding.EncodeToString(callbackMAC(s.keys[0], body)), nil
}

// Callback reads a token. Its error wraps [ErrMissing] where it is no token, [ErrSignature] where none of the secrets signed it, and
// [ErrTime] where it has expired; the callback is given with the latter too.
func (v *Verifier) Callback(token string) (Callback, error) {
	body, signature, found := strings.Cut(token, ".")
	given, err := base64.RawURLEncoding.Strict().DecodeString(signature)
	if !found || err != nil {
		return Callback{}, fmt.Errorf("%w: it is no token of a callback", ErrMissing)
	}
	if !v.signed(body, given) {
		return Callback{}, ErrSignature
	}
	var c claims
	raw, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil || json.Unmarshal(raw, &c) != nil {
		return Callback{}, fmt.Errorf("%w: it is no token of a callback", ErrMissing) // signed, but by another program
	}
	callback := Callback{c.Task, c.Key, c.Attempt, time.Unix(c.Expires, 0).UTC()}
	if !v.now().Before(callback.Expires) {
		return callback, fmt.Errorf("%w: the callback was good until %s", ErrTime, callback.Expires.Format(time.RFC3339))
	}
	return callback, nil
}

func (v *Verifier) signed(body string, given []byte) bool {
	for _, key := range v.keys {
		if hmac.Equal(given, callbackMAC(key, body)) {
			return true
		}
	}
	return false
}

// callbackMAC is a code by a key that is derived from the secret's: nothing that is signed as a request's body can be a token.
func callbackMAC(key []byte, body string) []byte {
	derived := hmac.New(sha256.New, key)
	derived.Write([]byte("callback tokens of after"))
	mac := hmac.New(sha256.New, derived.Sum(nil))
	mac.Write([]byte(body))
	return mac.Sum(nil)
}
