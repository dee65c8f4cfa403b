package httpd

import (
	"github.com/adlayer/after/store"
)

// take adds a row if it is wanted.
func (f *feed) take(snap *store.Snapshot, row *store.Row) (wanted bool, err error) {
	if f.q.match == nil || f.q.match(row) {
		wanted = true
		err = f.add(snap, row)
	}
	if err == nil {
		f.last = row.Seq
	}
	return wanted, err
}

// addLater writes the row that had to wait.
func (f *feed) addLater(snap *store.Snapshot) error {
	row, err := snap.At(f.later)
	f.later = 0
	if err != nil || row == nil {
		return err
	}
	return f.add(snap, row)
}

// add writes one row, which may take long where attachments go with it: snap is a newer one then.
func (f *feed) add(snap *store.Snapshot, row *store.Row) error {
	if f.within && f.q.includeDocs && f.q.files.data && f.q.files.letGo && row.HasAttachments() {
		f.later = row.Seq
		return nil
	}
	b := f.buf
	switch f.q.feed {
	case "eventsource":
		b = append(b, "data: "...)
	case "continuous":
	default:
		if f.sent > 0 {
			b = append(b, ",\n"...)
		}
	}
	if f.q.updates {
		f.addUpdate(b, row)
		return nil
	}
	b = append(b, `{"seq":`...)
	if f.q.interval > 1 && f.sent%f.q.interval != 0 {
		b = append(b, "null"...)
	} else {
		b = append(appendSeq(append(b, '"'), f.db, row.Seq), '"')
	}
	b = store.AppendString(append(b, `,"id":`...), row.ID)
	b, err := f.addRevs(append(b, `,"changes":[`...), snap, row)
	if err != nil {
		return err
	}
	b = append(b, ']')
	if row.Deleted {
		b = append(b, `,"deleted":true`...)
	}
	if f.q.includeDocs {
		if b, err = f.addDoc(append(b, `,"doc":`...), snap, row); err != nil {
			return err
		}
	}
	f.added(append(b, '}'), row)
	return nil
}

// addUpdate writes the row of an event.
func (f *feed) addUpdate(b []byte, row *store.Row) {
	kind, database, _ := eventOf(row.ID)
	b = store.AppendString(append(b, `{"db_name":`...), database)
	b = store.AppendString(append(b, `,"type":`...), kind)
	b = appendSeq(append(b, `,"seq":"`...), f.db, row.Seq)
	f.added(append(b, `"}`...), row)
}

// added ends a row that is in b.
func (f *feed) added(b []byte, row *store.Row) {
	switch f.q.feed {
	case "eventsource":
		b = append(appendSeq(append(b, "\nid: \""...), f.db, row.Seq), "\"\n\n"...)
	case "continuous":
		b = append(b, '\n')
	}
	f.buf = b
	f.sent++
}

func (f *feed) addRevs(b []byte, snap *store.Snapshot, row *store.Row) ([]byte, error) {
	if f.q.function != nil {
		for i, rev := range f.revs {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(rev.Append(append(b, `{"rev":"`...)), `"}`...)
		}
		return b, nil
	}
	if !f.q.allLeaves || !row.Branched {
		return append(row.Rev.Append(append(b, `{"rev":"`...)), `"}`...), nil
	}
	tree, err := snap.Tree(row.ID)
	if err != nil {
		return b, err
	}
	for i, leaf := range tree.Leaves() {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(leaf.Rev.Append(append(b, `{"rev":"`...)), `"}`...)
	}
	return b, nil
}

func (f *feed) addDoc(b []byte, snap *store.Snapshot, row *store.Row) ([]byte, error) {
	if row.Body == nil {
		return append(b, "null"...), nil
	}
	if f.q.fields != nil {
		doc, err := project(row.AppendJSON(nil), f.q.fields)
		return append(b, doc...), err
	}
	return appendListed(b, snap, row, f.q.conflicts, &f.q.files, func(b []byte) ([]byte, error) {
		f.buf = b
		err := f.flush()
		return f.buf, err
	})
}
