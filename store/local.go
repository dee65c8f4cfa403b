package store

import (
	"encoding/binary"
	"strconv"
	"strings"
)

// A local document is stored as its revision number (uvarint) and its body. It has no history and is in no feed.

// writeLocal writes a local document, or removes it. As in CouchDB the last write wins: the new revision follows the one that is named,
// whatever the current one is, and without a name it is 0-1.
func (w *writer) writeLocal(doc *Doc, res *Result) error {
	number, err := localNumber(doc.Rev)
	if err != nil {
		res.Err = errBadRev()
		return nil //nolint:nilerr // the caller's mistake, told in the result
	}
	key := localKey(w.db.number, doc.ID)
	if doc.Deleted {
		old, err := w.lookupLocal(doc.ID)
		if err != nil {
			return err
		}
		if old == nil {
			res.Err = NotFound("missing")
			return nil
		}
		w.db.decided[doc.ID] = nil
		res.Rev = localRev(0)
		return w.batch.Delete(key, nil)
	}
	value := append(binary.AppendUvarint(nil, number+1), doc.Body...)
	w.db.decided[doc.ID] = value
	res.Rev = localRev(number + 1)
	return w.batch.Set(key, value, nil)
}

func (w *writer) lookupLocal(id string) (meta, error) {
	if m, ok := w.db.decided[id]; ok {
		return m, nil
	}
	if m, ok := w.db.behind[id]; ok {
		return m, nil
	}
	raw, err := getCopy(w.db.store.db, localKey(w.db.number, id))
	return raw, err
}

func localRev(number uint64) Rev { return Rev{text: strconv.FormatUint(number, 10)} }

// localNumber reads N of 0-N; no revision counts as 0.
func localNumber(rev Rev) (uint64, error) {
	if rev.IsZero() {
		return 0, nil
	}
	if rev.Pos != 0 {
		return 0, errBadRev()
	}
	return strconv.ParseUint(rev.text, 10, 63)
}

// Local reads a local document, by its whole id; a 404 if it is not there.
func (v *Snapshot) Local(id string) (*Row, error) {
	raw, err := v.get(localKey(v.db.number, id))
	if err != nil {
		return nil, err
	}
	if raw == nil {
		return nil, NotFound("missing")
	}
	number, n := binary.Uvarint(raw)
	if n <= 0 {
		return nil, errCorrupt
	}
	return &Row{ID: id, Rev: localRev(number), Body: raw[n:]}, nil
}

// LocalDocs visits the local documents by id.
func (v *Snapshot) LocalDocs(r Range, visit func(*Row) error) error {
	prefix := string(appendPrefix(nil, v.db.number, kindLocal))
	return v.scan(prefix, r, func(key, value []byte) error {
		number, n := binary.Uvarint(value)
		if n <= 0 {
			return errCorrupt
		}
		row := Row{ID: strings.TrimPrefix(string(key), prefix), Rev: localRev(number), Body: value[n:]}
		return visit(&row)
	})
}
