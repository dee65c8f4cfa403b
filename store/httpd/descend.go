package httpd

import (
	"github.com/adlayer/after/store"
)

// descent sends the rows of a feed newest first. It is one walk through one view: a document that is written meanwhile moves to the end that was
// sent already, so that a newer view would leave it out.
type descent struct {
	*feed

	snap   *store.Snapshot
	batch  candidates // rows that a filter function was not asked about yet
	looked int
	seen   int64 // rows that count as pending
}

// descend sends the rows newest first; the feed ends with the oldest.
func (f *feed) descend() error {
	snap, err := f.db.Snapshot()
	if err != nil {
		return err
	}
	defer snap.Close() //nolint:errcheck // the reads have told all there is
	f.last = snap.Seq()
	d := descent{feed: f, snap: snap, batch: candidates{function: f.q.function}}
	if !f.full() {
		if err = snap.ChangesDescending(d.visit); err == nil {
			err = d.judge()
		}
	}
	if err != nil {
		return err
	}
	f.close(d.seen)
	return f.flush()
}

func (d *descent) visit(row *store.Row) error {
	if d.looked++; d.looked%sliceRows == 0 {
		if err := d.ended(); err != nil {
			return err
		}
	}
	switch {
	case d.full():
		d.seen++
		return nil
	case d.q.function == nil:
		return d.send(row, d.q.match == nil || d.q.match(row))
	}
	if err := d.batch.add(d.snap, row, d.q.allLeaves); err != nil || !d.batch.full() {
		return err
	}
	return d.judge()
}

// judge asks the filter function about the rows that wait for it.
func (d *descent) judge() error {
	batch := d.batch
	d.batch = candidates{function: d.q.function}
	return batch.judged(func(row *store.Row, passed []store.Rev) error {
		if d.full() {
			d.seen++
			return nil
		}
		d.revs = passed
		return d.send(row, len(passed) > 0)
	})
}

// send adds a row that is wanted.
func (d *descent) send(row *store.Row, wanted bool) error {
	if !wanted {
		if d.q.counted {
			d.seen++
		}
		return nil
	}
	d.last = row.Seq
	if err := d.add(d.snap, row); err != nil || len(d.buf) < feedBuffer {
		return err
	}
	if err := d.ended(); err != nil {
		return err
	}
	return d.flush()
}
