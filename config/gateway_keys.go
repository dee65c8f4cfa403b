package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Gateway is the queue over HTTP. Tokens are read by package gateway; MaxBody is in bytes.
type Gateway struct {
	Listen  string            `koanf:"listen"`
	Worker  string            `koanf:"worker"`
	Tokens  map[string]string `koanf:"tokens"`
	MaxBody int64             `koanf:"max_body"`
	MaxWait time.Duration     `koanf:"max_wait"`
	TLS     TLS               `koanf:"tls"`
	CORS    CORS              `koanf:"cors"`
}

func (g Gateway) check() error { return errors.Join(g.TLS.check("gateway"), g.CORS.check("gateway")) }

func gatewayKeys() []Key {
	return slices.Concat(queueKeys(), tlsKeys("gateway", "`after gateway`", " The queue on the embedded store's port has the store's."), gatewayPageKeys())
}

func gatewayPageKeys() []Key {
	origins := "The origins of web pages that may use the queue from a browser, `https://app.example:8443` say; `*` for all. Empty: none; below `/_after/` " +
		"of the embedded store those of `store.cors`."
	return corsKeys("gateway", origins, "Further headers that their requests may have, such as those which are handed over for an endpoint; one that ends with `*` is all that begin so.")
}

func queueKeys() []Key {
	return []Key{
		{
			Path: "gateway.listen", Kind: Text, Default: "127.0.0.1:8088", check: checkAddress,
			Doc: "Where `after gateway` serves the queue. The embedded store has it on its own port, below `/_after/`.",
		},
		{
			Path: "gateway.worker", Kind: Text, Default: "",
			Doc: "The worker that makes the calls where a request to the queue names none. Empty: each has to.",
		},
		{
			Path: "gateway.tokens", Kind: Map, Default: map[string]string{}, check: checkTokens,
			Doc: "Who may use the queue without a password of the database: names, each with `sha256:<hash>` of its token, its rights (`post`, `read`, `cancel`), " +
				"`worker=<name>` for tasks of that worker alone (percent-encoded where it has blanks or a %), and `limit=10/s`, with blanks between them. `after gateway token` makes one.",
		},
		{
			Path: "gateway.max_body", Kind: Number, Default: int64(8 << 20), check: checkRange(1, 1<<30),
			Doc: "The largest body of a request to the queue, in bytes. What the database takes bounds it too.",
		},
		{
			Path: "gateway.max_wait", Kind: Duration, Default: "1m", check: checkPositive,
			Doc: "For how long a request to the queue may wait for an outcome (`?wait=`).",
		},
	}
}

func checkTokens(value any) error {
	tokens, _ := value.(map[string]string)
	for name, text := range tokens {
		if name == "" || !strings.HasPrefix(text, "sha256:") {
			return fmt.Errorf("the token %q does not begin with sha256: and the hash of a token", name)
		}
	}
	return nil
}
