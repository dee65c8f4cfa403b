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

// found is a document whose record was read.
type found struct {
	at   int // in ids
	head head
}

func (v *Snapshot) getMany(ids []string, visit func(i int, row *Row) error) error {
	list, err := v.heads(ids)
	if err != nil {
		return err
	}
	slices.SortFunc(list, func(a, b found) int { return cmp.Compare(a.head.body, b.head.body) })
	var key [seqKeyLen]byte
	for i := range list {
		f := &list[i]
		row := f.head.row(ids[f.at])
		if f.head.body == 0 {
			if err := visit(f.at, row); err != nil {
				return err
			}
			continue
		}
		err := v.rows.get(v.view.snap, appendSeqKey(key[:0], v.db.number, f.head.body, markRow), func(raw []byte) error {
			if err := row.fill(raw); err != nil {
				return fmt.Errorf("reading document %q of %s: %w", row.ID, v.db.name, err)
			}
			return visit(f.at, row)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// heads reads the records of those documents that are there.
func (v *Snapshot) heads(ids []string) ([]found, error) {
	order := make([]int, len(ids))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(ids[a], ids[b]) })
	list := make([]found, 0, len(ids))
	var key []byte
	for _, at := range order {
		key = appendDocKey(key[:0], v.db.number, ids[at])
		err := v.docs.get(v.view.snap, key, func(raw []byte) error {
			if raw == nil {
				return nil
			}
			h, err := meta(raw).head()
			list = append(list, found{at, h})
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("reading document %q of %s: %w", ids[at], v.db.name, err)
		}
	}
	return list, nil
}
