package when_test

import (
	"regexp"
	"testing"
	"time"

	"github.com/adlayer/after/when"
)

// TestZoneDatabase: the copy in the program is whole, and wins.
func TestZoneDatabase(t *testing.T) {
	t.Parallel()
	if version := when.ZoneVersion(); !regexp.MustCompile(`^20\d\d[a-z]$`).MatchString(version) {
		t.Errorf("the version is %q", version)
	}
	names := when.Zones()
	if len(names) < 500 {
		t.Errorf("only %d zones", len(names))
	}
	for _, name := range names {
		loc, err := when.LoadLocation(name)
		if err != nil || loc.String() != name {
			t.Errorf("%s: %v, %v", name, loc, err)
		}
	}
	one, err := when.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	if two, err := when.LoadLocation("Europe/Berlin"); err != nil || two != one {
		t.Errorf("another %v the second time: %v", two, err)
	}
	summer := time.Date(2026, 7, 1, 12, 0, 0, 0, one)
	if _, offset := summer.Zone(); offset != 2*60*60 {
		t.Errorf("summer in Berlin is %v", summer)
	}
	for _, name := range []string{"Local", "local", "+VERSION", "Europe", "Europe/", "../Europe/Berlin", "/etc/localtime", "europe/berlin", "Mars/Olympus"} {
		if loc, err := when.LoadLocation(name); err == nil {
			t.Errorf("%s is %v", name, loc)
		}
	}
	for _, name := range []string{"", "UTC"} {
		if loc, err := when.LoadLocation(name); err != nil || loc != time.UTC {
			t.Errorf("%q is %v, %v", name, loc, err)
		}
	}
}

func BenchmarkLoadLocation(b *testing.B) {
	for b.Loop() {
		if _, err := when.LoadLocation("Europe/Berlin"); err != nil {
			b.Fatal(err)
		}
	}
}
