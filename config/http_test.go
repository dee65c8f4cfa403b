package config_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/adlayer/after/config"
)

// TestSigningKeys come one by one, from the file before the key.
func TestSigningKeys(t *testing.T) {
	t.Parallel()
	c := load(t, `{"http": {"signing_key": "a  b"}}`)
	if got := c.HTTP.SigningKeys(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("keys %q", got)
	}
	file := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(file, []byte("c\nd\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c = load(t, `{"http": {"signing_key": "a", "signing_key_file": "`+file+`"}}`)
	if got := c.HTTP.SigningKeys(); !slices.Equal(got, []string{"c", "d"}) {
		t.Errorf("keys of the file %q", got)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{file, file + ".missing"} {
		_, err := config.Load(config.Options{Path: write(t, `{"http": {"signing_key_file": "`+name+`"}}`), Environ: []string{}})
		if err == nil || !strings.Contains(err.Error(), "http.signing_key_file") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSectionOfOthers: a config.json that has a section http, as many programs have one, is not taken for ours by that.
func TestSectionOfOthers(t *testing.T) { //nolint:paralleltest // Chdir
	t.Chdir(t.TempDir())
	for content, ours := range map[string]bool{
		`{"http": {"timeout": 30, "proxy": "x", "port": 80}}`: false,
		`{"http": {"per_host": 30}}`:                          true,
	} {
		if err := os.WriteFile("config.json", []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(config.Options{Environ: []string{}})
		if err != nil || (c.File() != "") != ours {
			t.Errorf("%s: %v", content, err)
		}
	}
}
