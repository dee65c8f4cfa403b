package when

import (
	"fmt"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // zones by name on machines without a zone database
)

// zones remembers the zones that were found, since reading one costs a hundred times a lookup. It cannot outgrow
// the zone database: names that are no zone are not kept.
var zones sync.Map //nolint:gochecknoglobals // a cache of immutable values; the result never depends on it

// LoadLocation gives the zone of an IANA name such as "Europe/Berlin"; "" is UTC. The machine's own zone ("Local") is not taken,
// since the same document would then mean another instant on another machine.
func LoadLocation(name string) (*time.Location, error) {
	if name == "" || name == "UTC" {
		return time.UTC, nil
	}
	if known, ok := zones.Load(name); ok {
		if loc, ok := known.(*time.Location); ok {
			return loc, nil
		}
	}
	loc, err := time.LoadLocation(name)
	if err != nil || strings.EqualFold(name, "local") {
		return nil, fmt.Errorf("%s is no time zone; use an IANA name such as \"Europe/Berlin\"", quote(name))
	}
	zones.Store(strings.Clone(name), loc)
	return loc, nil
}
