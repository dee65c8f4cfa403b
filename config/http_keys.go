package config

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// HTTP says how the http job calls endpoints. SigningKey holds the keys wherever they came from; a Failures of 0 leaves no host alone.
type HTTP struct {
	Concurrency    int               `koanf:"concurrency"`
	PerHost        int               `koanf:"per_host"`
	Timeout        time.Duration     `koanf:"timeout"`
	MaxBody        int               `koanf:"max_body"`
	Allow          []string          `koanf:"allow"`
	Deny           []string          `koanf:"deny"`
	Credentials    map[string]string `koanf:"credentials"`
	TLS            map[string]string `koanf:"tls"`
	CAFile         string            `koanf:"ca_file"`
	Proxy          string            `koanf:"proxy"`
	SigningKey     string            `koanf:"signing_key"`
	SigningKeyFile string            `koanf:"signing_key_file"`
	CallbackURL    string            `koanf:"callback_url"`
	Codes          HTTPCodes         `koanf:"codes"`
	Limit          string            `koanf:"limit"`
	Limits         map[string]string `koanf:"limits"`
	Breaker        HTTPBreaker       `koanf:"breaker"`
}

// HTTPCodes say what answers mean: status codes such as "404", classes such as "5xx", "0" for no answer.
type HTTPCodes struct {
	Done   []string `koanf:"done"`
	Retry  []string `koanf:"retry"`
	Error  []string `koanf:"error"`
	Remove []string `koanf:"remove"`
}

// HTTPBreaker says when a host is left alone.
type HTTPBreaker struct {
	Failures int           `koanf:"failures"`
	Pause    time.Duration `koanf:"pause"`
}

func httpKeys() []Key {
	return slices.Concat(httpBoundKeys(), httpFenceKeys(), httpIdentityKeys(), httpOutcomeKeys(), httpLimitKeys())
}

func httpBoundKeys() []Key {
	return []Key{
		{
			Path: "http.concurrency", Kind: Number, Default: int64(1000), check: checkRange(1, 1_000_000),
			Doc: "How many calls of the job `http` one process has under way at a time.",
		},
		{
			Path: "http.per_host", Kind: Number, Default: int64(100), check: checkRange(1, 1_000_000),
			Doc: "How many of them go to one host and port. As many connections to it are kept for the next calls.",
		},
		{
			Path: "http.timeout", Kind: Duration, Default: "5m", check: checkPositive,
			Doc: "How long a call may take, where the task sets no `timeout`.",
		},
		{
			Path: "http.max_body", Kind: Number, Default: int64(65_536), check: checkRange(1, 7_000_000),
			Doc: "How many bytes of an answer's body are kept in the result. The rest is not read.",
		},
	}
}

func httpFenceKeys() []Key {
	return []Key{
		{
			Path: "http.allow", Kind: List, Default: []string{},
			Doc: "What may be called: hosts (`example.org`, `*.example.org`), addresses and networks (`10.0.0.0/8`), each with ports or without (`example.org:443`, " +
				"`[fc00::/7]:8000-8999`), ports alone (`:443`), `loopback`, `private`, or `*`. Empty: everything that is not denied. Addresses where clouds serve " +
				"credentials and link-local ones are refused unless an entry names them, beside `*` say.",
		},
		{
			Path: "http.deny", Kind: List, Default: []string{},
			Doc: "What must not be called, as in `http.allow`. It goes before that. Names are judged, and every address that they resolve to when it is connected to, redirects too.",
		},
		{
			Path: "http.proxy", Kind: Text, Default: "", Secret: true,
			Doc: "The address of a proxy (`http`, `https` or `socks5`), or `none`. Empty: what `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` say.",
		},
		{
			Path: "http.ca_file", Kind: Path, Default: "",
			Doc: "A file of certificates (PEM) of authorities that are trusted beside those of the system.",
		},
		{
			Path: "http.tls", Kind: Map, Default: map[string]string{},
			Doc: "Ways to speak TLS, by the name that tasks have in `tls`: `ca=<file>; certificate=<file>; key=<file>; insecure=true`, each if wanted, files by their whole paths. " +
				"`ca` is trusted in place of the system's authorities; `insecure=true` takes any certificate.",
		},
	}
}

func httpIdentityKeys() []Key {
	return []Key{
		{
			Path: "http.credentials", Kind: Map, Default: map[string]string{}, Secret: true,
			Doc: "What calls log in with, by the name that tasks have in `credential`: `<hosts> bearer <token>` or `<hosts> basic <user>:<password>`. The hosts may see it, with commas " +
				"between them, `*.example.org` and `*` too. `@/path` in place of the token, or of user and password, reads the first line of that file.",
		},
		{
			Path: "http.signing_key", Kind: Text, Default: "", Secret: true,
			Doc: "The secret that signs every call, `whsec_…`, in the form of Standard Webhooks; several with spaces between them all sign, while receivers change over. Empty: calls are not signed.",
		},
		{
			Path: "http.signing_key_file", Kind: Path, Default: "",
			Doc: "A file with such secrets, one on each line, used instead of `http.signing_key`.",
		},
		{
			Path: "http.callback_url", Kind: Text, Default: "", check: checkCallbackURL,
			Doc: "The address under which endpoints reach the gateway, `https://after.example.org` or, on the embedded store's port, `https://after.example.org/_after`. Endpoints of tasks " +
				"with `callback` are given a signed URL below it. Empty: there are no callbacks.",
		},
	}
}

func httpOutcomeKeys() []Key {
	const what = ": codes such as `404`, classes such as `5xx`, `0` for no answer. A code goes before a class; a task's own `codes` go before these."
	return []Key{
		{
			Path: "http.codes.done", Kind: List, Default: []string{"2xx", "3xx"}, check: checkCodes,
			Doc: "The answers that mean that a call is done" + what,
		},
		{
			Path: "http.codes.retry", Kind: List, Default: []string{"0", "408", "425", "429", "5xx"}, check: checkCodes,
			Doc: "Those that mean an error that may pass. All others are errors that do not.",
		},
		{
			Path: "http.codes.error", Kind: List, Default: []string{}, check: checkCodes,
			Doc: "Those of the classes above that are errors nevertheless.",
		},
		{
			Path: "http.codes.remove", Kind: List, Default: []string{}, check: checkCodes,
			Doc: "Those after which the task is deleted; `410`, say.",
		},
	}
}

func httpLimitKeys() []Key {
	return []Key{
		{
			Path: "http.limit", Kind: Text, Default: "", check: checkLimit,
			Doc: "How often one process calls in all: `1000/s`, `100/m`, `5000/h` or `10000/d`. A tenth of that may come at once. Empty: as often as tasks are due.",
		},
		{
			Path: "http.limits", Kind: Map, Default: map[string]string{}, check: checkLimits,
			Doc: "Such limits by host (`example.org`, `*.example.org`; `*` is each other host by itself) or by the tag of tasks (`#billing`).",
		},
		{
			Path: "http.breaker.failures", Kind: Number, Default: int64(5), check: checkRange(0, 1_000_000),
			Doc: "After how many failures in a row (no answer, or a status of 500 and more) a host and port is left alone. 0: never.",
		},
		{
			Path: "http.breaker.pause", Kind: Duration, Default: "30s", check: checkPositive,
			Doc: "For how long. Its tasks are put off until then, which is no failed attempt; then one call tries it.",
		},
	}
}

var (
	codeForm  = regexp.MustCompile(`^(0|[1-5]([0-9][0-9]|xx))$`)
	limitForm = regexp.MustCompile(`^[1-9][0-9]{0,5} *(/ *[smhd])$`)
)

// isOwnInHTTP says whether a key of the section http is one that other programs hardly have.
func isOwnInHTTP(name string) bool {
	return slices.Contains([]string{"per_host", "signing_key", "signing_key_file", "callback_url", "credentials", "breaker"}, name)
}

func checkCodes(value any) error {
	list, _ := value.([]string)
	for _, code := range list {
		if !codeForm.MatchString(code) {
			return fmt.Errorf("%q is no status code: write 404, 5xx, or 0 for no answer", code)
		}
	}
	return nil
}

func checkLimit(value any) error {
	if text, _ := value.(string); text != "" && !limitForm.MatchString(text) {
		return fmt.Errorf("%q is no limit: write 10/s, 100/m, 1000/h or 5000/d, say", text)
	}
	return nil
}

func checkLimits(value any) error {
	limits, _ := value.(map[string]string)
	for name, text := range limits {
		if text == "" || checkLimit(text) != nil {
			return fmt.Errorf("%q of %s is no limit: write 10/s, 100/m, 1000/h or 5000/d, say", text, name)
		}
	}
	return nil
}

func checkCallbackURL(value any) error {
	text, _ := value.(string)
	u, err := url.Parse(text)
	if text != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "") {
		return errors.New("is no http or https address without user, ? and #")
	}
	return nil
}

// readSigningKeys reads the file of secrets, if there is one.
func (h *HTTP) readSigningKeys(source string) error {
	if h.SigningKeyFile == "" {
		return nil
	}
	content, err := readBounded(h.SigningKeyFile)
	if err != nil {
		return fmt.Errorf("%s: http.signing_key_file: %w", source, err)
	}
	if h.SigningKey = strings.Join(strings.Fields(string(content)), " "); h.SigningKey == "" {
		return fmt.Errorf("%s: http.signing_key_file: %s is empty", source, h.SigningKeyFile)
	}
	return nil
}

// SigningKeys are the secrets, one by one.
func (h *HTTP) SigningKeys() []string { return strings.Fields(h.SigningKey) }
