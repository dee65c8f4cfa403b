package task

import "bytes"

// Packed is a task put aside as the bytes of its document. A repeat that has run takes less than half of what it takes decoded, and nothing in it
// has to be looked through by the collector. The zero value holds none.
type Packed struct{ raw []byte }

// Pack puts t aside. It says false where bytes cannot tell all that is known of t: it was changed since the database had it.
func (t *Task) Pack() (Packed, bool) {
	if t.report != nil || !t.stored.equal(t.stands()) {
		return Packed{}, false
	}
	return Packed{bytes.Clone(t.Encode())}, true // what Encode gives has room to grow, or is a part of a whole answer
}

// Unpack gives the task as it was put aside; nil where p holds none.
func (p Packed) Unpack() *Task {
	t, err := Decode(p.raw)
	if err != nil {
		return nil
	}
	return t
}

func (s Stored) equal(other Stored) bool {
	return s.Status == other.Status && s.Incarnation == other.Incarnation && bytes.Equal(s.Date, other.Date)
}
