// Package config reads the configuration of after: one JSON file, environment variables and flags, strictly, and
// remembers where each value came from.
//
// The later of these goes before the earlier: the defaults (the table [Keys]), the file, the variables AFTER_…, the
// flags. What is unknown or of a wrong type is an error that names the key and where it stands; all such errors are
// found in one go. No error and no listing ever shows a password.
package config

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"

	"github.com/adlayer/after/when"
)

// Config is the configuration in force. The table [Keys] says what each key means.
type Config struct {
	Couch   Couch   `koanf:"couch"`
	Changes Changes `koanf:"changes"`
	Store   Store   `koanf:"store"`
	Jobs    Jobs    `koanf:"jobs"`
	HTTP    HTTP    `koanf:"http"`
	Worker  Worker  `koanf:"worker"`
	Runs    Runs    `koanf:"runs"`
	Notify  Notify  `koanf:"notify"`
	Mail    Mail    `koanf:"mail"`
	State   State   `koanf:"state"`
	Gateway Gateway `koanf:"gateway"`
	Log     Log     `koanf:"log"`

	file     string
	passed   []Candidate
	settings []Setting
}

// Couch says which server holds the tasks. URL carries no user and no password once it is loaded; User and Password
// hold them, wherever they came from.
type Couch struct {
	URL          string `koanf:"url"`
	User         string `koanf:"user"`
	Password     string `koanf:"password"`
	PasswordFile string `koanf:"password_file"`
	CAFile       string `koanf:"ca_file"`
	Database     string `koanf:"database"`
}

// Changes says how workers follow the database. Filter is empty or "selector".
type Changes struct {
	Filter string `koanf:"filter"`
}

// Store is the embedded store. Data is empty where the user's usual place is meant: see [Config.DataFolder]. Sizes are in bytes; a MaxAttachmentSize
// and a MaxDocumentIDLength of 0 mean no limit.
type Store struct {
	Listen     string            `koanf:"listen"`
	Data       string            `koanf:"data"`
	Durability string            `koanf:"durability"`
	Admins     map[string]string `koanf:"admins"`
	AdminsFile string            `koanf:"admins_file"`

	MaxDocumentSize     int64 `koanf:"max_document_size"`
	MaxAttachmentSize   int64 `koanf:"max_attachment_size"`
	MaxHTTPRequestSize  int64 `koanf:"max_http_request_size"`
	MaxDocumentIDLength int64 `koanf:"max_document_id_length"`
	MaxBulkDocsCount    int64 `koanf:"max_bulk_docs_count"`
	MaxBulkGetCount     int64 `koanf:"max_bulk_get_count"`

	TLS     TLS     `koanf:"tls"`
	Limits  Limits  `koanf:"limits"`
	Session Session `koanf:"session"`
	Users   Users   `koanf:"users"`
	CORS    CORS    `koanf:"cors"`
}

// TLS are the files of a server's certificate, the embedded store's or the gateway's; both are empty where it speaks http.
type TLS struct {
	Certificate string `koanf:"certificate"`
	Key         string `koanf:"key"`
}

// Limits bound what clients can take of the embedded store. Memory is in megabytes, Rate in bytes a second.
type Limits struct {
	Memory      int64         `koanf:"memory"`
	Connections int           `koanf:"connections"`
	Stall       time.Duration `koanf:"stall"`
	Rate        int64         `koanf:"rate"`
}

// Session says how the embedded store's session cookies are.
type Session struct {
	Timeout  time.Duration `koanf:"timeout"`
	SameSite string        `koanf:"same_site"`
}

// Users says what others than administrators see of _users.
type Users struct {
	SecurityEditable bool     `koanf:"security_editable"`
	PublicFields     []string `koanf:"public_fields"`
}

// CORS says which web pages of other origins may use the embedded store, or the queue. For the store, empty Headers and Methods are CouchDB's
// default; the queue has methods of its own, and Headers beside its own.
type CORS struct {
	Origins     []string      `koanf:"origins"`
	Credentials bool          `koanf:"credentials"`
	Headers     []string      `koanf:"headers"`
	Methods     []string      `koanf:"methods"`
	MaxAge      time.Duration `koanf:"max_age"`
}

// Jobs says where jobs come from.
type Jobs struct {
	Folder string `koanf:"folder"`
	Exec   struct {
		Allow []string `koanf:"allow"`
	} `koanf:"exec"`
}

// Worker says how a worker process works. Retention 0 keeps tasks for ever.
type Worker struct {
	Concurrency int           `koanf:"concurrency"`
	Drain       time.Duration `koanf:"drain"`
	Site        string        `koanf:"site"`
	Retention   time.Duration `koanf:"retention"`
}

// Runs says which runs are kept in the database of runs. Zero values keep all.
type Runs struct {
	Keep    time.Duration `koanf:"keep"`
	PerTask int           `koanf:"per_task"`
}

// State is the folder of a machine's own state, empty for the usual place: see [Config.StateFolder].
type State struct {
	Folder string `koanf:"folder"`
}

// Log says what is logged and how. Size is in megabytes.
type Log struct {
	Level  string `koanf:"level"`
	Format string `koanf:"format"`
	Size   int    `koanf:"size"`
	Keep   int    `koanf:"keep"`
}

// Setting is one value in force, as it may be shown, and where it came from.
type Setting struct {
	Key    string `json:"key"`
	Value  any    `json:"value"`
	Source string `json:"source"`
}

// Options say where to read from. The zero value reads the process's own environment.
type Options struct {
	Path    string            // the file asked for; "" looks in the usual places
	Flags   map[string]string // values given by flags, by the key's path
	Environ []string          // "NAME=value"; nil is the process's own
}

// Load reads the configuration. Its error joins everything that is wrong.
func Load(o Options) (*Config, error) {
	if o.Environ == nil {
		o.Environ = os.Environ()
	}
	l := &loader{merged: koanf.New("."), sources: map[string]string{}, values: map[string]any{}}
	for _, key := range Keys() {
		l.set(key, key.Default, "default")
	}
	c := &Config{}
	if err := l.findFile(o, c); err != nil {
		return nil, err
	}
	l.variables(o.Environ)
	l.flags(o.Flags)
	if err := errors.Join(l.problems...); err != nil {
		return nil, err
	}
	if err := l.unmarshal(c); err != nil {
		return nil, err
	}
	err := errors.Join(c.readSecrets(l), c.HTTP.readSigningKeys(l.sources["http.signing_key_file"]), c.Mail.check(l.sources["mail.password_file"]),
		c.Store.check(), c.Gateway.check())
	if err != nil {
		return nil, err
	}
	c.settings = l.settings(c)
	return c, nil
}

// File is the file that was read, "" if there was none.
func (c *Config) File() string { return c.file }

// Candidates are the places looked at for a file, in order, and what was found there.
func (c *Config) Candidates() []Candidate { return slices.Clone(c.passed) }

// Settings lists every value in force in the order of [Keys]; secrets are masked.
func (c *Config) Settings() []Setting { return slices.Clone(c.settings) }

// loader gathers the layers.
type loader struct {
	merged   *koanf.Koanf
	values   map[string]any
	sources  map[string]string
	problems []error
}

// replace is koanf's merge without descent into values: a map given by a later layer replaces the earlier one, so
// that the default administrator does not live on beside those that a file names.
func replace(src, dest map[string]any) error {
	for name, value := range src {
		if section, ok := value.(map[string]any); ok {
			below, ok := dest[name].(map[string]any)
			if !ok {
				below = map[string]any{}
				dest[name] = below
			}
			if err := replace(section, below); err != nil {
				return err
			}
			continue
		}
		dest[name] = value
	}
	return nil
}

func (l *loader) set(key Key, value any, source string) {
	if err := l.merged.Load(confmap.Provider(map[string]any{key.Path: value}, "."), nil, koanf.WithMergeFunc(replace)); err != nil {
		l.problem(source, key.Path, err)
		return
	}
	l.values[key.Path], l.sources[key.Path] = value, source
}

func (l *loader) problem(source, path string, err error) {
	l.problems = append(l.problems, fmt.Errorf("%s: %s %w", source, path, err))
}

// take checks a value and puts it in force; base is what a relative path is relative to.
func (l *loader) take(key Key, value any, source, base string) {
	if key.check != nil {
		if err := key.check(value); err != nil {
			l.problem(source, key.Path, err)
			return
		}
	}
	if text, ok := value.(string); ok && key.Kind == Path && text != "" {
		whole, err := absolute(text, base)
		if err != nil {
			l.problem(source, key.Path, err)
			return
		}
		value = whole
	}
	l.set(key, value, source)
}

func absolute(path, base string) (string, error) {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("begins with ~/ but there is no home: %w", err)
		}
		return filepath.Join(home, rest), nil
	}
	if filepath.IsAbs(path) {
		return path, nil
	}
	if base == "" {
		return filepath.Abs(path)
	}
	return filepath.Join(base, path), nil
}

func (l *loader) unmarshal(c *Config) error {
	durations := func(from, to reflect.Type, value any) (any, error) {
		if to != reflect.TypeFor[time.Duration]() || from.Kind() != reflect.String {
			return value, nil
		}
		text, _ := value.(string)
		if text == "" {
			return time.Duration(0), nil
		}
		return when.ParseDuration(text)
	}
	err := l.merged.UnmarshalWithConf("", c, koanf.UnmarshalConf{DecoderConfig: &mapstructure.DecoderConfig{
		DecodeHook:  durations,
		ErrorUnused: true,
		TagName:     "koanf",
		Result:      c,
	}})
	if err != nil {
		return fmt.Errorf("reading the configuration: %w", err)
	}
	return nil
}

// settings lists what is in force. Only here is it decided what may be shown.
func (l *loader) settings(c *Config) []Setting {
	list := make([]Setting, 0, len(l.values))
	for _, key := range Keys() {
		s := Setting{Key: key.Path, Value: l.values[key.Path], Source: l.sources[key.Path]}
		switch {
		case key.Path == "couch.url":
			s.Value = c.Couch.Redacted()
		case key.Path == "couch.user" && s.Value == "" && c.Couch.User != "":
			s.Value, s.Source = c.Couch.User, "couch.url"
		case key.Path == "store.data":
			s.Value, s.Source = usual(s, c.DataFolder)
		case key.Path == "state.folder":
			s.Value, s.Source = usual(s, c.StateFolder)
		case key.Secret:
			s.Value = mask(s.Value)
		}
		list = append(list, s)
	}
	return list
}

func usual(s Setting, folder func() (string, error)) (any, string) {
	if s.Value != "" {
		return s.Value, s.Source
	}
	path, err := folder()
	if err != nil {
		return "", err.Error()
	}
	return path, "the usual place"
}

const masked = "*****"

func mask(value any) any {
	switch value := value.(type) {
	case map[string]string:
		shown := make(map[string]string, len(value))
		for name := range value {
			shown[name] = masked
		}
		return shown
	case string:
		if value == "" {
			return ""
		}
	}
	return masked
}

// Redacted is the address as it may be shown: with the user, the password masked.
func (c Couch) Redacted() string {
	u, err := url.Parse(c.URL)
	if err != nil {
		return masked
	}
	u.User = nil
	if c.User == "" {
		return u.String()
	}
	shown := c.User
	if c.Password != "" {
		shown += ":" + masked
	}
	return strings.Replace(u.String(), "://", "://"+shown+"@", 1)
}

// DefaultPasswords names the store's users that still have the default password, sorted.
func (s Store) DefaultPasswords() []string {
	var names []string
	for name, password := range s.Admins {
		if password == DefaultPassword {
			names = append(names, name)
		}
	}
	return slices.Sorted(slices.Values(names))
}

// Names are the store's users, sorted.
func (s Store) Names() []string { return slices.Sorted(maps.Keys(s.Admins)) }
