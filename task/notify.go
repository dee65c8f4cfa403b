package task

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Event is what can be told of a task.
type Event string

// The events.
const (
	EventDone      Event = "done"      // a firing was done
	EventError     Event = "error"     // a firing failed and is not tried again, or the task cannot run
	EventRecovered Event = "recovered" // a firing was done, and the one before had failed
	EventMissed    Event = "missed"    // a firing did not run: nobody held the task, it expired, or no sign of life came
)

// Events gives all of them.
func Events() []Event { return []Event{EventDone, EventError, EventRecovered, EventMissed} }

// Notify says who is told what of a task: the field notify, {"url": "https://…", "email": ["a@example.org"], "on": ["error", "done",
// "recovered", "missed"]}.
type Notify struct {
	URL   string   `json:"url,omitempty"`
	Email []string `json:"email,omitempty"`
	On    []Event  `json:"on,omitempty"` // empty is every event for the URL, and all but done for mails
}

const (
	mostEmails = 20
	mostURL    = 8 << 10
)

// To gives where an event is told; nothing where it is not.
func (n *Notify) To(event Event) (link string, email []string) {
	if n == nil || len(n.On) > 0 && !n.on(event) {
		return "", nil
	}
	if len(n.On) > 0 || event != EventDone {
		email = n.Email
	}
	return n.URL, email
}

// on says whether the event was asked for by name: a recovery is a firing that was done, too.
func (n *Notify) on(event Event) bool {
	return slices.Contains(n.On, event) || event == EventRecovered && slices.Contains(n.On, EventDone)
}

// ParseNotify reads the field notify. The error names the key and says what it takes.
func ParseNotify(raw []byte) (*Notify, error) {
	if len(raw) == 0 || raw[0] != '{' {
		return nil, fmt.Errorf("must be an object with url, email and on, not %s", shorten(raw))
	}
	n := &Notify{}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	for key, value := range fields {
		if err := n.read(key, value); err != nil {
			return nil, err
		}
	}
	if n.URL == "" && len(n.Email) == 0 {
		return nil, errors.New("names neither a url nor an email")
	}
	return n, nil
}

func (n *Notify) read(key string, value []byte) error {
	switch key {
	case "url":
		return n.readURL(value)
	case "email":
		list, err := texts(value)
		if err != nil {
			return fmt.Errorf("email: %w", err)
		}
		for _, text := range list {
			if err := n.addEmail(text); err != nil {
				return fmt.Errorf("email: %w", err)
			}
		}
	case "on":
		list, err := texts(value)
		if err != nil {
			return fmt.Errorf("on: %w", err)
		}
		for _, text := range list {
			if !slices.Contains(Events(), Event(text)) {
				return fmt.Errorf("on: %q is no event; there are done, error, recovered and missed", shortenText(text, mostHistoryError))
			}
			n.On = append(n.On, Event(text))
		}
	default:
		return fmt.Errorf("%q is an unknown key; known are url, email and on", shortenText(key, mostHistoryError))
	}
	return nil
}

func (n *Notify) readURL(value []byte) error {
	text, ok := unquote(value)
	if !ok {
		return fmt.Errorf("url: must be a string, not %s", shorten(value))
	}
	u, err := url.Parse(string(text))
	switch {
	case err != nil, len(text) > mostURL, u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return fmt.Errorf("url: must be an http or https URL, not %s", shorten(value))
	case u.User != nil:
		return errors.New("url: a name and a password do not belong into a document; the signature of what is posted says who sends it")
	}
	n.URL = string(text)
	return nil
}

func (n *Notify) addEmail(text string) error {
	if address, err := mail.ParseAddress(text); err == nil && !strings.ContainsAny(text, "\r\n") {
		text = address.Address // without the name before it
	}
	if err := CheckAddress(text); err != nil {
		return err
	}
	switch {
	case len(n.Email) == mostEmails:
		return fmt.Errorf("more than %d addresses", mostEmails)
	case !slices.Contains(n.Email, text):
		n.Email = append(n.Email, text)
	}
	return nil
}

// CheckAddress says what is wrong with a recipient's address: it must be name@host in printable ASCII, without quotes, comments or anything
// that a header or a command could be made of.
func CheckAddress(text string) error {
	const unfit = "\"\\()<>[]:;, \t"
	local, domain, found := strings.Cut(text, "@")
	ascii := !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
	parsed, err := mail.ParseAddress(text)
	if !found || !ascii || err != nil || parsed.Address != text || strings.ContainsAny(text, unfit) || len(local) > 64 || len(domain) > 255 {
		return fmt.Errorf("%q is no mail address: write name@host.example, in ASCII", shortenText(text, mostHistoryError))
	}
	return nil
}

// texts reads a string or an array of strings.
func texts(value []byte) ([]string, error) {
	if text, ok := unquote(value); ok {
		return []string{string(text)}, nil
	}
	var list []string
	if err := json.Unmarshal(value, &list); err != nil || string(value) == "null" {
		return nil, fmt.Errorf("must be a string or an array of strings, not %s", shorten(value))
	}
	return list, nil
}

// Report is what a decision has to tell to those whom the task's notify names.
type Report struct {
	Event    Event
	Key      string // of the firing; of a task that was never planned, its _id and the revision that asked for it
	Nominal  time.Time
	Attempt  int64
	Started  time.Time // zero where nothing ran
	Finished time.Time
	Result   json.RawMessage
	Failure  *Failure // nil where it was done
}

// Report gives what has to be told before the task is written as it stands; nil where it is nothing.
func (t *Task) Report() *Report { return t.report }

// tell notes an event of the planned firing of ran, which may be t itself, into t, which the caller owns.
func (t *Task) tell(ran *Task, event Event, r Report) {
	if t.Notify == nil {
		return
	}
	r.Event, r.Attempt = event, ran.Attempt()
	if p := ran.Plan; p != nil {
		r.Key, r.Nominal = p.Key, p.Nominal
	} else {
		r.Key = ran.ID + "/" + askedBy(ran.Rev)
	}
	t.report = &r
}

// tellOutcome notes how a run of ran ended for good.
func (t *Task) tellOutcome(ran *Task, o Outcome) {
	if t.Notify == nil {
		return
	}
	r := Report{Started: cut(o.Started), Finished: cut(o.Finished), Result: o.Result}
	if o.Started.IsZero() {
		r.Started, r.Finished = time.Time{}, time.Time{}
	}
	event := EventDone
	switch {
	case o.failed():
		event = eventOf(o.kind())
		r.Failure = &Failure{Message: shortenText(o.message(), mostMessage), Kind: o.kind(), Attempt: ran.Attempt(), Code: o.Code}
	case ran.Plan.recovers():
		event = EventRecovered
	}
	t.tell(ran, event, r)
}

func eventOf(kind string) Event {
	if kind == KindMissed || kind == KindExpired {
		return EventMissed
	}
	return EventError
}

// recovers says whether the firing before ended as an error.
func (p *Plan) recovers() bool {
	return p != nil && (p.Recovers || p.Last != nil && p.Last.Status == Failed)
}

// failedForGood says whether the last that happened to the task was an error that is not tried again, whose end people are to be told of.
func (t *Task) failedForGood() bool {
	return t.Notify != nil && (t.Error != nil && t.Error.Next.IsZero() || t.Plan.recovers())
}
