package send

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/notify"
	"github.com/adlayer/after/task"
	"github.com/adlayer/after/when"
)

// state is how far the telling of a notice is: the field "sending" of its document.
type state struct {
	Claim *claim   `json:"claim,omitempty"`
	URL   progress `json:"url,omitzero"`
	Email progress `json:"email,omitzero"`
}

// claim says who tells at the moment. After its end anybody may.
type claim struct {
	Member string `json:"member"`
	Until  string `json:"until"` // RFC 3339
}

// progress is how far the telling of one destination is.
type progress struct {
	Told     bool   `json:"told,omitempty"` // or given up
	Attempts int    `json:"attempts,omitempty"`
	Next     string `json:"next,omitempty"`  // not before this, RFC 3339
	Error    string `json:"error,omitempty"` // of the last attempt

	Alone bool `json:"alone,omitempty"` // its mail was refused for what it says, or put off while others were taken: it goes into no digest

	Left []string `json:"left,omitempty"` // of the addresses, while some were told; none: all
}

// item is a notice with its state and its document. Of the notice, no more is known than what is decided by, until it is opened.
type item struct {
	notify.Notice

	state state
	raw   []byte
}

// read takes a document apart as far as it must be known to decide what is to be done: most of those that are read wait. The error says why it is
// no notice.
func read(raw []byte) (*item, error) {
	it := &item{raw: raw}
	var kind, event, at string
	var failed error
	err := couch.Members(raw, func(name, value []byte) bool {
		switch string(name) {
		case "_id":
			failed = text(value, &it.ID)
		case "_rev":
			failed = text(value, &it.Rev)
		case "type":
			failed = text(value, &kind)
		case "by":
			failed = text(value, &it.By)
		case "member":
			failed = text(value, &it.Member)
		case "site":
			failed = text(value, &it.Site)
		case "task":
			failed = text(value, &it.Task)
		case "event":
			failed = text(value, &event)
		case "at":
			failed = text(value, &at)
		case "to":
			failed = json.Unmarshal(value, &it.To)
		case "sending":
			failed = json.Unmarshal(value, &it.state)
		}
		return failed == nil
	})
	if err = errors.Join(err, failed); err == nil {
		it.At, err = time.Parse(time.RFC3339Nano, at)
	}
	if err == nil && (kind != notify.Type || it.Task == "" || it.By == "") {
		err = errors.New("it is none")
	}
	if err != nil {
		return nil, fmt.Errorf("decoding the notice %s: %w", it.ID, err)
	}
	it.Event = task.Event(event)
	return it, nil
}

// text reads a string; most have nothing to decode.
func text(value []byte, to *string) error {
	if last := len(value) - 1; last > 0 && value[0] == '"' && !bytes.ContainsRune(value, '\\') {
		*to = string(value[1:last])
		return nil
	}
	return json.Unmarshal(value, to)
}

// open decodes the rest, of a copy of the document: it was read with many others.
func (it *item) open() error {
	it.raw = bytes.Clone(it.raw)
	n, err := notify.Decode(it.raw)
	n.Rev = it.Rev
	if err == nil {
		it.Notice = n
	}
	return err
}

// document gives the document with a state in place of the one it has. All else stays, whoever wrote it.
func (it *item) document(s state) ([]byte, error) {
	head, err := json.Marshal(struct {
		Rev     string `json:"_rev"`
		Sending state  `json:"sending"`
	}{it.Rev, s})
	if err != nil {
		return nil, err
	}
	doc := append(make([]byte, 0, len(it.raw)+len(head)), head[:len(head)-1]...)
	err = couch.Members(it.raw, func(name, value []byte) bool {
		if field := string(name); field != "_rev" && field != "sending" {
			doc = append(append(append(doc, `,"`...), name...), `":`...)
			doc = append(doc, value...)
		}
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("the notice %s: %w", it.ID, err)
	}
	return append(doc, '}'), nil
}

// over says whether everybody was told.
func (it *item) over() bool {
	return (it.To.URL == "" || it.state.URL.Told) && (len(it.To.Email) == 0 || it.state.Email.Told)
}

// addresses are those to which the notice is still to be mailed.
func (it *item) addresses() []string {
	if left := it.state.Email.Left; len(left) > 0 {
		return left
	}
	return it.To.Email
}

// before says whether a notice is mailed by itself before another one, where one of them is: those that were tried less often go first, and last those
// that are refused for what they say.
func (it *item) before(other *item) bool {
	a, b := it.state.Email, other.state.Email
	if a.Alone != b.Alone {
		return b.Alone
	}
	return cmp.Or(cmp.Compare(a.Attempts, b.Attempts), instant(a.Next).Compare(instant(b.Next))) < 0
}

// instant reads an instant of the state; one that nobody can read is long past.
func instant(text string) time.Time {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}
	}
	return at
}

// next is when to try again; zero is now. What is further away than anybody can have written was written by a clock that was wrong.
func (p progress) next(now time.Time) time.Time {
	if at := instant(p.Next); at.Sub(now) <= mostRetryAfter+mostWait {
		return at
	}
	return time.Time{}
}

// failed gives the progress after an attempt that failed.
func (p progress) failed(err error, next time.Time) progress {
	const mostError = 500
	message := err.Error()
	p.Attempts++
	p.Next, p.Error = when.Format(next), strings.ToValidUTF8(message[:min(len(message), mostError)], "")
	return p
}
