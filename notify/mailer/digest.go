package mailer

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"strings"
	"time"

	"github.com/adlayer/after/notify"
	"github.com/adlayer/after/task"
)

// What a digest shows at most.
const (
	mostGroups      = 100     // tasks
	mostDigestError = 1 << 10 // bytes of an error
)

// Digest gathers notices into one mail, by their tasks. Its size does not grow with their number. It is its maker's alone.
type Digest struct {
	count  int
	first  time.Time
	last   time.Time
	groups map[string]*group
	others int       // notices of tasks that there is no room for
	events tally     // of all
	ids    hash.Hash // of all, in their order: what the mail's id is made of
}

// group is what a digest tells of one task.
type group struct {
	Task, Job, Worker string
	First, Last       time.Time
	Error             string // the last one
	Code              int64

	events tally
}

// NewDigest gives an empty one.
func NewDigest() *Digest {
	return &Digest{groups: map[string]*group{}, events: tally{}, ids: sha256.New()}
}

// Count is how many notices it has gathered.
func (d *Digest) Count() int { return d.count }

// Add takes a notice in.
func (d *Digest) Add(n *notify.Notice) {
	_, _ = d.ids.Write([]byte(n.ID + "\n")) // never fails
	d.count++
	d.first, d.last = span(d.first, d.last, n.At)
	d.events.add(n.Event)
	g, found := d.groups[n.Task]
	if !found {
		if len(d.groups) == mostGroups {
			d.others++
			return
		}
		g = &group{Task: visible(n.Task), events: tally{}}
		d.groups[n.Task] = g
	}
	g.First, g.Last = span(g.First, g.Last, n.At)
	g.events.add(n.Event)
	if g.Job == "" || !n.At.Before(g.Last) { // the newest says most
		g.Job, g.Worker = visible(n.Job), visible(n.By)
		if n.Error != "" {
			g.Error, g.Code = legible(shortened(n.Error, mostDigestError)), n.Code
		}
	}
}

func span(first, last, at time.Time) (time.Time, time.Time) {
	if first.IsZero() || at.Before(first) {
		first = at
	}
	if at.After(last) {
		last = at
	}
	return first, last
}

// tally counts notices by what they tell.
type tally map[task.Event]int

// add counts one. What is no event of ours, as another hand may have written, counts as done.
func (t tally) add(event task.Event) {
	if !slices.Contains(task.Events(), event) {
		event = task.EventDone
	}
	t[event]++
}

// failures are those that tell of what was not done.
func (t tally) failures() int { return t[task.EventError] + t[task.EventMissed] }

// Counts says how often each thing happened, in words.
func (g *group) Counts() string {
	var parts []string
	for _, event := range []task.Event{task.EventError, task.EventMissed, task.EventRecovered, task.EventDone} {
		if n := g.events[event]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d × %s", n, event))
		}
	}
	return strings.Join(parts, ", ")
}

// digestView is what the templates of a digest see.
type digestView struct {
	Count       int // notices
	Tasks       int // that are shown
	Errors      int // notices of errors
	Missed      int // notices of what did not run
	Recovered   int
	Done        int
	First, Last time.Time
	Groups      []*group
	Others      int // notices of tasks that are not shown
}

// view gives it with the worst tasks first.
func (d *Digest) view() digestView {
	v := digestView{
		Count: d.count, Tasks: len(d.groups), First: d.first, Last: d.last, Others: d.others,
		Errors: d.events[task.EventError], Missed: d.events[task.EventMissed], Recovered: d.events[task.EventRecovered], Done: d.events[task.EventDone],
	}
	for _, g := range d.groups {
		v.Groups = append(v.Groups, g)
	}
	slices.SortFunc(v.Groups, func(a, b *group) int {
		return cmp.Or(cmp.Compare(b.events.failures(), a.events.failures()), a.First.Compare(b.First), cmp.Compare(a.Task, b.Task))
	})
	return v
}

// id is made of the notices that it gathers.
func (d *Digest) id() string { return hex.EncodeToString(d.ids.Sum(nil)[:16]) }

func shortened(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + " …"
}
