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
