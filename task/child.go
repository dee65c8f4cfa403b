package task

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/adlayer/after/when"
)

// Following gives the date of t's repeat on which its overlap rule has to act while the planned firing runs: with "allow" the first after
// that firing, or after the last date that has a task of its own, and with "cancel" the first after the start. While missed dates run one
// after the other, those that come wait for them with "allow". ok is false where there is none.
func (t *Task) Following(started, covered time.Time, v View) (date time.Time, ok bool) {
	s, err := t.schedule(v)
	if err != nil || s.rule == nil || t.Plan == nil || t.Plan.Back != nil {
		return time.Time{}, false
	}
	after, firings := latest(latest(t.Plan.Nominal, t.Plan.Skipped), covered), t.Repetitions+1
	switch t.Overlap {
	case OverlapCancel:
		after = latest(after, started)
	case OverlapAllow:
		if !t.Plan.CatchUp.IsZero() {
			return time.Time{}, false
		}
		firings += s.covered(t.Plan, covered)
	default:
		return time.Time{}, false
	}
	if limit := s.rule.Limit(); limit > 0 && firings >= limit {
		return time.Time{}, false
	}
	return s.rule.After(t.Plan.From, after)
}

// covered counts the dates after the planned one that have tasks of their own.
func (s schedule) covered(p *Plan, last time.Time) int64 {
	if !last.After(p.Nominal) {
		return 0
	}
	return s.rule.Count(p.From, p.Nominal, last, mostCounted)
}

// Child gives a document that runs t's job once for one date of its own, beside t: its _id is made of t's and the date, so that a second
// one for the same date is a conflict. mark is a field that says why it was made, such as {"backfill": {"task": id}}.
func (t *Task) Child(date time.Time, mark string) ([]byte, error) {
	document := map[string]json.RawMessage{}
	for _, n := range []name{fieldWorker, fieldJob, fieldTimezone, fieldRetry, fieldTimeout, fieldDelivery, fieldSite, fieldData, fieldTags, fieldNotify} {
		if value := t.value(n); value != nil {
			document[n.String()] = value
		}
	}
	for key, value := range map[string]any{
		"_id": ChildID(t.ID, date), "status": Waiting, "date": when.Format(date), mark: map[string]string{"task": t.ID},
	} {
		raw, err := json.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("making the task for %s: %w", when.Format(date), err)
		}
		document[key] = raw
	}
	return json.Marshal(document)
}

// ChildID is the _id of the task that runs another one's job for one date.
func ChildID(id string, date time.Time) string { return id + "@" + when.Format(date) }

// PassOver gives the document of a repeating task whose planned firing runs as a task of its own already: it goes on with its next date.
func PassOver(t *Task, v View) Decision {
	v.Now = cut(v.Now)
	s, err := t.schedule(v)
	if err != nil {
		return t.refuse(err, v)
	}
	next := t.change(v)
	next.Repetitions++
	next.dirty.add(fieldRepetitions)
	note := "its date " + said(t.Plan.Nominal) + " runs as " + ChildID(t.ID, t.Plan.Nominal)
	date, catchUp, left, ok := s.next(next, Outcome{Covered: t.Plan.Nominal}, v.Now)
	next.leftOut(left)
	if limit := s.rule.Limit(); !ok || limit > 0 && next.Repetitions >= limit {
		status := t.outcome()
		next.note(v, status, note+", the last of its repeat", "")
		return next.end(status, note)
	}
	next.moveTo(date, s)
	if catchUp {
		next.Plan.CatchUp = t.Plan.CatchUp
	}
	next.setStatus(Scheduled)
	note += ", next " + said(date)
	next.note(v, Scheduled, note, "")
	return Decision{Action: Schedule, Next: next, Note: note}
}
