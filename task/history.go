package task

import (
	"strings"
	"time"

	"github.com/adlayer/after/when"
)

const (
	mostTransitions  = 10
	mostHistory      = 4 << 10 // bytes
	mostHistoryError = 200     // bytes of a message in history
	mostMessage      = 8 << 10 // bytes of a message in error
)

// note adds a transition to the history of next, which the caller owns.
func (t *Task) note(v View, status Status, text, failure string) {
	added := make([]Transition, 0, len(t.added)+1)
	added = append(added, t.added[max(0, len(t.added)-mostTransitions+1):]...)
	t.added = append(added, Transition{
		Status: status, At: v.Now, Member: v.Self.Member,
		Note: shortenText(text, mostHistoryError), Error: shortenText(failure, mostHistoryError),
	})
	t.dirty.add(fieldHistory)
}

// snoozedUntil begins what the history says of a firing that its job put off: until when, and behind a colon why, where the job said so.
const snoozedUntil = "snoozed until "

// PutOff says why the firing that comes next was put off by its job; empty where it was not, or nobody said why.
func (t *Task) PutOff() string {
	history := t.History()
	if t.Status != Scheduled || len(history) == 0 {
		return ""
	}
	until, ok := strings.CutPrefix(history[len(history)-1].Note, snoozedUntil)
	if !ok {
		return ""
	}
	_, why, _ := strings.Cut(until, ": ")
	return why
}

// appendHistory writes what the document had and what was added: the newest that fit.
func (t *Task) appendHistory(b []byte) []byte {
	b = append(b, '[')
	begin := len(b)
	var old [mostTransitions][]byte
	var ends [2 * mostTransitions]int // of each element with its comma
	count := lastElements(t.history, &old)
	for i, element := range old[:count] {
		b = append(append(b, element...), ',')
		ends[i] = len(b)
	}
	for _, one := range t.added {
		b = append(appendTransition(b, one), ',')
		ends[count] = len(b)
		count++
	}
	drop, from := 0, begin
	for drop < count && (count-drop > mostTransitions || len(b)-from > mostHistory-len("[]")) {
		from = ends[drop]
		drop++
	}
	b = append(b[:begin], b[from:]...)
	if len(b) > begin {
		b = b[:len(b)-1]
	}
	return append(b, ']')
}

// lastElements finds the last elements of a JSON array, oldest first.
func lastElements(array []byte, into *[mostTransitions][]byte) int {
	if len(array) == 0 {
		return 0
	}
	count, i := 0, skipSpace(array, 1)
	for array[i] != ']' {
		end, err := skipValue(array, i)
		if err != nil {
			return 0
		}
		if count == mostTransitions {
			copy(into[:], into[1:])
			count--
		}
		into[count] = array[i:end]
		count++
		if i = skipSpace(array, end); array[i] == ',' {
			i = skipSpace(array, i+1)
		}
	}
	return count
}

func appendTransition(b []byte, one Transition) []byte {
	b = append(b, '{')
	b = appendTextField(b, "status", string(one.Status))
	b = appendTimeField(b, "at", one.At)
	b = appendTextField(b, "member", one.Member)
	b = appendTextField(b, "note", one.Note)
	b = appendTextField(b, "error", one.Error)
	return append(b, '}')
}

// said writes an instant into a note.
func said(at time.Time) string { return when.Format(at) }
