package when

import "time"

// Scope is what a rule is read in.
type Scope struct {
	Now  time.Time      // what words are relative to
	Zone *time.Location // of the dates and clock times in it; nil is UTC
	Seed string         // spreads H and ~ in cron lines: the task's id
	// Calendar finds a calendar document by its id; nil knows none.
	Calendar func(id string) (*Calendar, error)

	depth int // of "any" in "any"
}

func (s Scope) zone() *time.Location { return orUTC(s.Zone) }

// parsed is what a text in one of the grammars says.
type parsed struct {
	series series
	start  time.Time // where the text says when the series begins; else zero
	count  int64     // how many occurrences there are in all; 0 is no limit
	until  time.Time // the last instant at which there may be one; zero is none
	extra  []int64   // further occurrences, as instants
	except []int64   // occurrences that are left out
	comes  bool      // whatever the anchor, there is an occurrence: that was looked at
	// zone is the zone that the text itself names; nil where it is the one the text was read in.
	zone *time.Location
}
