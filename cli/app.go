package cli

import (
	"cmp"
	"context"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/adlayer/after/client"
	"github.com/adlayer/after/config"
	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/fleet"
)

// version is set by the linker where the program is built with make or install.sh.
var version string

// Version is the program's version: what the linker set, else what Go knows of the module, else "devel".
func Version() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}

// app is what the commands of one run share.
type app struct {
	Streams

	terminal bool // Out is one: tables
	talks    bool // Err is one: progress that is drawn over
	colour   bool
	json     bool
	now      func() time.Time

	configPath string
}

// keyAnnotation marks a flag that sets a key of the configuration.
const keyAnnotation = "after-key"

// The keys that say where the tasks are, and those of this machine's state.
func serverKeys() []string { return []string{"couch.url", "couch.database"} }
func stateKeys() []string  { return []string{"state.folder"} }

// keyFlags adds the flags that set the given keys of the configuration.
func keyFlags(cmd *cobra.Command, paths ...string) {
	for _, path := range paths {
		keyFlag(cmd, path, "")
	}
}

// keyFlag adds the flag that sets a key, under its own name in the command where one is given.
func keyFlag(cmd *cobra.Command, path, name string) {
	for _, key := range config.Keys() {
		if key.Path == path {
			name = cmp.Or(name, key.Flag)
			cmd.Flags().Var(&keyValue{kind: key.Kind}, name, usageOf(key))
			cmd.Flags().Lookup(name).Annotations = map[string][]string{keyAnnotation: {path}}
		}
	}
}

// keyValue is such a flag's value: text that the configuration reads, shown in the help with its kind.
type keyValue struct {
	text string
	kind config.Kind
}

func (v *keyValue) String() string        { return v.text }
func (v *keyValue) Set(text string) error { v.text = text; return nil }
func (v *keyValue) Type() string          { return string(v.kind) }

// usageOf is a flag's line in the help: the first sentence of the key's description.
func usageOf(key config.Key) string {
	sentence, _, _ := strings.Cut(strings.ReplaceAll(key.Doc, "`", ""), ". ")
	sentence = strings.TrimSuffix(sentence, ".")
	return strings.ToLower(sentence[:1]) + sentence[1:] + " (" + key.Path + ")"
}

func (a *app) jsonFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&a.json, "json", false, "print JSON, one value a line")
}

// load reads the configuration, with the flags of the command on top.
func (a *app) load(cmd *cobra.Command) (*config.Config, error) {
	flags := map[string]string{}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if path := f.Annotations[keyAnnotation]; len(path) == 1 {
			flags[path[0]] = f.Value.String()
		}
	})
	c, err := config.Load(config.Options{Path: a.configPath, Flags: flags})
	if err != nil {
		return nil, &codeError{err: err, code: exitUsage}
	}
	return c, nil
}

// dial prepares the client for the server of the configuration.
func dial(c *config.Config) (*couch.Client, error) {
	secure, err := trusted(c)
	if err != nil {
		return nil, err
	}
	return couch.Dial(c.Couch.URL, couch.Options{
		User: c.Couch.User, Password: c.Couch.Password, UserAgent: "after/" + Version(), TLS: secure,
	})
}

// session is a command's connection to the tasks.
type session struct {
	config *config.Config
	couch  *couch.Client
	tasks  *client.Client
	fleet  *couch.Database
}

// connect reads the configuration and prepares the clients; no request is sent yet. Close it.
func (a *app) connect(cmd *cobra.Command) (*session, error) {
	c, err := a.load(cmd)
	if err != nil {
		return nil, err
	}
	server, err := dial(c)
	if err != nil {
		return nil, &codeError{err: err, code: exitUsage}
	}
	return &session{
		config: c,
		couch:  server,
		tasks:  client.New(server.Database(c.Couch.Database)).At(a.now),
		fleet:  server.Database(fleet.Database(c.Couch.Database)),
	}, nil
}

func (s *session) close() { s.couch.Close() }

// running says which of the names a live member holds, as far as the fleet's documents tell.
func (s *session) running(ctx context.Context, now time.Time) (map[string]bool, error) {
	members, err := s.members(ctx, now)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, m := range members {
		for _, w := range m.Workers {
			if m.Alive {
				names[w.Name] = true
			}
		}
	}
	return names, nil
}

// members lists the fleet. A fleet without a database has no members.
func (s *session) members(ctx context.Context, now time.Time) ([]fleet.Sight, error) {
	return fleet.Look(ctx, s.fleet, now)
}
