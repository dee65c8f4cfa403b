package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Why a request or a token is not taken; errors of this package wrap one of them.
var (
	ErrMissing   = errors.New("webhook: it is not signed")                         // a header is missing or makes no sense
	ErrTime      = errors.New("webhook: its time is too far from now")             // sent again by somebody, or one of the clocks is wrong
	ErrSignature = errors.New("webhook: no signature fits")                        // another secret, or it was changed on the way
	ErrTooLarge  = errors.New("webhook: the body is larger than what is accepted") // see Verifier.MaxBody
)

// Verifier tells what was signed with one of its secrets. It can be used by several goroutines once its fields are set. [NewVerifier]
// makes one.
type Verifier struct {
	// Tolerance is how far a request's time may lie from now, before and after. Zero means five minutes.
	Tolerance time.Duration

	// MaxBody is how many bytes a body may have. Zero means 1 MiB.
	MaxBody int64

	// Now is the clock; nil is the machine's.
	Now func() time.Time

	keys [][]byte
}

// NewVerifier takes one secret or more: what any of them signed is right.
func NewVerifier(secrets ...string) (*Verifier, error) {
	keys, err := keysOf(secrets)
	if err != nil {
		return nil, err
	}
	return &Verifier{keys: keys}, nil
}

// Message is what the headers of a verified request say.
type Message struct {
	ID   string    // the same when the same thing is sent again: whoever must not do it twice keeps it
	Time time.Time // when it was sent, in whole seconds
}

// Verify checks the headers of a request against its body.
func (v *Verifier) Verify(h http.Header, body []byte) (Message, error) {
	m := Message{ID: h.Get(HeaderID)}
	timestamp, signatures := h.Get(HeaderTimestamp), h.Get(HeaderSignature)
	if timestamp == "" || signatures == "" {
		return Message{}, fmt.Errorf("%w: it lacks %s or %s", ErrMissing, HeaderTimestamp, HeaderSignature)
	}
	if err := checkID(m.ID); err != nil {
		return Message{}, fmt.Errorf("%w: %w", ErrMissing, err)
	}
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return Message{}, fmt.Errorf("%w: %s is no number", ErrMissing, HeaderTimestamp)
	}
	m.Time = time.Unix(seconds, 0).UTC()
	if tolerance := orElse(v.Tolerance, 5*time.Minute); v.now().Sub(m.Time).Abs() > tolerance {
		return Message{}, fmt.Errorf("%w: it is of %s", ErrTime, m.Time.Format(time.RFC3339))
	}
	for _, mac := range macsOf(v.keys) {
		mac.Write([]byte(m.ID + "." + timestamp + "."))
		mac.Write(body)
		if fits(signatures, mac.Sum(nil)) {
			return m, nil
		}
	}
	return Message{}, ErrSignature
}

// fits says whether one of the signatures is sum. Those of other versions are passed over.
func fits(signatures string, sum []byte) bool {
	for signature := range strings.FieldsSeq(signatures) {
		text, found := strings.CutPrefix(signature, version)
		if !found {
			continue
		}
		if given, err := base64.StdEncoding.DecodeString(text); err == nil && hmac.Equal(given, sum) {
			return true
		}
	}
	return false
}

// Request reads a request's body and verifies it. The body can be read from the request again.
func (v *Verifier) Request(r *http.Request) (Message, []byte, error) {
	most := orElse(v.MaxBody, 1<<20)
	body, err := io.ReadAll(io.LimitReader(r.Body, most+1))
	switch {
	case err != nil:
		return Message{}, nil, fmt.Errorf("webhook: reading the body: %w", err)
	case int64(len(body)) > most:
		return Message{}, nil, fmt.Errorf("%w: %d bytes", ErrTooLarge, most)
	}
	m, err := v.Verify(r.Header, body)
	if err != nil {
		return Message{}, nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return m, body, nil
}

// Middleware hands requests on that are signed, and answers the others: 400 where the headers or the body cannot be read, 401 where the
// time or the signature is wrong, 413 where the body is too large. [FromContext] tells the handler what was verified.
func (v *Verifier) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m, _, err := v.Request(r)
		switch {
		case err == nil:
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), messageKey{}, m)))
		case errors.Is(err, ErrTooLarge):
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		case errors.Is(err, ErrTime), errors.Is(err, ErrSignature):
			http.Error(w, err.Error(), http.StatusUnauthorized)
		default:
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	})
}

type messageKey struct{}

// FromContext gives what [Verifier.Middleware] verified of a request.
func FromContext(ctx context.Context) (Message, bool) {
	m, ok := ctx.Value(messageKey{}).(Message)
	return m, ok
}

func (v *Verifier) now() time.Time {
	if v.Now != nil {
		return v.Now()
	}
	return time.Now() //nolint:forbidigo // receivers of other programs need no clock of their own
}

func orElse[N int64 | time.Duration](n, other N) N {
	if n > 0 {
		return n
	}
	return other
}
