package config_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/adlayer/after/config"
)

var update = flag.Bool("update", false, "write docs/config.md anew")

// TestDocumentation holds docs/config.md to the table of keys. `make docs` writes it anew.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "docs", "config.md")
	want := documentation()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("docs/config.md is not current, run `make docs`:\n%s", diff)
	}
}

// TestShippedFile holds the config.json of the repository to the defaults: it says nothing else, and has the shape
// that people know.
func TestShippedFile(t *testing.T) {
	t.Parallel()
	c, err := config.Load(config.Options{Path: filepath.Join("..", "config.json"), Environ: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	bare, err := config.Load(config.Options{Path: emptyFile(t), Environ: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range c.Settings() {
		if diff := cmp.Diff(bare.Settings()[i].Value, s.Value); diff != "" {
			t.Errorf("%s in config.json is not the default: %s", s.Key, diff)
		}
	}
}

func documentation() string {
	var b strings.Builder
	b.WriteString(`<!-- Written by "make docs" from the table in config/keys.go. -->
# Configuration

One JSON file, environment variables, flags. The later goes before the earlier:

1. the defaults below;
2. the file: the one that ` + "`--config`" + ` or ` + "`AFTER_CONFIG`" + ` names, else the first of
   - ` + "`./config.json`" + `, where it belongs to you and has keys of after in it,
   - the user's configuration folder: ` + "`$XDG_CONFIG_HOME/after/config.json`" + ` or ` + "`~/.config/after/config.json`" + `,
     on macOS ` + "`~/Library/Application Support/after/config.json`" + `, on Windows ` + "`%AppData%\\after\\config.json`" + `,
   - ` + "`<prefix>/etc/after/config.json`" + `, where the program is ` + "`<prefix>/bin/after`" + `;
3. the variables: ` + "`AFTER_`" + ` and the key's path in capitals, ` + "`AFTER_COUCH_URL`" + ` for ` + "`couch.url`" + `; an empty one
   counts as not set;
4. the flags.

A key that after does not know, or a value of the wrong type, is an error that names the key and the file.
` + "`after config`" + ` prints what is in force and where each value came from. Passwords are never shown: not there, not
in logs, not in errors; and flags take none, since everybody on a machine can read those.

A path may begin with ` + "`~/`" + `. A relative one is relative to the folder of the file it stands in, or to the working
folder where a variable or a flag gave it. The usual place for data is ` + "`$XDG_DATA_HOME/after`" + ` or ` + "`~/.local/share/after`" + `, for
state ` + "`$XDG_STATE_HOME/after`" + ` or ` + "`~/.local/state/after`" + `; on macOS ` + "`~/Library/Application Support/after/data`" + `
and ` + "`/state`" + `, on Windows ` + "`%LocalAppData%\\after\\data`" + ` and ` + "`\\state`" + `.

SIGHUP has a running process read the configuration again: ` + "`log`, `http`, `mail` and `gateway`" + ` at once; ` + "`couch`, `changes`, `jobs`, `worker`, `runs`,\n`notify`, `http.timeout` and `mail.window`" + ` by letting
the running jobs finish and taking the work up again in the same process, with which the queue goes to another ` + "`couch`" + `, too; ` + "`store`, `state`, `gateway.listen` and `gateway.tls`" + ` need a restart.
A configuration that is refused changes nothing, and the log says why.
`)
	section := ""
	for _, key := range config.Keys() {
		if s, _, _ := strings.Cut(key.Path, "."); s != section {
			section = s
			fmt.Fprintf(&b, "\n## %s\n\n| key | type | default | variable | flag |\n|---|---|---|---|---|\n", section)
			for _, k := range config.Keys() {
				if strings.HasPrefix(k.Path, section+".") {
					fmt.Fprintf(&b, "| `%s` | %s | %s | `%s` | %s |\n", k.Path, k.Kind, shown(k.Default), k.Variable(), flagOf(k))
				}
			}
			b.WriteString("\n")
			for _, k := range config.Keys() {
				if strings.HasPrefix(k.Path, section+".") {
					fmt.Fprintf(&b, "- `%s`: %s\n", k.Path, k.Doc)
				}
			}
		}
	}
	return b.String()
}

func shown(value any) string {
	raw, _ := json.Marshal(value)
	if text := string(raw); text != `""` {
		return "`" + text + "`"
	}
	return "empty"
}

func flagOf(key config.Key) string {
	if key.Flag == "" {
		return ""
	}
	return "`--" + key.Flag + "`"
}
