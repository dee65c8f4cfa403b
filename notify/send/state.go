package send

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/adlayer/after/notify"
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
}

// item is a notice with its state and its document.
type item struct {
	notify.Notice

	state state
	raw   []byte
}

// read takes a document apart; the error says why it is no notice.
func read(raw []byte) (*item, error) {
	n, err := notify.Decode(raw)
	if err != nil {
		return nil, err
	}
	var d struct {
		Sending state `json:"sending"`
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		return nil, fmt.Errorf("decoding the notice %s: %w", n.ID, err)
	}
	return &item{Notice: n, state: d.Sending, raw: raw}, nil
}

// document gives the document with a state in place of the one it has. All else stays, whoever wrote it.
func (it *item) document(s state) ([]byte, error) {
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(it.raw, &fields); err != nil {
		return nil, fmt.Errorf("the notice %s: %w", it.ID, err)
	}
	rev, err := json.Marshal(it.Rev)
	if err != nil {
		return nil, err
	}
	sending, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	fields["_rev"], fields["sending"] = rev, sending
	return json.Marshal(fields)
}

// over says whether everybody was told.
func (it *item) over() bool {
	return (it.To.URL == "" || it.state.URL.Told) && (len(it.To.Email) == 0 || it.state.Email.Told)
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
	return progress{Attempts: p.Attempts + 1, Next: when.Format(next), Error: message[:min(len(message), mostError)]}
}
