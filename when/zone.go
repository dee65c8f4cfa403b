package when

import (
	"archive/zip"
	"bytes"
	_ "embed" // the zone database
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

//go:generate go run zones_gen.go

// zoneDatabase is the IANA database of all zones, as a zip file.
//
//go:embed zoneinfo.zip
var zoneDatabase []byte

// zoneFiles finds the file of each zone in it by the zone's name.
var zoneFiles = sync.OnceValue(func() map[string]*zip.File { //nolint:gochecknoglobals // immutable once it is there
	files := map[string]*zip.File{}
	reader, err := zip.NewReader(bytes.NewReader(zoneDatabase), int64(len(zoneDatabase)))
	if err != nil {
		return files // it is part of the program, and tested
	}
	for _, file := range reader.File {
		files[file.Name] = file
	}
	return files
})

// versionFile is the file of the database that holds its version; no zone has a name like this.
const versionFile = "+VERSION"

// ZoneVersion is the version of the IANA zone database that all zones are taken from, such as "2025c". It is part of the program; that of
// the machine is not looked at, so that all machines with the same program read a rule alike.
func ZoneVersion() string {
	version, err := zoneFile(versionFile)
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(version))
}

func zoneFile(name string) ([]byte, error) {
	file, ok := zoneFiles()[name]
	if !ok {
		return nil, fmt.Errorf("the zone database has no %s", quote(name))
	}
	content, err := file.Open()
	if err != nil {
		return nil, err
	}
	defer content.Close() //nolint:errcheck // it was only read
	return io.ReadAll(content)
}

// zones remembers the zones that were found, since reading one costs a hundred times a lookup. It cannot outgrow
// the zone database: names that are no zone are not kept.
var zones sync.Map //nolint:gochecknoglobals // a cache of immutable values; the result never depends on it

// LoadLocation gives the zone of an IANA name such as "Europe/Berlin"; "" is UTC. It is that of the database in the program (see
// [ZoneVersion]), whatever database the machine has. The machine's own zone ("Local") is not taken, since the same document
// would then mean another instant on another machine.
func LoadLocation(name string) (*time.Location, error) {
	if name == "" || name == "UTC" {
		return time.UTC, nil
	}
	if known, ok := zones.Load(name); ok {
		if loc, ok := known.(*time.Location); ok {
			return loc, nil
		}
	}
	var loc *time.Location
	content, err := zoneFile(name)
	if err == nil && name != versionFile {
		loc, err = time.LoadLocationFromTZData(strings.Clone(name), content)
	}
	if err != nil || loc == nil {
		return nil, fmt.Errorf("%s is no time zone; use an IANA name such as \"Europe/Berlin\"", quote(name))
	}
	if first, ok := zones.LoadOrStore(loc.String(), loc); ok { // another goroutine was faster
		if first, ok := first.(*time.Location); ok {
			return first, nil
		}
	}
	return loc, nil
}
