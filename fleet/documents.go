package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/adlayer/after/couch"
)

// How long things live. A takeover needs Validity without a heartbeat, plus the time of one look.
const (
	// Beat is the time between two heartbeats.
	Beat = 5 * time.Second
	// Validity is how long a heartbeat vouches for its member.
	Validity = 15 * time.Second
	// Margin is how much earlier than Validity a member stops trusting its own last heartbeat.
	Margin = 2 * time.Second
	// forgotten is how long the document of a member that ended without a word is kept, for people to see.
	forgotten = time.Hour
	// look is how often a member that waits for a name reads the lease.
	look = time.Second
	// tellAgain is how often the log says that heartbeats fail.
	tellAgain = time.Minute
)

const (
	memberPrefix = "member:"
	leasePrefix  = "worker:"
)

// Database gives the name of the fleet's database that belongs to a database of tasks.
func Database(tasks string) string { return tasks + "-fleet" }

// Info is one member's document.
type Info struct {
	ID          string `json:"_id"`
	Rev         string `json:"_rev,omitempty"`
	Type        string `json:"type"`
	Member      string `json:"member"`
	Incarnation string `json:"incarnation"`
	Host        string `json:"host"`
	PID         int    `json:"pid"`
	Version     string `json:"version"`
	// Since is when the process started, Seen when it sent this heartbeat, both by the member's own clock.
	Since time.Time `json:"since"`
	Seen  time.Time `json:"seen"`
	// Beat counts the heartbeats, so that each is a change.
	Beat int64 `json:"beat"`
	// Clock is the member's clock minus the store's, in milliseconds.
	Clock   int64    `json:"clock"`
	Workers []Worker `json:"workers"`
	// Avoided are the hosts of endpoints that the member leaves alone for a while, since calls failed there.
	Avoided []Avoided `json:"avoided,omitempty"`
}

// Avoided is such a host.
type Avoided struct {
	Host  string    `json:"host"`  // with its port
	Until time.Time `json:"until"` // then one call tries it
	Error string    `json:"error"` // of the last call
}

// Worker is what a member tells of one of its workers.
type Worker struct {
	Name string `json:"name"`
	// State is "holding" or "standby".
	State string `json:"state"`
	// Sleeping tasks are due beyond the horizon, scheduled ones sooner; queued ones are due and wait for a free place.
	Sleeping  int `json:"sleeping"`
	Scheduled int `json:"scheduled"`
	Queued    int `json:"queued"`
	Running   int `json:"running"`
	// Stuck runs ignore that they were told to stop.
	Stuck int `json:"stuck"`
	// Done, Errors and Refused count since the process started; a refused document could not be written.
	Done    int64 `json:"done"`
	Errors  int64 `json:"errors"`
	Refused int64 `json:"refused"`
	// Lag is how late the last firing started, in milliseconds.
	Lag int64 `json:"lag"`
}

// Lease is the document that says who holds a worker's name.
type Lease struct {
	ID          string    `json:"_id"`
	Rev         string    `json:"_rev,omitempty"`
	Type        string    `json:"type"`
	Worker      string    `json:"worker"`
	Member      string    `json:"member"`
	Incarnation string    `json:"incarnation"`
	Host        string    `json:"host"`
	PID         int       `json:"pid"`
	Since       time.Time `json:"since"`
}

// List reads the documents of all members, sorted by host and process. It says nothing of who is alive: compare Seen with
// the store's clock for a guess, or look again after [Validity].
func List(ctx context.Context, db *couch.Database) ([]Info, error) {
	listing, err := db.AllDocs(ctx, couch.Range{Start: memberPrefix, End: memberPrefix + "\ufff0", IncludeDocs: true})
	if err != nil {
		return nil, fmt.Errorf("reading the members of the fleet: %w", err)
	}
	members := make([]Info, 0, len(listing.Rows))
	for _, row := range listing.Rows {
		var info Info
		if err := json.Unmarshal(row.Doc, &info); err != nil {
			return nil, fmt.Errorf("reading the member document %s: %w", row.ID, err)
		}
		members = append(members, info)
	}
	sort.Slice(members, func(i, j int) bool {
		if c := strings.Compare(members[i].Host, members[j].Host); c != 0 {
			return c < 0
		}
		return members[i].PID < members[j].PID
	})
	return members, nil
}

// Sight is a member of the fleet as somebody sees it who is none.
type Sight struct {
	Info

	Alive bool // it seems to live
}

// silent is how long a heartbeat may be old before its member is seen as lost. It compares clocks of two machines by way of the store's,
// which is right to half a second or so: hence more than the members' own measure.
const silent = Validity + 5*time.Second

// Look lists the members and guesses who lives, from one look at now. A fleet without a database has no members.
func Look(ctx context.Context, db *couch.Database, now time.Time) ([]Sight, error) {
	server, err := db.Client().Server(ctx)
	if err != nil {
		return nil, err
	}
	infos, err := List(ctx, db)
	if couch.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	members := make([]Sight, 0, len(infos))
	for _, info := range infos {
		// Seen is by the member's clock; its Clock is how far that is ahead of the store's.
		seen := info.Seen.Add(-time.Duration(info.Clock) * time.Millisecond)
		members = append(members, Sight{Info: info, Alive: now.Add(server.Clock).Sub(seen) < silent})
	}
	return members, nil
}

// Known gives those of the names that a member of this fleet has held at some time, running or not: a lease that was given back leaves a tombstone.
// A fleet without a database knows none.
func Known(ctx context.Context, db *couch.Database, names []string) ([]string, error) {
	ids := make([]string, len(names))
	for i, name := range names {
		ids[i] = leasePrefix + name
	}
	listing, err := db.AllDocs(ctx, couch.Range{Keys: ids})
	if couch.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the names that the fleet has had: %w", err)
	}
	var known []string
	for _, row := range listing.Rows {
		if !row.Missing {
			known = append(known, strings.TrimPrefix(row.ID, leasePrefix))
		}
	}
	return known, nil
}

// get reads one document into v; found is false where there is none.
func get(ctx context.Context, db *couch.Database, id string, v any) (found bool, err error) {
	doc, err := db.Get(ctx, id)
	if couch.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading %s: %w", id, err)
	}
	if err := json.Unmarshal(doc.Body, v); err != nil {
		return false, fmt.Errorf("reading %s: %w", id, err)
	}
	return true, nil
}

// put writes v under id and gives its revision.
func put(ctx context.Context, db *couch.Database, id string, v any) (string, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encoding %s: %w", id, err)
	}
	rev, err := db.Put(ctx, id, body)
	if err != nil {
		return "", fmt.Errorf("writing %s: %w", id, err)
	}
	return rev, nil
}
