package task

// Status is where a task stands, or what a person asks of it. Words that are none of these are kept as they are.
type Status string

// The statuses. A document without one is waiting.
const (
	Waiting    Status = "waiting"    // by a person: plan it
	Reschedule Status = "reschedule" // by a person: plan it again, from its date
	Cancel     Status = "cancel"     // by a person: do not run it, stop it where it runs
	Pause      Status = "pause"      // by a person: do not fire until resumed; a run that is on goes on
	Resume     Status = "resume"     // by a person: go on after a pause
	RunNow     Status = "run"        // by a person: fire once now, outside of the plan
	Skip       Status = "skip"       // by a person: leave out the next firing
	Scheduled  Status = "scheduled"  // by a worker: planned, sleeping or about to run
	Running    Status = "running"    // by a worker: runs for longer than a second, or at most once
	Done       Status = "done"       // by a worker: it ran
	Failed     Status = "error"      // by a worker: it failed and is not tried again, or it cannot run
	Canceled   Status = "canceled"   // by a worker: a person canceled it
	Paused     Status = "paused"     // by a worker: a person paused it, or it failed too often in a row
)

// Statuses are the names of all statuses: those that stay first, then those that ask for something.
func Statuses() []string {
	all := []Status{Waiting, Scheduled, Running, Done, Failed, Canceled, Paused, Reschedule, Cancel, Pause, Resume, RunNow, Skip}
	names := make([]string, len(all))
	for i, s := range all {
		names[i] = string(s)
	}
	return names
}

// statusOf gives the Status of a word without allocating for those that are known.
func statusOf(word []byte) Status {
	switch string(word) {
	case "":
		return ""
	case "waiting":
		return Waiting
	case "reschedule":
		return Reschedule
	case "cancel":
		return Cancel
	case "scheduled":
		return Scheduled
	case "running":
		return Running
	case "done":
		return Done
	case "error":
		return Failed
	case "canceled":
		return Canceled
	case "pause":
		return Pause
	case "paused":
		return Paused
	case "resume":
		return Resume
	case "run":
		return RunNow
	case "skip":
		return Skip
	}
	return Status(word)
}

// asks says whether s is a person's word to plan the task.
func (s Status) asks() bool { return s == "" || s == Waiting || s == Reschedule }

// Asks says whether the document asks to be planned.
func (t *Task) Asks() bool { return t.Status.asks() }

// ended says whether nothing more happens to a task of this status by itself.
func (s Status) ended() bool { return s == Done || s == Failed || s == Canceled }

// The kinds of a Failure.
const (
	KindJob      = "job"       // the job returned an error
	KindPanic    = "panic"     // the job panicked
	KindTimeout  = "timeout"   // the job ran longer than the task's timeout
	KindCanceled = "canceled"  // a person canceled the task while it ran
	KindUnknown  = "unknown"   // it ran at most once and its worker died: nobody knows the outcome
	KindInvalid  = "invalid"   // a field that nobody can read, no such job, a repeat that never comes
	KindMissed   = "missed"    // its date passed while no worker held it, and missed is "skip"
	KindTooLarge = "too_large" // the outcome does not fit into the document
	KindStuck    = "stuck"     // the job ignored its canceled context
	KindExpired  = "expired"   // it could not start before its expires
	KindOverlap  = "overlap"   // its next date came while it ran, and overlap is "cancel"
)

// Missed says what becomes of dates that passed while no live member held the task.
type Missed string

// What missed can be; absent is MissedRun.
const (
	MissedRun  Missed = "run"  // run once, for the latest
	MissedSkip Missed = "skip" // run none of them
	MissedAll  Missed = "all"  // run each in turn
)

// Overlap says what becomes of the dates of a repeat that come while a run is on.
type Overlap string

// What overlap can be; absent is OverlapSkip.
const (
	OverlapSkip     Overlap = "skip"      // they are left out
	OverlapQueue    Overlap = "queue"     // the first of them runs when the run ends
	OverlapQueueAll Overlap = "queue-all" // each of them runs in turn
	OverlapCancel   Overlap = "cancel"    // the run is stopped, and the date runs
	OverlapAllow    Overlap = "allow"     // each runs beside it, as a task of its own
)

// Delivery says whether a task may run again where nobody knows if it ran.
type Delivery string

// What delivery can be; absent is AtLeastOnce.
const (
	AtLeastOnce Delivery = "at-least-once"
	AtMostOnce  Delivery = "at-most-once"
)
