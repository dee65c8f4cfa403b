package task

import (
	"fmt"
	"strings"
)

// Blocked gives the tasks that t still waits for: known gives the documents that it names, nil for one that is missing. A task without a
// repeat counts once it has ended as t wants it; of a repeat, the firing of t's nominal date counts, else the next one to end after
// that date. A firing that began does not wait again before a retry, or after an interruption. The error names a circle in which t waits for itself.
func (t *Task) Blocked(known func(id string) *Task) (ids []string, err error) {
	if len(t.After) == 0 || t.begun() {
		return nil, nil
	}
	if circle := t.circle(known); circle != nil {
		return nil, fmt.Errorf("after: it waits for itself: %s", strings.Join(circle, " → "))
	}
	for _, id := range t.After {
		if upstream := known(id); upstream == nil || !t.allowedBy(upstream) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// begun says whether a run of the planned firing began before.
func (t *Task) begun() bool {
	return t.Plan != nil && !t.Asks() && (t.Retries > 0 || t.Plan.Interrupted)
}

func (t *Task) allowedBy(u *Task) bool {
	if u.Repeat == nil || u.Plan == nil || u.Plan.Last == nil {
		return t.wants(u.Status) && !u.Deleted
	}
	last := u.Plan.Last
	switch {
	case !t.wants(last.Status):
		return false
	case t.Plan == nil:
		return true
	}
	return !last.Nominal.Before(t.Plan.Nominal) || !last.At.Before(t.Plan.Nominal)
}

// wants says whether a status is an end that t waits for.
func (t *Task) wants(s Status) bool {
	switch t.until {
	case waitEnded:
		return s.ended()
	case waitError:
		return s == Failed
	case waitDone:
	}
	return s == Done
}

// mostFollowed bounds how many tasks are looked at in search of a circle.
const mostFollowed = 1000

// circle gives the ids of a circle through t, first and last t itself.
func (t *Task) circle(known func(id string) *Task) []string {
	cameFrom := map[string]string{}
	queue := []*Task{t}
	for len(queue) > 0 && len(cameFrom) < mostFollowed {
		from := queue[0]
		queue = queue[1:]
		for _, id := range from.After {
			if id == t.ID {
				path := []string{id, from.ID}
				for at := from.ID; at != t.ID; {
					at = cameFrom[at]
					path = append(path, at)
				}
				return path
			}
			if _, seen := cameFrom[id]; seen {
				continue
			}
			cameFrom[id] = from.ID
			if next := known(id); next != nil && !next.Ended() {
				queue = append(queue, next)
			}
		}
	}
	return nil
}

// Refuse ends a task that cannot run as an error of kind invalid; err says which field and why.
func Refuse(t *Task, err error, v View) Decision {
	v.Now = cut(v.Now)
	return t.displaced(t.refuse(err, v), v)
}
