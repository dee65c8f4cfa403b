package worker

import (
	"encoding/binary"
	"encoding/hex"
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	"github.com/adlayer/after/runs"
	"github.com/adlayer/after/task"
)

// mark is all that is kept of a revision in order to tell it from others: its generation, and eight bytes of its hash.
type mark struct {
	sum uint64
	gen uint32
}

// markOf reads a revision such as "3-0123456789abcdef0123456789abcdef".
func markOf(rev string) mark {
	number, hash, _ := strings.Cut(rev, "-")
	gen, err := strconv.ParseUint(number, 10, 32)
	if err != nil {
		gen = 0
	}
	var b [8]byte
	if len(hash) >= 16 {
		if _, err := hex.Decode(b[:], []byte(hash[:16])); err == nil {
			return mark{sum: binary.BigEndian.Uint64(b[:]), gen: uint32(gen)}
		}
	}
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(hash)) // never fails
	return mark{sum: sum.Sum64(), gen: uint32(gen)}
}

// state is where a task stands in this process.
type state uint8

const (
	// idle: nothing is planned; a write or a load decides what comes next.
	idle state = iota
	// asleep: in the wheel until it is due.
	asleep
	// queued: due, waiting for a free place.
	queued
	// parked: due, waiting for a place of its own job, whose limit is reached.
	parked
	// running: its job runs.
	running
)

// entry is what the worker knows of one task. A sleeping task costs no more than this, its id, its place in the table
// and in the wheel; the document is held only near its date and while something is under way.
type entry struct {
	id   string
	doc  *document // nil where it is not in memory
	act  *activity
	due  int64 // Unix milliseconds; where the entry stands in the wheel or in the queue
	rev  mark
	name uint16 // index of the worker's name
	state
	// loading: its document has been sent for. found: it was met at a start and has not been written since.
	loading bool
	found   bool
}

func (e *entry) dueTime() time.Time { return time.UnixMilli(e.due) }

// activity is what a task needs only while a write or a run of it is under way.
type activity struct {
	// run is the job under way, or nil.
	run *run
	// outcome is what the last run ended with, until the database has it; recorded says that its history is on its way.
	outcome  *task.Outcome
	recorded bool
	// history is the run that the next write tells of.
	history *runs.Run
	// elsewhere is the outcome of a run that ended out of our hands, until it is counted.
	elsewhere *task.Outcome
	// ran is the document as the outcome's run started from it.
	ran *task.Task
	// edit is what a person made of the document during the run.
	edit *task.Task
	// row is the newest row seen while a write was in flight.
	row *row
	// next is the document in flight, and purpose says why; inFlight is true until the answer is here.
	next     *task.Task
	purpose  purpose
	inFlight bool
	// noted: the database knows that an at-most-once run is about to start.
	noted bool
}

// idleNow says that nothing is under way, so that the activity can go.
func (a *activity) idleNow() bool {
	return a.run == nil && a.outcome == nil && !a.inFlight && !a.noted && a.row == nil && a.edit == nil
}

// page is how many entries are allocated at once: a table that grows never copies them.
const pageSize = 1024

// table holds the entries of all tasks by id and by a small index, which serves as their key in the wheel.
type table struct {
	byID  map[string]uint32
	pages [][]entry
	free  []uint32
	used  uint32
}

func newTable() *table { return &table{byID: map[string]uint32{}} }

// at gives the entry of an index; the pointer stays good until the entry is removed.
func (t *table) at(i uint32) *entry { return &t.pages[i/pageSize][i%pageSize] }

func (t *table) find(id string) (uint32, *entry) {
	i, ok := t.byID[id]
	if !ok {
		return 0, nil
	}
	return i, t.at(i)
}

// add makes an entry for an id that has none. The id is copied: it may be part of a large row.
func (t *table) add(id string) (uint32, *entry) {
	var i uint32
	if n := len(t.free); n > 0 {
		i, t.free = t.free[n-1], t.free[:n-1]
	} else {
		i = t.used
		t.used++
		if int(i/pageSize) == len(t.pages) {
			t.pages = append(t.pages, make([]entry, pageSize))
		}
	}
	e := t.at(i)
	e.id = strings.Clone(id)
	t.byID[e.id] = i
	return i, e
}

func (t *table) remove(i uint32) {
	e := t.at(i)
	delete(t.byID, e.id)
	*e = entry{}
	t.free = append(t.free, i)
}

// each visits every entry.
func (t *table) each(visit func(i uint32, e *entry)) {
	for _, i := range t.byID {
		visit(i, t.at(i))
	}
}

// finished remembers for a while which revision ended a task, so that a row that was on its way before does not start it
// again. Two halves take turns, so that forgetting costs nothing.
type finished struct {
	young, old map[string]uint32
	turned     time.Time
}

const (
	finishedFor  = 30 * time.Second
	finishedMost = 1 << 17
)

func newFinished() *finished {
	return &finished{young: map[string]uint32{}, old: map[string]uint32{}}
}

func (f *finished) note(id string, gen uint32, now time.Time) {
	if len(f.young) >= finishedMost {
		f.turn(now)
	}
	f.young[id] = gen
}

// tick forgets what is old.
func (f *finished) tick(now time.Time) {
	if now.Sub(f.turned) >= finishedFor || now.Before(f.turned) {
		f.turn(now)
	}
}

func (f *finished) turn(now time.Time) {
	f.old, f.young, f.turned = f.young, map[string]uint32{}, now
}

// covers says that a revision of this generation is no news.
func (f *finished) covers(id string, gen uint32) bool {
	if last, ok := f.young[id]; ok {
		return gen <= last
	}
	last, ok := f.old[id]
	return ok && gen <= last
}
