package gateway

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// right is something that a token may let its holder do.
type right string

// The rights.
const (
	rightPost   right = "post"
	rightRead   right = "read"
	rightCancel right = "cancel"
)

// Token lets in who shows it, with the gateway's own credentials for the database.
type Token struct {
	Name    string   // for the log and the documents
	Hash    [32]byte // SHA-256 of the token
	Rights  []string // of post, read and cancel
	Workers []string // whose tasks; empty: all
	Limit   string   // how many requests it may make: "10/s", "100/m" or "1000/h"; empty: any number
}

// holder is a token in use.
type holder struct {
	Token

	limiter *rate.Limiter // nil: no limit
}

// tokenPrefix tells our tokens from others', for people and for programs that look for secrets.
const tokenPrefix = "after_"

// NewToken makes a token and gives what is kept of it.
func NewToken() (token string, hash [32]byte) {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails
	token = tokenPrefix + base64.RawURLEncoding.EncodeToString(secret[:])
	return token, sha256.Sum256([]byte(token))
}

const hashPrefix = "sha256:"

// String is the token as a configuration has it: see [ParseToken].
func (t Token) String() string {
	words := append([]string{hashPrefix + hex.EncodeToString(t.Hash[:])}, t.Rights...)
	for _, worker := range t.Workers {
		words = append(words, "worker="+url.PathEscape(worker))
	}
	if t.Limit != "" {
		words = append(words, "limit="+t.Limit)
	}
	return strings.Join(words, " ")
}

// ParseToken reads a token as a configuration has it: "sha256:<hash> post read cancel worker=<name> limit=10/s", with at least one right;
// without a worker it is for all of them, without a limit there is none. Blanks in names are percent-encoded. A limit is a number of requests for s, m or h.
func ParseToken(name, text string) (Token, error) {
	t := Token{Name: name}
	found := false
	for word := range strings.FieldsSeq(text) {
		if digits, ok := strings.CutPrefix(word, hashPrefix); ok {
			raw, err := hex.DecodeString(digits)
			if err != nil || len(raw) != len(t.Hash) {
				return t, errors.New("the hash is not 64 hexadecimal digits")
			}
			copy(t.Hash[:], raw)
			found = true
			continue
		}
		if name, ok := strings.CutPrefix(word, "worker="); ok && name != "" {
			worker, err := url.PathUnescape(name)
			if err != nil {
				return t, fmt.Errorf("the worker's name %.40q is not percent-encoded: %%25 is the percent sign", name)
			}
			t.Workers = append(t.Workers, worker)
			continue
		}
		if limit, ok := strings.CutPrefix(word, "limit="); ok {
			if _, _, err := limitOf(limit); err != nil {
				return t, err
			}
			t.Limit = limit
			continue
		}
		if r := right(word); r != rightPost && r != rightRead && r != rightCancel {
			return t, fmt.Errorf("%.20q is none of sha256:<hash>, post, read, cancel, worker=<name> and limit=<number>/s", word)
		}
		t.Rights = append(t.Rights, word)
	}
	switch {
	case !found:
		return t, errors.New("it has no sha256:<hash>; \"after gateway token\" makes one")
	case len(t.Rights) == 0:
		return t, errors.New("it has none of the rights post, read and cancel")
	}
	return t, nil
}

// CheckLimit refuses what is no [Token.Limit].
func CheckLimit(text string) error {
	_, _, err := limitOf(text)
	return err
}

// limitOf reads a number of requests for a unit of time: so many a second, and so many at once.
func limitOf(text string) (rate.Limit, int, error) {
	number, unit, _ := strings.Cut(text, "/")
	n, err := strconv.ParseUint(number, 10, 31)
	seconds := map[string]float64{"s": 1, "m": time.Minute.Seconds(), "h": time.Hour.Seconds()}[unit]
	if err != nil || n == 0 || seconds == 0 {
		return 0, 0, fmt.Errorf("the limit %.20q is no number of requests for s, m or h: write 10/s, 100/m or 1000/h", text)
	}
	return rate.Limit(float64(n) / seconds), int(n), nil
}

// holders reads tokens. One that former ones have with the same limit goes on where it was: a configuration that is read again gives nobody more requests.
func holders(tokens []Token, former map[[32]byte]*holder) (map[[32]byte]*holder, error) {
	all := make(map[[32]byte]*holder, len(tokens))
	for _, t := range tokens {
		h := &holder{Token: t}
		if known := former[t.Hash]; known != nil && known.Limit == t.Limit {
			h.limiter = known.limiter
		} else if t.Limit != "" {
			often, burst, err := limitOf(t.Limit)
			if err != nil {
				return nil, fmt.Errorf("token %s: %w", t.Name, err)
			}
			h.limiter = rate.NewLimiter(often, burst)
		}
		all[t.Hash] = h
	}
	return all, nil
}

// admit finds the holder of a token, and refuses one who asks too often. Looking up its hash tells nobody by its time what others are.
func (g *Gateway) admit(secret string) (*holder, error) {
	h, ok := g.tokens[sha256.Sum256([]byte(secret))]
	if !ok {
		return nil, &refusal{status: http.StatusUnauthorized, Name: "unauthorized", Reason: "the token is not known"}
	}
	if h.limiter == nil {
		return h, nil
	}
	now := g.now()
	place := h.limiter.ReserveN(now, 1)
	wait := place.DelayFrom(now)
	if wait == 0 {
		return h, nil
	}
	place.CancelAt(now)
	return nil, &refusal{
		status: http.StatusTooManyRequests, Name: "too_many_requests", after: wait,
		Reason: "the token " + h.Name + " may make fewer requests than these; Retry-After says in how many seconds the next one",
	}
}

// may refuses a holder of a token without that right. Whoever comes with credentials of the server has the rights that those have there.
func (x *exchange) may(r right) error {
	if x.who.token == nil || slices.Contains(x.who.token.Rights, string(r)) {
		return nil
	}
	return forbidden("the token %s has no right to %s", x.who.token.Name, r)
}

// mayUse refuses a holder of a token for other workers.
func (x *exchange) mayUse(worker string) error {
	if x.who.token == nil || len(x.who.token.Workers) == 0 || slices.Contains(x.who.token.Workers, worker) {
		return nil
	}
	return forbidden("the token %s is for tasks of %s", x.who.token.Name, strings.Join(x.who.token.Workers, ", "))
}
