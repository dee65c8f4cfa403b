package cli_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"

	"github.com/adlayer/after/cli"
	"github.com/adlayer/after/store"
)

// TestDamagedStore: a folder in which something is wrong is told so, and is not restored.
func TestDamagedStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	st, err := store.Open(data, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	db, err := st.CreateDatabase(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Put(t.Context(), []byte(`{"_id":"_local/x"}`)); err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	engine, err := pebble.Open(data, &pebble.Options{FormatMajorVersion: pebble.FormatNewest})
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Set([]byte("\x02\x00\x00\x00\x01l_local/x"), []byte("\x01?"), pebble.Sync); err != nil {
		t.Fatal(err)
	}
	if err := engine.Close(); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "config.json")
	if err := os.WriteFile(config, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (int, string, string) {
		var out, errs bytes.Buffer
		code := cli.Run(t.Context(), "after", append([]string{"store", "--config", config}, args...), cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs})
		return code, out.String(), errs.String()
	}
	want := `db: document "_local/x": the local document cannot be read`
	if code, out, errs := run("check", "--data", data); code != 1 || !strings.Contains(out, want) || !strings.Contains(errs, "the check found 1 problem") {
		t.Errorf("check: %d\n%s%s", code, out, errs)
	}
	if code, out, _ := run("check", "--json", "--data", data); code != 1 || !strings.Contains(out, `"document":"_local/x"`) {
		t.Errorf("check --json: %d\n%s", code, out)
	}
	if code, out, errs := run("restore", data, "--data", filepath.Join(dir, "new")); code != 1 || !strings.Contains(out, want) {
		t.Errorf("restore: %d\n%s%s", code, out, errs)
	}
	if _, err := os.Stat(filepath.Join(dir, "new")); !os.IsNotExist(err) {
		t.Errorf("a damaged backup was restored: %v", err)
	}
}
