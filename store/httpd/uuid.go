package httpd

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/adlayer/after/store"
)

// uuids makes ids: for _uuids, and for documents that come without one.
type uuids struct {
	settings *settings

	mu     sync.Mutex
	prefix string // of sequential ids: 26 digits
	at     uint32 // the last of them with it
}

const (
	sequentialEnd  = 0xfff000 // from which on the prefix is a new one
	sequentialStep = 0xffe    // the largest step, but one
)

func (u *uuids) next() string {
	now := u.settings.now()
	switch now.uuids {
	case "random":
		return store.NewUUID()
	case "utc_random":
		return utcDigits() + randomDigits(9)
	case "utc_id":
		return utcDigits() + now.uuidSuffix
	}
	return u.sequential()
}

// sequential ids ascend in small random steps, until their prefix is used up.
func (u *uuids) sequential() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.prefix == "" || u.at >= sequentialEnd {
		u.prefix, u.at = randomDigits(13), 0
	}
	u.at += 1 + mathrand.Uint32N(sequentialStep-1) //nolint:gosec // a step, no secret
	return u.prefix + fmt.Sprintf("%06x", u.at)
}

// utcDigits are the microseconds since 1970 in 14 hexadecimal digits.
func utcDigits() string { return fmt.Sprintf("%014x", time.Now().UnixMicro()) }

// randomDigits are two hexadecimal digits for each byte.
func randomDigits(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// serveUUIDs answers GET /_uuids.
func (c *call) serveUUIDs() error {
	if err := c.allow(http.MethodGet); err != nil {
		return err
	}
	n := 1
	if c.q.Has("count") {
		var err error
		if n, err = strconv.Atoi(c.q.Get("count")); err != nil || n < 0 {
			return store.BadRequest("count must be a positive integer")
		}
	}
	if n > c.s.settings.now().maxUUIDs {
		return store.BadRequest("count parameter too large")
	}
	b := []byte(`{"uuids":[`)
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = store.AppendString(b, c.s.uuids.next())
	}
	h := c.w.Header()
	h.Set("Cache-Control", "no-cache")
	h.Set("Expires", "Fri, 01 Jan 1990 00:00:00 GMT")
	h.Set("Pragma", "no-cache")
	if c.cached(etagOf(b)) {
		return nil
	}
	return c.answer(http.StatusOK, append(b, "]}"...))
}
