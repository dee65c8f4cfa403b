package runcheck

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kind is a way in which a run can be wrong.
type Kind int

// The kinds of findings.
const (
	Miss   Kind = iota // a date that had to be run was not
	Extra              // a run that nothing asked for
	Repeat             // a run of a firing whose outcome was known
	Early              // a start before its date
	Late               // a start long after it could be
	Beside             // a start while another run of the task was on
)

// String names the kind.
func (k Kind) String() string {
	return [...]string{"miss", "extra", "repeat", "early", "late", "beside"}[k]
}

// Finding is one date or run that is not as it should be.
type Finding struct {
	Kind    Kind
	Task    string
	Nominal time.Time
	Key     string // of the run; "" for a miss
	Detail  string
}

// String tells the finding in a line.
func (f Finding) String() string {
	text := fmt.Sprintf("%s: task %s, date %s", f.Kind, f.Task, f.Nominal.UTC().Format(time.RFC3339Nano))
	if f.Key != "" {
		text += ", firing " + f.Key
	}
	return text + ": " + f.Detail
}

// Report is what a check found.
type Report struct {
	Windows  int // dates that had to be run
	Runs     int
	LeftOut  int // dates that had not: missed, covered by another run, in a pause, expired
	Findings []Finding
}

// Of gives the findings of a kind.
func (r Report) Of(kind Kind) (found []Finding) {
	for _, f := range r.Findings {
		if f.Kind == kind {
			found = append(found, f)
		}
	}
	return found
}

// mostShown bounds how many findings of one kind are told one by one.
const mostShown = 10

// String tells what was checked, and what was found of each kind.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d dates had to be run, %d did not have to; %d runs", r.Windows, r.LeftOut, r.Runs)
	for kind := Miss; kind <= Beside; kind++ {
		found := r.Of(kind)
		if len(found) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n%d of kind %s:", len(found), kind)
		for _, f := range found[:min(len(found), mostShown)] {
			b.WriteString("\n  " + f.String())
		}
		if len(found) > mostShown {
			b.WriteString("\n  …")
		}
	}
	return b.String()
}

// Err gives the findings as an error; nil where there are none.
func (r Report) Err() error {
	if len(r.Findings) == 0 {
		return nil
	}
	return errors.New(r.String())
}
