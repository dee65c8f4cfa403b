package worker

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/sirupsen/logrus"

	"github.com/adlayer/after/internal/wait"
	"github.com/adlayer/after/runs"
	"github.com/adlayer/after/task"
)

// replay is one start's work on the spool.
type replay struct {
	*loop

	records map[uint32]record
	sent    map[uint32]*task.Task
	left    []record
	alone   []runs.Run // history of runs whose outcome no document takes
}

// toldMost is how many refused outcomes get a line of their own at a start.
const toldMost = 20

// replay writes what an earlier incarnation could not. What the database still refuses stays in the spool, unless its task is gone.
func (l *loop) replay(ctx context.Context) error {
	records, err := readSpool(l.spoolPath)
	if err != nil {
		return err
	}
	p := &replay{loop: l, records: map[uint32]record{}, sent: map[uint32]*task.Task{}}
	if len(records) > 0 {
		l.log.Infof("writing %d outcomes of an earlier run from the spool", len(records))
		if err := l.readCalendars(ctx); err != nil {
			return err
		}
		if err := p.write(ctx, p.first(records)); err != nil {
			return fmt.Errorf("writing outcomes from the spool: %w", err)
		}
	}
	return p.finish()
}

// first gives what is to be written first, as if nobody had edited anything.
func (p *replay) first(records []record) []write {
	var batch []write
	for i, r := range records {
		if r.Database != p.config.Database {
			p.left = append(p.left, r)
			continue
		}
		next, err := r.next(p.view())
		if err != nil {
			p.log.WithError(err).Error("an outcome in the spool cannot be read: it is left out")
			continue
		}
		index := uint32(i)
		p.records[index] = r
		batch = append(batch, write{index: index, doc: next, run: p.ownRun(r)})
	}
	return batch
}

// ownRun is the history of a record's run, nil where there is none to tell.
func (p *replay) ownRun(r record) *runs.Run {
	ran, err := r.ran()
	if err != nil {
		return nil
	}
	return p.run(r, ran, r.Outcome.outcome())
}

// run is the history of a run that the incarnation of a record made.
func (p *replay) run(r record, ran *task.Task, o task.Outcome) *runs.Run {
	if p.config.Runs == nil {
		return nil
	}
	if run, ok := runs.Of(ran, o, task.Self{Member: p.self.Member, Incarnation: r.Incarnation}); ok {
		return &run
	}
	return nil
}

// write writes until the database has answered all of it for good.
func (p *replay) write(ctx context.Context, batch []write) error {
	for len(batch) > 0 {
		for _, w := range batch {
			p.sent[w.index] = w.doc
		}
		var next []write
		var denied []answer
		failed := false
		for _, a := range p.sender.send(ctx, batch) {
			switch r := p.records[a.index]; {
			case a.unwritten:
				return context.Cause(ctx)
			case a.again:
				next, failed = append(next, write{index: a.index, doc: p.sent[a.index]}), true
			case a.refused != nil:
				denied = append(denied, a)
			case a.gone:
				p.giveUpOn(r, nil, "its task is gone")
			case a.theirs != nil:
				next = p.resolve(next, a.index, a.theirs)
			}
		}
		next, err := p.refuse(ctx, denied, next)
		if err != nil {
			return err
		}
		if len(p.alone) > 0 {
			p.config.Runs.Write(ctx, p.alone)
			p.alone = nil
		}
		if failed && !wait.For(ctx, backoffFirst) {
			return context.Cause(ctx)
		}
		batch = next
	}
	return nil
}

// resolve adds the document to write where the database has another one than the outcome expected, if there is one.
func (p *replay) resolve(next []write, index uint32, theirs *task.Task) []write {
	r, sent := p.records[index], p.sent[index]
	if theirs.Claim != nil && sent.Claim != nil && *theirs.Claim == *sent.Claim {
		return next // it arrived before, and only the answer was lost
	}
	if p.takenOver(r.Stored, theirs) {
		p.giveUpOn(r, nil, "another member has taken its task over")
		return next
	}
	ran, err := r.ran()
	if err != nil {
		p.log.WithError(err).Error("an outcome in the spool cannot be read: it is left out")
		return next
	}
	d := task.Resolve(ran, r.Outcome.outcome(), theirs, p.view())
	if d.Next == nil {
		if d.Note != "" {
			p.giveUpOn(r, d.Settled, d.Note)
		}
		return next
	}
	p.writes++
	w := write{index: index, doc: d.Next.WithWrite(p.writes)}
	if d.Settled != nil {
		w.run = p.run(r, d.Settled.Ran, d.Settled.Outcome)
	}
	return append(next, w)
}

// refuse decides on what the database refuses: where its task is gone, there is nothing to write it to; where its task was edited
// since, the edit may have made it fit; otherwise it stays. A server may refuse a document before it looks whether it is in conflict.
func (p *replay) refuse(ctx context.Context, denied []answer, next []write) ([]write, error) {
	ids := make([]string, len(denied))
	for i, a := range denied {
		ids[i] = p.records[a.index].ID
	}
	for len(ids) > 0 {
		n := min(len(ids), loadMost)
		rows := map[string]row{}
		for _, r := range p.loader.read(ctx, ids[:n]) {
			rows[r.id] = r
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		for _, a := range denied[:n] {
			next = p.refuseOne(a, rows[p.records[a.index].ID], next)
		}
		ids, denied = ids[n:], denied[n:]
	}
	return next, nil
}

func (p *replay) refuseOne(a answer, now row, next []write) []write {
	r := p.records[a.index]
	switch {
	case now.deleted:
		p.giveUpOn(r, nil, "its task is gone")
		return next
	case now.task != nil && now.task.Rev != p.sent[a.index].Rev:
		return p.resolve(next, a.index, now.task)
	}
	r.Rev = p.sent[a.index].Rev
	if p.left = append(p.left, r); len(p.left) <= toldMost {
		p.logOfRecord(r).WithError(a.refused).Error("the database still refuses the outcome: the task is left as it is until somebody changes it")
	}
	return next
}

// giveUpOn gives up an outcome that no document can take. A run that was to go on elsewhere is over with that, as settled says where that is known;
// the history of any other was written before its outcome.
func (p *replay) giveUpOn(r record, settled *task.Settled, why string) {
	p.logOfRecord(r).Warn("an outcome from the spool is only here: " + why)
	if ran, err := r.ran(); err == nil && settled == nil {
		settled = task.Resolve(ran, r.Outcome.outcome(), nil, p.view()).Settled
	}
	if settled == nil {
		return
	}
	if run := p.run(r, settled.Ran, settled.Outcome); run != nil {
		p.alone = append(p.alone, *run)
	}
}

func (l *loop) logOfRecord(r record) *logrus.Entry {
	o := r.Outcome.outcome()
	fields := logrus.Fields{"task": r.ID, "outcome": said(o)}
	if o.Kind != "" {
		fields["kind"] = o.Kind
	}
	return l.log.WithFields(fields)
}

// finish leaves in the spool what could not be written; at no instant is that nowhere.
func (p *replay) finish() error {
	if n := len(p.left) - toldMost; n > 0 {
		p.log.Errorf("%d more outcomes stay in the spool", n)
	}
	if len(p.left) == 0 {
		if err := os.Remove(p.spoolPath); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("emptying the spool: %w", err)
		}
		return nil
	}
	fresh := p.spoolPath + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("emptying the spool: %w", err)
	}
	spots, err := appendRecords(fresh, p.left)
	if err != nil {
		return err
	}
	if err := os.Rename(fresh, p.spoolPath); err != nil {
		return fmt.Errorf("emptying the spool: %w", err)
	}
	for i, r := range p.left {
		if r.Database == p.config.Database {
			p.refused[r.ID] = refused{rev: markOf(r.Rev), spot: spots[i]}
		}
	}
	return nil
}
