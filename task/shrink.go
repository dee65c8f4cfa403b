package task

import (
	"encoding/json"
	"fmt"
)

// Shrink gives the task with its result, then its error's message, then its history cut until the encoded document has at most limit
// bytes, and says so in the document: a result becomes {"cut": true, "bytes": size, "start": "its first bytes as text"}. Where even
// that is not enough, the document is too large by what a person put into it, and comes back longer than limit.
func (t *Task) Shrink(limit int) *Task {
	size := len(t.Encode())
	if size <= limit {
		return t
	}
	next := *t
	next.cutResult(size - limit)
	if excess := len(next.Encode()) - limit; excess > 0 && next.Error != nil {
		failure := *next.Error
		failure.Message = shortenText(failure.Message, max(64, len(failure.Message)-excess))
		next.setError(&failure)
	}
	if len(next.Encode()) > limit {
		next.history, next.added = nil, next.added[max(0, len(next.added)-1):]
		next.dirty.add(fieldHistory)
	}
	return &next
}

// Least gives an ended task with nothing of what a worker writes but its status, its date, and the beginning of its error: for a document
// that has no room for more. One that has not ended comes back as it is, since it could not go on without the rest.
func (t *Task) Least() *Task {
	if !t.Ended() {
		return t
	}
	raw := append(make([]byte, 0, len(t.raw)), '{')
	for _, s := range t.spans {
		if s.name <= fieldDate {
			raw = append(comma(raw), t.raw[s.key:s.end]...)
		}
	}
	base, err := Decode(append(raw, '}'))
	if err != nil {
		return t // what was read can be read without some of its fields
	}
	next := *base
	next.Rev, next.Date, next.stored = t.Rev, t.Date, t.stored
	next.dirty.add(fieldRev, fieldDate)
	next.setStatus(t.Status)
	if t.Status == Failed && t.Error != nil {
		const most = 80
		next.setError(&Failure{Message: shortenText(t.Error.Message, most), Kind: t.Error.Kind})
	}
	return &next
}

// cutResult replaces the result by its beginning, so that the document loses excess bytes if it can.
func (t *Task) cutResult(excess int) {
	const most = 1 << 10
	whole := len(t.Result)
	var kept struct {
		Cut bool `json:"cut"`
	}
	if whole <= 64 || whole < 2*most && json.Unmarshal(t.Result, &kept) == nil && kept.Cut {
		return
	}
	// Escapes can make the text six times as long.
	start := min(most, max(0, (whole-excess)/6-16))
	b := fmt.Appendf(nil, `{"cut":true,"bytes":%d,"start":`, whole)
	t.Result = append(appendText(b, string(t.Result[:start])), '}')
	t.dirty.add(fieldResult)
}
