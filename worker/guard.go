package worker

import "github.com/adlayer/after/task"

// A task that runs under another worker's name, in another member, and was addressed to one of ours meanwhile, is left to
// that member while it lives: its outcome goes into the document's history, and then the task is waiting for us.

// guard keeps a task back whose run another member still owes an outcome, and says whether it did.
func (l *loop) guard(e *entry, t *task.Task) bool {
	if t.Status != task.Running || t.Claim == nil || t.Claim.Worker == t.Worker || t.Claim.Member == l.self.Member || l.departed[t.Claim.Incarnation] {
		return false
	}
	member, incarnation := t.Claim.Member, t.Claim.Incarnation
	if l.guarded[incarnation] == nil {
		l.requesters.Go(func() {
			if l.member.AwaitEnd(l.writing, member, incarnation) == nil {
				select {
				case l.ends <- incarnation:
				case <-l.writing.Done():
				}
			}
		})
	}
	l.guarded[incarnation] = append(l.guarded[incarnation], e.id)
	return true
}

// onEnd takes up the runs of an incarnation that has ended.
func (l *loop) onEnd(incarnation string) {
	l.departed[incarnation] = true
	for _, id := range l.guarded[incarnation] {
		if _, e := l.table.find(id); e != nil && e.state == idle && e.act == nil {
			e.found = true
			l.want(e)
		}
	}
	delete(l.guarded, incarnation)
}
