package call

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/adlayer/after/jobs/call/fence"
	"github.com/adlayer/after/webhook"
)

// Options say how calls are made. The zero value works.
type Options struct {
	UserAgent   string        // empty means "after"
	MaxBody     int           // how many bytes of an answer's body are kept; 0 means 64 KiB
	Timeout     time.Duration // of a task that sets none; 0 means five minutes
	Concurrency int           // calls under way at once; 0 means 1000
	PerHost     int           // of them to one host and port; 0 means 100

	Allow, Deny []string          // see package fence
	Credentials map[string]string // by name: "<hosts> bearer <token>", "<hosts> basic <user>:<password>"; @<file> reads the secret from one
	TLS         map[string]string // by name: "ca=<file>; certificate=<file>; key=<file>; insecure=true", each if wanted
	CAFile      string            // authorities that are trusted beside the system's, where the task names no TLS
	Proxy       string            // empty: as the environment says; "none"; or an address

	SigningKeys []string // secrets of package webhook: every call is signed with all of them
	CallbackURL string   // the address under which callbacks reach us, without /callback/…

	Codes   Codes             // where a list is nil: 2xx and 3xx are done; 408, 425, 429, 5xx and no answer are tried again
	Limit   string            // of all calls together, such as 1000/s
	Limits  map[string]string // by host, *.host, * (each host by itself) or #tag
	Breaker Breaker

	Log logrus.FieldLogger // told of hosts that are left alone; nil discards

	// Transport sends all requests, in place of transports of our own; fences then know names alone. For tests and other programs.
	Transport http.RoundTripper
	// Resolver looks names up; nil is the system's.
	Resolver *net.Resolver
	// Patience is how long a call waits in its place for its turn before the task is put off. 0 means a second.
	Patience time.Duration
}

// Breaker says when a host is left alone: after so many failures in a row, for so long. Zeros mean 5 and 30 seconds; a negative number
// of failures means never.
type Breaker struct {
	Failures int
	Pause    time.Duration
}

// settings are options that were read.
type settings struct {
	Options

	defaults    Codes
	rules       *fence.Rules
	credentials map[string]credential
	signer      *webhook.Signer
	limit       *Limit
	limits      map[string]Limit
	ways        *ways
}

func (o Options) read() (*settings, error) {
	o.UserAgent = cmp.Or(o.UserAgent, "after")
	o.MaxBody = cmp.Or(o.MaxBody, 64<<10)
	o.Timeout = cmp.Or(o.Timeout, 5*time.Minute)
	o.Concurrency, o.PerHost = cmp.Or(o.Concurrency, 1000), cmp.Or(o.PerHost, 100)
	o.Breaker.Failures, o.Breaker.Pause = cmp.Or(o.Breaker.Failures, 5), cmp.Or(o.Breaker.Pause, 30*time.Second)
	if o.Breaker.Failures < 0 {
		o.Breaker.Failures = 1<<31 - 1
	}
	o.Patience = cmp.Or(o.Patience, time.Second)
	o.CallbackURL = strings.TrimRight(o.CallbackURL, "/")
	s := &settings{Options: o, defaults: o.Codes.over(defaultCodes()), limits: map[string]Limit{}, credentials: map[string]credential{}}
	var err error
	if err = s.defaults.check(); err != nil {
		return nil, fmt.Errorf("codes: %w", err)
	}
	if s.rules, err = fence.New(o.Allow, o.Deny); err != nil {
		return nil, err
	}
	if len(o.SigningKeys) > 0 {
		if s.signer, err = webhook.NewSigner(o.SigningKeys...); err != nil {
			return nil, err
		}
	}
	if o.Limit != "" {
		limit, err := parseLimit(o.Limit)
		if err != nil {
			return nil, err
		}
		s.limit = &limit
	}
	for name, text := range o.Limits {
		if name[:min(1, len(name))] != "#" {
			name = strings.ToLower(name)
		}
		if s.limits[name], err = parseLimit(text); err != nil {
			return nil, fmt.Errorf("limit of %s: %w", name, err)
		}
	}
	for name, text := range o.Credentials {
		if s.credentials[name], err = parseCredential(text); err != nil {
			return nil, fmt.Errorf("credential %s: %w", name, err)
		}
	}
	if u, err := url.Parse(o.CallbackURL); o.CallbackURL != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		return nil, errors.New("the URL for callbacks is no http or https address")
	}
	s.ways, err = newWays(o, s.rules)
	return s, err
}

// limitOf finds the limit of a host, by its own name before that of a wider entry.
func (s *settings) limitOf(name string) (key string, limit Limit, found bool) {
	if len(s.limits) == 0 {
		return "", Limit{}, false
	}
	name = strings.ToLower(name)
	if limit, found := s.limits[name]; found {
		return name, limit, true
	}
	for rest := name; ; {
		_, below, more := strings.Cut(rest, ".")
		if !more {
			break
		}
		if limit, found := s.limits["*."+below]; found {
			return "*." + below, limit, true
		}
		rest = below
	}
	limit, found = s.limits["*"]
	return "* " + name, limit, found
}
