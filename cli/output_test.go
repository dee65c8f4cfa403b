package cli

import (
	"bytes"
	"testing"
)

// TestTableGoesOn: what is printed later stands below the same headers, in columns that grow.
func TestTableGoesOn(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	a := &app{Streams: Streams{Out: &out}, terminal: true}
	shown := &table{headers: []string{"ID", "STATUS"}}
	for _, rows := range [][][]string{{}, {{"abc", "done"}, {"b", "error"}}, {{"c", "done"}}, {{"longer", "done"}}, {{"d", "done"}}} {
		for _, row := range rows {
			shown.add(row...)
		}
		if err := a.printTable(shown); err != nil {
			t.Fatal(err)
		}
	}
	want := "ID  STATUS\nabc  done\nb    error\nc    done\nlonger  done\nd       done\n"
	if out.String() != want {
		t.Errorf("%s\nwant\n%s", out.String(), want)
	}
}
