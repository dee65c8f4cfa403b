package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/adlayer/after/when"
)

// Kind is the shape of a key's value.
type Kind string

// The kinds. A duration is text such as "30s", "1h30m" or "30d". A path may begin with "~/", the person's home;
// a relative one is relative to the folder of the file it stands in, or to the working folder if a flag or variable gave it.
const (
	Text     Kind = "text"
	Path     Kind = "path"
	Number   Kind = "number"
	Bool     Kind = "true or false"
	Duration Kind = "duration"
	List     Kind = "list of texts"
	Map      Kind = "object of texts"
)

// Key is one key of the configuration: the table of them is what the defaults, the strict reading, the
// variables, `after config` and docs/config.md are made of.
type Key struct {
	Path    string // as in the file, sections joined by dots: "couch.url"
	Kind    Kind
	Default any    // string, int64, bool, []string or map[string]string
	Doc     string // one or two sentences
	Secret  bool   // the value is never shown
	Flag    string // the flag that sets it on the commands that take it, "" for none

	check func(value any) error // beyond the shape; its error must not show a secret
}

// Variable is the name of the environment variable that sets the key: AFTER_COUCH_URL for couch.url.
func (k Key) Variable() string {
	return "AFTER_" + strings.ToUpper(strings.ReplaceAll(k.Path, ".", "_"))
}

// DefaultPassword is the password of the user `after` that the shipped config.json names: good enough on
// loopback, refused on any other address.
const DefaultPassword = "after"

// Keys lists every key, section by section in the order of the file. Each call gives a fresh list.
func Keys() []Key {
	return slices.Concat(couchKeys(), changesKeys(), storeKeys(), jobsKeys(), httpKeys(), workerKeys(), runsKeys(), notifyKeys(), mailKeys(), gatewayKeys(), stateKeys(), logKeys())
}

func couchKeys() []Key {
	return []Key{
		{
			Path: "couch.url", Kind: Text, Default: "http://after:" + DefaultPassword + "@127.0.0.1:5984", Flag: "url", check: checkURL,
			Doc: "The server that holds the tasks: CouchDB 3, or the embedded store. User and password may stand in it, " +
				"or in the three keys below; wherever the address is shown, the password is not.",
		},
		{
			Path: "couch.user", Kind: Text, Default: "",
			Doc: "The user to log in as, where it does not stand in `couch.url`.",
		},
		{
			Path: "couch.password", Kind: Text, Default: "", Secret: true,
			Doc: "The user's password, where it does not stand in `couch.url`. Meant for its variable.",
		},
		{
			Path: "couch.password_file", Kind: Path, Default: "",
			Doc: "A file whose first line is the password; a credential of systemd or a secret of a container. " +
				"It goes before `couch.password` and `couch.url`.",
		},
		{
			Path: "couch.ca_file", Kind: Path, Default: "",
			Doc: "A file of certificates (PEM) that an `https` server's must be signed by, a private authority's say. Empty: those that the system trusts. " +
				"Replications of the embedded store believe both.",
		},
		{
			Path: "couch.database", Kind: Text, Default: "tasks", Flag: "database", check: checkDatabase,
			Doc: "The database of the tasks. Members and leases live beside it, in the database of that name with `-fleet` at its end, and the history of runs in that with `-runs`.",
		},
	}
}

func changesKeys() []Key {
	return []Key{{
		Path: "changes.filter", Kind: Text, Default: "", check: checkFilter,
		Doc: "Empty: a worker reads every change of the database and passes over those of others, which is right nearly always. " +
			"`selector`: the server sends a worker only its own tasks, those that they wait for, calendars and deletions; it saves network where many workers share one large, busy database.",
	}}
}

func jobsKeys() []Key {
	return []Key{
		{
			Path: "jobs.folder", Kind: Path, Default: "/usr/local/etc/after/jobs", Flag: "jobs",
			Doc: "The folder whose executables are jobs, each of its file's name. It need not exist.",
		},
		{
			Path: "jobs.exec.allow", Kind: List, Default: []string{},
			Doc: "The commands that the built-in job `exec` may run: names looked up in PATH, or whole paths. Empty: none.",
		},
	}
}

func workerKeys() []Key {
	return []Key{
		{
			Path: "worker.concurrency", Kind: Number, Default: int64(100), Flag: "concurrency", check: checkRange(1, 1_000_000),
			Doc: "How many jobs one process runs at a time, all its workers together. 1 to 1000000.",
		},
		{
			Path: "worker.drain", Kind: Duration, Default: "30s", Flag: "drain", check: checkDuration,
			Doc: "How long running jobs may still take when a worker is asked to stop. Then they are cancelled and run again at the next start.",
		},
		{
			Path: "worker.site", Kind: Text, Default: "",
			Doc: "Where the workers run, for databases that replicate between sites: tasks whose `site` names another one are left alone. " +
				"Tasks without a `site` run anywhere. Notices are told where they were written.",
		},
		{
			Path: "worker.retention", Kind: Duration, Default: "", check: checkOptionalDuration,
			Doc: "Tasks that are done for longer than this are deleted, once an hour, by the worker they belonged to; `30d`, say. Empty: they are kept.",
		},
	}
}

func runsKeys() []Key {
	return []Key{
		{
			Path: "runs.keep", Kind: Duration, Default: "30d", check: checkOptionalDuration,
			Doc: "How long the history of runs is kept, counted from their dates. Older ones are deleted, once an hour. Empty: for ever.",
		},
		{
			Path: "runs.per_task", Kind: Number, Default: int64(1000), check: checkRange(0, 1_000_000_000),
			Doc: "How many runs of each task are kept, the newest. 0: all.",
		},
	}
}

func stateKeys() []Key {
	return []Key{{
		Path: "state.folder", Kind: Path, Default: "", Flag: "state",
		Doc: "The folder of what workers keep on their machine. That is their identity, their log, outcomes that could not be written yet. Empty: the user's usual place for state.",
	}}
}

func logKeys() []Key {
	return []Key{
		{
			Path: "log.level", Kind: Text, Default: "info", Flag: "log-level", check: checkOneOf("debug", "info", "warn", "error"),
			Doc: "The least important lines that are logged: `debug`, `info`, `warn` or `error`.",
		},
		{
			Path: "log.format", Kind: Text, Default: "text", check: checkOneOf("text", "json"),
			Doc: "`text` for people, `json` for machines.",
		},
		{
			Path: "log.size", Kind: Number, Default: int64(10), check: checkRange(1, 10_000),
			Doc: "A worker's log file is put aside when it has grown to this many megabytes. 1 to 10000.",
		},
		{
			Path: "log.keep", Kind: Number, Default: int64(5), check: checkRange(1, 1000),
			Doc: "How many log files put aside are kept for each worker. 1 to 1000.",
		},
	}
}

func checkURL(value any) error {
	text, _ := value.(string)
	u, err := url.Parse(text)
	if err != nil {
		// url.Parse quotes what it was given, password and all: only its reason may go on.
		if why, ok := errors.AsType[*url.Error](err); ok {
			err = why.Err
		}
		if strings.Contains(err.Error(), "userinfo") || strings.Contains(err.Error(), "port") || strings.Contains(err.Error(), "escape") {
			err = errors.New("characters such as @ : / % in a user or password must be percent-encoded, or use couch.password_file")
		}
		return fmt.Errorf("is no address: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return errors.New(`must begin with "http://" or "https://"`)
	}
	if u.Host == "" || u.Hostname() == "" {
		return errors.New("names no host")
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return errors.New("must end with the host or a path, without ? and #")
	}
	return nil
}

func checkDatabase(value any) error {
	text, _ := value.(string)
	if !regexp.MustCompile(`^[a-z][a-z0-9_$()+/-]*$`).MatchString(text) || len(text) > 200 {
		return fmt.Errorf("%q is no name of a database: a lower-case letter, then lower-case letters, digits and _ $ ( ) + - /", text)
	}
	return nil
}

func checkRange(low, high int64) func(any) error {
	return func(value any) error {
		n, _ := value.(int64)
		if n < low || n > high {
			return fmt.Errorf("%d is not between %d and %d", n, low, high)
		}
		return nil
	}
}

func checkDuration(value any) error {
	text, _ := value.(string)
	if _, err := when.ParseDuration(text); err != nil {
		return fmt.Errorf("%q is no duration: write 30s, 1h30m or 7d, say", text)
	}
	return nil
}

func checkOptionalDuration(value any) error {
	if value == "" {
		return nil
	}
	return checkDuration(value)
}

func checkOneOf(words ...string) func(any) error {
	return func(value any) error {
		text, _ := value.(string)
		if !slices.Contains(words, text) {
			return fmt.Errorf("%q is none of %s", text, strings.Join(words, ", "))
		}
		return nil
	}
}

func checkFilter(value any) error {
	if text, _ := value.(string); text != "" && text != "selector" {
		return fmt.Errorf("%q is no filter: leave it empty, or selector", text)
	}
	return nil
}

// fromText reads a value as a variable or a flag gives it.
func (k Key) fromText(text string) (any, error) {
	switch k.Kind {
	case Number:
		n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is no whole number", text)
		}
		return n, nil
	case Bool:
		yes, err := strconv.ParseBool(strings.TrimSpace(text))
		if err != nil {
			return nil, fmt.Errorf("%q is neither true nor false", text)
		}
		return yes, nil
	case List:
		if strings.HasPrefix(strings.TrimSpace(text), "[") {
			var list []string
			if err := json.Unmarshal([]byte(text), &list); err != nil {
				return nil, errors.New("is no JSON array of texts")
			}
			return list, nil
		}
		return splitList(text), nil
	case Map:
		return mapFromText(text)
	default:
		return text, nil
	}
}

func splitList(text string) []string {
	list := []string{}
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list
}

func mapFromText(text string) (any, error) {
	pairs := map[string]string{}
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		if err := json.Unmarshal([]byte(text), &pairs); err != nil {
			return nil, errors.New("is no JSON object of texts")
		}
		return pairs, nil
	}
	for _, item := range splitList(text) {
		name, value, found := strings.Cut(item, ":")
		if !found {
			return nil, errors.New("must be JSON, or name:password pairs with commas between them")
		}
		pairs[name] = value
	}
	return pairs, nil
}

// fromJSON takes a value as the file gives it; a wrong type is an error.
func (k Key) fromJSON(value any) (any, error) {
	switch k.Kind {
	case Number:
		n, ok := value.(float64)
		switch {
		case !ok:
			return nil, fmt.Errorf("must be a whole number, not %s", describe(value))
		case n != float64(int64(n)):
			return nil, fmt.Errorf("must be a whole number, not %v", n)
		}
		return int64(n), nil
	case Bool:
		yes, ok := value.(bool)
		if !ok {
			return nil, fmt.Errorf("must be true or false, not %s", describe(value))
		}
		return yes, nil
	case List:
		items, ok := value.([]any)
		if !ok {
			return nil, fmt.Errorf("must be a list of texts, not %s", describe(value))
		}
		list := make([]string, 0, len(items))
		for i, item := range items {
			text, ok := item.(string)
			if !ok {
				return nil, fmt.Errorf("must be a list of texts: item %d is %s", i, describe(item))
			}
			list = append(list, text)
		}
		return list, nil
	case Map:
		items, ok := value.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("must be an object of texts, not %s", describe(value))
		}
		pairs := make(map[string]string, len(items))
		for name, item := range items {
			text, ok := item.(string)
			if !ok {
				return nil, fmt.Errorf("must be an object of texts: %q is %s", name, describe(item))
			}
			pairs[name] = text
		}
		return pairs, nil
	default:
		text, ok := value.(string)
		if !ok {
			return nil, fmt.Errorf("must be a text in quotation marks, not %s", describe(value))
		}
		return text, nil
	}
}

// describe names the type of a JSON value without showing it: it could be a secret.
func describe(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case bool:
		return "true or false"
	case float64:
		return "a number"
	case string:
		return "a text"
	case []any:
		return "a list"
	default:
		return "an object"
	}
}
