// Package task is the task document, its statuses and the pure rules that move it.
//
// A document is decoded once; every rule gives a changed copy of it and never touches a byte that it does not own: fields that after
// does not know, and a person's own, are written back as the store gave them, in their order. Nothing here reads a clock, does
// I/O or holds a lock: the instant, the writer and what else a rule needs come in a View.
//
// # The states
//
//	           person                          worker
//	waiting ──────────────► Decide ─► scheduled ──► (due) ─► [running] ─► Settle ─► done
//	reschedule ───────────► Decide ─► scheduled                              ├────► error
//	cancel ───────────────► Decide ─► canceled                               ├────► scheduled: a retry, the next date, a snooze
//	deleted ──────────────► Decide ─► (forgotten)                            └────► scheduled: interrupted, the same firing
//
// Decide reads one revision of a document; what it says depends on the status:
//
//	absent, waiting      planned anew from date
//	reschedule           the same
//	scheduled            goes on with its plan; planned anew where there is none, or where date or repeat differ from it
//	running              without a claim: as scheduled. With one, its worker died: the same firing starts again, or, at most
//	                     once, ends as an error of kind unknown; planned anew where it was edited
//	cancel               canceled
//	pause                paused; what is paused stays so until it is told to resume, run or skip, or planned anew
//	resume               scheduled: a repeat at its next date after now, any other task at its date
//	run                  scheduled now, with a key of its own; afterwards the plan goes on as it was (Plan.Back)
//	skip                 scheduled at the date after the next one
//	done error canceled  nothing
//	paused               nothing
//	any other word       error of kind invalid
//
// A task that is due when it is met starts at once and needs one write in all. An at-most-once task needs another before: what Begin
// gives is written first, and only where that write succeeded does it start. What cannot run, because a field cannot be read, no job
// has the name or the repeat never comes, ends as an error of kind invalid that names the field. A sleeping task whose job is
// missing sleeps on: the job may be back before its date.
//
// # Plans
//
// Planning anew takes the first date from date (absent is now), counts occurrences from there, and sets repetitions and retries to
// zero, with what was skipped and failed in a row, but not executions. Words are replaced in the document by the instant they mean; otherwise date is rewritten only when a
// repeat goes on, so that date is always the plan's nominal date, and one that differs was written by a person. The plan keeps the
// canonical form of the interval and its zone (Plan.Rule) to see edits of them; limit and until are read each time, so an edit of
// those does not start the count again. A rule of wall time that was edited under a sleeping task is planned from now, since the
// date there is the old rule's; an interval counts on from that date. What the rule's calendars said is in the plan too
// (Plan.Calendars): where it changed, a sleeping task moves to the date that they give now, with the same first date. Plan.Key names the firing: id, nominal date and the revision that asked for it. It stays
// the same through retries, snoozes and interruptions.
//
// # What was missed
//
// In recovery (View.Recovering), what was due earlier than MissedAfter before now was missed, whatever its status; a firing that was
// interrupted is not missed but runs first, and the rule then decides about the dates that passed since. One-off: run and all start it now, skip ends it as an error of kind missed. Repeat: run starts
// one firing, for the latest date that is not in the future (a retry that was missed goes on if no later date passed), skip goes to the
// next date in the future and ends as an error of kind missed where there is none, all runs each missed date in turn, even over
// further restarts (Plan.CatchUp). Dates before the window of missed are left out, of all also those beyond its limit, the oldest first;
// what is left out is counted. A firing that expired does not start, whatever missed says; one that a person asked for with run does. The
// rule decides about dates that were missed behind a run asked for meanwhile, too. Where pause, resume, run or skip was written over the
// status running of a worker that died, the history tells: that run was interrupted, or, at most once, counts as run.
//
// # Outcomes
//
// Settle applies what came of a run:
//
//	success         done; a repeat goes to its next date
//	error           the next retry, if one is left and the error is neither permanent nor of a kind that repeating cannot mend (invalid,
//	                unknown, missed, too_large, stuck); else error, and a repeat goes to its next date with the error kept
//	canceled        canceled, with the outcome beside it
//	snooze          scheduled at now plus that; same firing, no attempt used
//	interrupted     scheduled, same firing, no attempt used; at most once: error of kind unknown
//
// The next date of a repeat follows from its overlap rule. skip: the first after both its nominal date and now. queue: the first after its
// nominal date and the run's start. queue-all: the first after its nominal date. cancel: the last one that has passed, else the next.
// allow: the first after the dates that already have a task of their own (Outcome.Covered). Dates in between are counted as skipped. A retry may
// pass beyond the next date; the repeat then goes on after it. The last firing of a repeat, by limit, until or the
// calendar's end, ends as done or error. executions counts runs that came to an outcome, repetitions the firings of a repeat that came to
// an end, retries those of the present firing.
//
// # When an outcome meets an edit
//
// Resolve is asked where the settling write was refused because the document had changed. An edit is told by what differs from the
// task as it was read or last written, so the status that it had all along is no new request:
//
//	gone or deleted                   nothing
//	the very outcome is in it         what Decide says: the write was done, only its answer was lost
//	another worker                    the outcome in history, waiting for that worker; nothing where it has taken the task already
//	another member's next firing      nothing: that member has taken over
//	cancel, canceled                  canceled, with the outcome beside it
//	pause, run, skip                  the outcome, and then what was asked for
//	done, error                       stays so, with the outcome in history
//	newly waiting or reschedule       the outcome in history, and planned anew
//	another date, interval or zone    the same
//	a field that cannot be read       the outcome in history, and error of kind invalid
//	anything else                     the outcome on the person's document
package task
