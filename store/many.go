package store

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// GetMany reads the winners of documents as Get does, in the order in which they lie rather than that of ids, which costs far less where they are
// many. visit gets each that is there with its place in ids, in no order to rely on; the row and its bytes are only valid within visit, which
// must not read from the snapshot. ErrStop from visit ends it without an error.
func (v *Snapshot) GetMany(ids []string, visit func(i int, row *Row) error) error {
	if err := v.getMany(ids, visit); !errors.Is(err, ErrStop) {
		return err
	}
	return nil
}

// found is a document that is known to be there, or a guess where it is.
type found struct {
	at    int  // in ids
	guess bool // of head there is only seq
	head  head
}

func (v *Snapshot) getMany(ids []string, visit func(i int, row *Row) error) error {
	list := make([]found, 0, len(ids))
	var unknown []int
	for i := range ids {
		if seq := v.db.store.places.get(v.db.number, ids[i]); seq != 0 && seq <= v.stats.Seq { // else it was written since
			list = append(list, found{at: i, guess: true, head: head{body: seq}})
		} else {
			unknown = append(unknown, i)
		}
	}
	wrong, err := v.rowsOf(ids, list, visit)
	if err != nil {
		return err
	}
	if list, err = v.heads(ids, append(unknown, wrong...), list[:0]); err != nil {
		return err
	}
	_, err = v.rowsOf(ids, list, visit)
	return err
}

// rowsOf visits the rows of a list. wrong are the guesses that were none: where their documents are must be looked up.
func (v *Snapshot) rowsOf(ids []string, list []found, visit func(i int, row *Row) error) (wrong []int, err error) {
	slices.SortFunc(list, func(a, b found) int { return cmp.Compare(a.head.body, b.head.body) })
	for i := range list {
		f := &list[i]
		id, right := ids[f.at], true
		take := func(row *Row) error { return visit(f.at, row) }
		if f.guess {
			right, err = v.visitGuessed(id, f.head.body, take)
		} else {
			err = v.visitKnown(id, &f.head, take)
		}
		if err != nil {
			return nil, err
		}
		if !right {
			wrong = append(wrong, f.at)
		}
	}
	return wrong, nil
}

// visitKnown reads the row of a document whose record was read.
func (v *Snapshot) visitKnown(id string, h *head, visit func(*Row) error) error {
	row := h.row(id)
	if h.body == 0 {
		return visit(row)
	}
	var key [seqKeyLen]byte
	return v.rows.get(v.view.snap, appendSeqKey(key[:0], v.db.number, h.body, markRow), func(raw []byte) error {
		if err := row.fill(raw); err != nil {
			return fmt.Errorf("reading document %q of %s: %w", id, v.db.name, err)
		}
		return visit(row)
	})
}

// visitGuessed reads the row at seq if it is that of a document which was not written since, and which has no other leaf. It tells whether it was.
func (v *Snapshot) visitGuessed(id string, seq uint64, visit func(*Row) error) (right bool, err error) {
	var lower [seqKeyLen]byte
	key, value, err := v.rows.seek(v.view.snap, appendSeqKey(lower[:0], v.db.number, seq, markSuperseded))
	if err != nil || key == nil {
		return false, nil //nolint:nilerr // it may be another document's row that cannot be read: the record tells
	}
	if at, mark := seqOf(key); at != seq || mark != markRow {
		return false, nil
	}
	row := Row{}
	ask, err := parseRow(value, &row)
	if err != nil || ask || row.ID != id {
		return false, nil //nolint:nilerr // likewise
	}
	row.Seq = seq
	return true, visit(&row)
}

// heads adds the records of those of ids that are there to list.
func (v *Snapshot) heads(ids []string, which []int, list []found) ([]found, error) {
	slices.SortFunc(which, func(a, b int) int { return cmp.Compare(ids[a], ids[b]) })
	var key []byte
	for _, at := range which {
		key = appendDocKey(key[:0], v.db.number, ids[at])
		err := v.docs.get(v.view.snap, key, func(raw []byte) error {
			if raw == nil {
				return nil
			}
			h, err := meta(raw).head()
			list = append(list, found{at: at, head: h})
			if h.body == h.seq && !h.branches && v.db.store.places.get(v.db.number, ids[at]) <= v.stats.Seq {
				v.db.store.places.put(v.db.number, ids[at], h.seq)
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("reading document %q of %s: %w", ids[at], v.db.name, err)
		}
	}
	return list, nil
}
