package task

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/adlayer/after/when"
)

// Decode reads one document. It fails only where raw is no JSON object, or its _id or _rev is no string; a person's field of the wrong
// shape is told by Invalid, a worker's field of the wrong shape counts as absent. It takes time and memory linear in
// raw, however deep that nests. The task keeps raw, which must not change any more.
func Decode(raw []byte) (*Task, error) {
	if len(raw) > math.MaxInt32 {
		return nil, fmt.Errorf("decoding a document: %d bytes are too many", len(raw))
	}
	both := &struct { // one allocation
		Task
		source
	}{source: source{raw: raw}}
	t := &both.Task
	t.source, t.Missed, t.Delivery, t.Overlap = &both.source, MissedRun, AtLeastOnce, OverlapSkip
	if err := t.scan(); err != nil {
		return nil, fmt.Errorf("decoding a document: %w", err)
	}
	if err := t.readIdentity(); err != nil {
		return nil, err
	}
	t.readPerson()
	t.readWorker()
	t.stored = t.stands()
	return t, nil
}

// scan finds the fields of the document and checks its grammar.
func (t *Task) scan() error {
	raw := t.raw
	i := skipSpace(raw, 0)
	if i >= len(raw) || raw[i] != '{' {
		return errors.New("it is no JSON object")
	}
	i = skipSpace(raw, i+1)
	if i < len(raw) && raw[i] == '}' {
		return onlySpace(raw, i+1)
	}
	t.spans = make([]span, 0, 16)
	for {
		key := skipSpace(raw, i)
		colon, err := skipKey(raw, key)
		if err != nil {
			return err
		}
		value := skipSpace(raw, colon)
		if i, err = skipValue(raw, value); err != nil {
			return err
		}
		t.found(key, colon, value, i)
		if i = skipSpace(raw, i); i >= len(raw) {
			return errEnds
		}
		switch raw[i] {
		case ',':
			i++
		case '}':
			return onlySpace(raw, i+1)
		default:
			return unexpected(raw, i)
		}
	}
}

func onlySpace(raw []byte, i int) error {
	if i = skipSpace(raw, i); i < len(raw) {
		return unexpected(raw, i)
	}
	return nil
}

// found remembers a field; colon is the index after its colon.
func (t *Task) found(key, colon, value, end int) {
	keyEnd := key + bytes.LastIndexByte(t.raw[key:colon], '"') + 1
	s := span{key: uint32(key), keyEnd: uint32(keyEnd), value: uint32(value), end: uint32(end)} //nolint:gosec // Decode bounds the length
	if text, ok := unquote(t.raw[key:keyEnd]); ok {
		s.name = nameOf(text)
	}
	t.spans = append(t.spans, s)
	if s.name != unknown {
		t.at[s.name] = int32(len(t.spans)) //nolint:gosec // no more fields than bytes
	}
}

// value gives the raw value of a field; nil where it is absent or null.
func (t *Task) value(n name) json.RawMessage {
	at := t.at[n]
	if at == 0 {
		return nil
	}
	s := t.spans[at-1]
	value := t.raw[s.value:s.end:s.end]
	if string(value) == "null" {
		return nil
	}
	return value
}

func (t *Task) readIdentity() error {
	id, err := t.identity(fieldID)
	if err != nil {
		return err
	}
	rev, err := t.identity(fieldRev)
	if err != nil {
		return err
	}
	worker, _ := unquote(t.value(fieldWorker))
	var few [256]byte
	all := string(append(append(append(few[:0], id...), rev...), worker...)) // one allocation
	t.ID, t.Rev, t.Worker = all[:len(id)], all[len(id):len(id)+len(rev)], all[len(id)+len(rev):]
	t.Deleted = string(t.value(fieldDeleted)) == "true"
	return nil
}

// identity reads a field without which a document cannot be written back.
func (t *Task) identity(n name) ([]byte, error) {
	if t.at[n] == 0 {
		return nil, nil
	}
	text, ok := unquote(t.value(n))
	if !ok {
		return nil, fmt.Errorf("decoding a document: %s is no string", n)
	}
	return text, nil
}

// wrong remembers the first field of the wrong shape.
func (t *Task) wrong(n name, err error) {
	if t.invalid == nil {
		t.invalid = fmt.Errorf("%s: %w", n, err)
	}
}

// text reads a field that must be a string.
func (t *Task) text(n name) string {
	value := t.value(n)
	if value == nil {
		return ""
	}
	text, ok := unquote(value)
	if !ok {
		t.wrong(n, fmt.Errorf("must be a string, not %s", shorten(value)))
		return ""
	}
	return string(text)
}

// readPerson reads what a person writes.
func (t *Task) readPerson() {
	if value := t.value(fieldType); value != nil {
		switch text, ok := unquote(value); {
		case !ok:
			t.Type = string(shorten(value))
		case string(text) == "task":
			t.Type = "task"
		default:
			t.Type = string(text)
		}
	}
	if value := t.value(fieldStatus); value != nil {
		if text, ok := unquote(value); ok {
			t.Status = statusOf(text)
		} else {
			t.wrong(fieldStatus, fmt.Errorf("must be a string, not %s", shorten(value)))
		}
	}
	if err := t.readJob(); err != nil {
		t.wrong(fieldJob, err)
	}
	t.Timezone, t.Site = t.text(fieldTimezone), t.text(fieldSite)
	t.Data, t.Tags, t.Callback = t.value(fieldData), t.value(fieldTags), t.value(fieldCallback)
	t.Date, t.Repeat, t.Retry = t.value(fieldDate), t.value(fieldRepeat), t.value(fieldRetry)
	t.readPolicies()
	t.readWatch()
}

// readWatch reads who is told what, and how often the task is to be done.
func (t *Task) readWatch() {
	var err error
	if value := t.value(fieldNotify); value != nil {
		if t.Notify, err = ParseNotify(value); err != nil {
			t.wrong(fieldNotify, err)
		}
	}
	if value := t.value(fieldExpect); value != nil {
		if t.Expect, err = ParseExpect(value); err != nil {
			t.Expect = nil
			t.wrong(fieldExpect, err)
		}
	}
}

// readJob reads "name" or {"name": ..., "arguments": ...}.
func (t *Task) readJob() error {
	value := t.value(fieldJob)
	if value == nil {
		return errors.New("is missing; give the name of a job, or an object with name and arguments")
	}
	if text, ok := unquote(value); ok {
		t.Job = string(text)
	} else if value[0] != '{' {
		return fmt.Errorf("must be a name or an object with name and arguments, not %s", shorten(value))
	} else if err := eachField(value, t.readJobField); err != nil {
		return err
	}
	if t.Job == "" {
		return errors.New("has no name")
	}
	return nil
}

func (t *Task) readJobField(key, value []byte) error {
	switch string(key) {
	case "name":
		text, ok := unquote(value)
		if !ok {
			return fmt.Errorf("name must be a string, not %s", shorten(value))
		}
		t.Job = string(text)
	case "arguments":
		if string(value) == "null" {
			return nil
		}
		if value[0] != '[' && value[0] != '{' {
			return fmt.Errorf("arguments must be an array or an object, not %s", shorten(value))
		}
		t.Arguments = value
	default:
		return fmt.Errorf("%q is an unknown key; known are name and arguments", shorten(key))
	}
	return nil
}

// readPolicies reads how the task is to be run.
func (t *Task) readPolicies() {
	if value := t.value(fieldTimeout); value != nil {
		var err error
		if t.Timeout, err = when.ParseDurationJSON(value); err != nil {
			t.wrong(fieldTimeout, err)
		}
	}
	t.readRecurring()
	t.readDependence()
	switch text := t.text(fieldDelivery); text {
	case "", string(AtLeastOnce):
	case string(AtMostOnce):
		t.Delivery = AtMostOnce
	default:
		t.wrong(fieldDelivery, fmt.Errorf("must be \"at-least-once\" or \"at-most-once\", not %q", shorten([]byte(text))))
	}
	if t.Retry != nil {
		var err error
		if t.retry, err = parseRetry(t.Retry); err != nil {
			t.wrong(fieldRetry, err)
		}
	}
}

// readWorker reads what a worker wrote.
func (t *Task) readWorker() {
	t.Plan, t.Claim = decodePlan(t.value(fieldPlan)), decodeClaim(t.value(fieldClaim))
	t.Executions, t.Repetitions, t.Retries = t.count(fieldExecutions), t.count(fieldRepetitions), t.count(fieldRetries)
	t.Skipped, t.Failures = t.count(fieldSkipped), t.count(fieldFailures)
	t.Started, t.Finished = instant(t.value(fieldStarted)), instant(t.value(fieldFinished))
	t.Duration, t.Lag = t.milliseconds(fieldDuration), t.milliseconds(fieldLag)
	t.Result = t.value(fieldResult)
	t.Error = decodeFailure(t.value(fieldError))
	if value := t.value(fieldHistory); value != nil && value[0] == '[' {
		t.history = value
	}
}

func (t *Task) count(n name) int64 { return number(t.value(n)) }

func (t *Task) milliseconds(n name) time.Duration {
	return time.Duration(min(t.count(n), math.MaxInt64/int64(time.Millisecond))) * time.Millisecond
}

// number reads a whole number that is not negative; anything else is 0.
func number(value []byte) int64 {
	if len(value) == 0 || len(value) > 19 {
		return 0
	}
	n := int64(0)
	for _, c := range value {
		if c < '0' || c > '9' || n > (math.MaxInt64-9)/10 {
			return 0
		}
		n = n*10 + int64(c-'0')
	}
	return n
}

// instant reads RFC 3339; anything else is the zero time.
func instant(value []byte) time.Time {
	text, ok := unquote(value)
	if !ok {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339, string(text))
	if err != nil || at.UTC().Year() < 1 || at.UTC().Year() > 9999 {
		return time.Time{}
	}
	return at.UTC()
}

// eachField visits the fields of a JSON object whose grammar was checked before; it stops at the first error.
func eachField(object []byte, visit func(key, value []byte) error) error {
	i := skipSpace(object, 1)
	for object[i] != '}' {
		start := i
		colon, err := skipKey(object, start)
		if err != nil {
			return err
		}
		end, err := skipString(object, start)
		if err != nil {
			return err
		}
		key, _ := unquote(object[start:end])
		value := skipSpace(object, colon)
		if i, err = skipValue(object, value); err != nil {
			return err
		}
		if err := visit(key, object[value:i:i]); err != nil {
			return err
		}
		if i = skipSpace(object, i); object[i] == ',' {
			i = skipSpace(object, i+1)
		}
	}
	return nil
}

// eachElement visits the elements of a JSON array whose grammar was checked before; it stops at the first error.
func eachElement(array []byte, visit func(element []byte) error) error {
	i := skipSpace(array, 1)
	for array[i] != ']' {
		end, err := skipValue(array, i)
		if err != nil {
			return err
		}
		if err := visit(array[i:end:end]); err != nil {
			return err
		}
		if i = skipSpace(array, end); array[i] == ',' {
			i = skipSpace(array, i+1)
		}
	}
	return nil
}

// unquote gives the text of a JSON string whose grammar was checked; ok is false where value is no string. The text points
// into value unless it has escapes.
func unquote(value []byte) (text []byte, ok bool) {
	if len(value) < 2 || value[0] != '"' {
		return nil, false
	}
	inner := value[1 : len(value)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner, true
	}
	var decoded string
	if err := json.Unmarshal(value, &decoded); err != nil {
		return nil, false
	}
	return []byte(decoded), true
}

func textOf(value []byte) string {
	text, _ := unquote(value)
	return string(text)
}

// shorten cuts a value for an error message.
func shorten(value []byte) []byte {
	const most = 80
	if len(value) <= most {
		return value
	}
	return append(bytes.ToValidUTF8(value[:most:most], nil), "…"...)
}

// shortenText cuts text to at most so many bytes and says so.
func shortenText(text string, most int) string {
	if len(text) <= most {
		return text
	}
	note := "… (" + strconv.Itoa(len(text)) + " bytes, cut)"
	return strings.ToValidUTF8(text[:max(0, most-len(note))], "") + note
}
