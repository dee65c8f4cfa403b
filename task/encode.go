package task

import (
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/adlayer/after/when"
)

// Encode gives the whole document as it stands: what nobody changed is byte for byte what Decode was given. The result must not be
// changed, since it may be that very slice.
func (t *Task) Encode() []byte {
	if t.dirty == 0 {
		return t.raw
	}
	b := append(make([]byte, 0, len(t.raw)+768), '{')
	for i := 0; i < len(t.spans); i++ {
		first := i
		for i < len(t.spans) && !t.dirty.has(t.spans[i].name) {
			i++
		}
		if i > first { // a stretch that nobody changed
			b = append(comma(b), t.raw[t.spans[first].key:t.spans[i-1].end]...)
		}
		if i < len(t.spans) && int(t.at[t.spans[i].name]) == i+1 { // of a key that comes twice, the last one counts
			b = t.appendField(b, t.spans[i].name)
		}
	}
	for n := unknown + 1; n < names; n++ {
		if t.dirty.has(n) && t.at[n] == 0 {
			b = t.appendField(b, n)
		}
	}
	return append(b, '}')
}

func comma(b []byte) []byte {
	if b[len(b)-1] == '{' || b[len(b)-1] == '[' {
		return b
	}
	return append(b, ',')
}

// appendKey starts the field of an object.
func appendKey(b []byte, key string) []byte {
	b = append(comma(b), '"')
	b = append(b, key...)
	return append(b, `":`...)
}

// appendField writes a field from the struct; one that is empty there is left out.
func (t *Task) appendField(b []byte, n name) []byte {
	switch n {
	case fieldRev:
		return appendTextField(b, "_rev", t.Rev)
	case fieldStatus:
		return appendTextField(b, "status", string(t.Status))
	case fieldDate:
		return appendRawField(b, "date", t.Date)
	case fieldPlan:
		return appendPlan(b, t.Plan)
	case fieldClaim:
		return appendClaim(b, t.Claim)
	case fieldExecutions:
		return appendNumberField(b, "executions", t.Executions)
	case fieldRepetitions:
		return appendNumberField(b, "repetitions", t.Repetitions)
	case fieldRetries:
		return appendNumberField(b, "retries", t.Retries)
	case fieldSkipped:
		return appendNumberField(b, "skipped", t.Skipped)
	case fieldFailures:
		return appendNumberField(b, "failures", t.Failures)
	case fieldStarted:
		return appendTimeField(b, "started", t.Started)
	case fieldFinished:
		return appendTimeField(b, "finished", t.Finished)
	case fieldDuration:
		return appendNumberField(b, "duration", t.Duration.Milliseconds())
	case fieldLag:
		return appendNumberField(b, "lag", t.Lag.Milliseconds())
	case fieldCallback:
		return appendRawField(b, "callback", t.Callback)
	case fieldResult:
		return appendRawField(b, "result", t.Result)
	case fieldError:
		return appendFailure(b, t.Error)
	case fieldHistory:
		return t.appendHistory(appendKey(b, "history"))
	default: // a person's: never changed here
		return appendRawField(b, n.String(), t.value(n))
	}
}

func appendTextField(b []byte, key, text string) []byte {
	if text == "" {
		return b
	}
	return appendText(appendKey(b, key), text)
}

func appendRawField(b []byte, key string, raw json.RawMessage) []byte {
	if raw == nil {
		return b
	}
	return append(appendKey(b, key), raw...)
}

func appendNumberField(b []byte, key string, n int64) []byte {
	return strconv.AppendInt(appendKey(b, key), n, 10)
}

func appendTimeField(b []byte, key string, at time.Time) []byte {
	if at.IsZero() {
		return b
	}
	b = append(appendKey(b, key), '"')
	return append(when.AppendFormat(b, at), '"')
}

func appendPlan(b []byte, p *Plan) []byte {
	if p == nil {
		return b
	}
	b = append(appendKey(b, "plan"), '{')
	b = appendTimeField(b, "from", p.From)
	b = appendNumberField(b, "index", p.Index)
	b = appendTimeField(b, "nominal", p.Nominal)
	b = appendTimeField(b, "due", p.Due)
	b = appendTextField(b, "key", p.Key)
	b = appendTextField(b, "rule", p.Rule)
	b = appendTextField(b, "calendars", p.Calendars)
	b = appendTimeField(b, "catchup", p.CatchUp)
	b = appendTimeField(b, "skipped", p.Skipped)
	b = appendFlag(b, "interrupted", p.Interrupted)
	b = appendFlag(b, "awaits", p.Awaits)
	b = appendFlag(b, "recovers", p.Recovers)
	b = appendTimeField(b, "done", p.Done)
	b = appendFlag(b, "paused", p.Paused)
	b = appendFlag(b, "ended", p.Ended)
	if last := p.Last; last != nil {
		b = append(appendKey(b, "last"), '{')
		b = appendTimeField(b, "nominal", last.Nominal)
		b = appendTimeField(b, "at", last.At)
		b = append(appendTextField(b, "status", string(last.Status)), '}')
	}
	if back := p.Back; back != nil {
		b = append(appendKey(b, "back"), '{')
		b = appendNumberField(b, "index", back.Index)
		b = appendTimeField(b, "nominal", back.Nominal)
		b = appendTimeField(b, "due", back.Due)
		b = appendTextField(b, "key", back.Key)
		if back.Retries != 0 {
			b = appendNumberField(b, "retries", back.Retries)
		}
		b = appendFlag(b, "interrupted", back.Interrupted)
		b = append(appendFlag(b, "ended", back.Ended), '}')
	}
	return append(b, '}')
}

func appendFlag(b []byte, key string, set bool) []byte {
	if !set {
		return b
	}
	return append(appendKey(b, key), "true"...)
}

func appendClaim(b []byte, c *Claim) []byte {
	if c == nil {
		return b
	}
	b = append(appendKey(b, "claim"), '{')
	b = appendTextField(b, "worker", c.Worker)
	b = appendTextField(b, "member", c.Member)
	b = appendTextField(b, "incarnation", c.Incarnation)
	b = appendNumberField(b, "write", c.Write)
	return append(b, '}')
}

func appendFailure(b []byte, f *Failure) []byte {
	if f == nil {
		return b
	}
	b = append(appendKey(b, "error"), '{')
	b = appendText(appendKey(b, "message"), f.Message)
	b = appendTextField(b, "kind", f.Kind)
	if f.Attempt != 0 {
		b = appendNumberField(b, "attempt", f.Attempt)
	}
	if f.Code != 0 {
		b = appendNumberField(b, "code", f.Code)
	}
	b = appendTimeField(b, "next", f.Next)
	return append(b, '}')
}

// appendText writes a JSON string; bytes that are no UTF-8 become the replacement character.
func appendText(b []byte, text string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := 0; i < len(text); {
		c := text[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(text[i:])
			if r == utf8.RuneError && size == 1 {
				b = append(append(b, text[start:i]...), "\ufffd"...)
				start = i + 1
			}
			i += size
			continue
		}
		if c < ' ' || c == '"' || c == '\\' {
			b = append(b, text[start:i]...)
			switch c {
			case '"', '\\':
				b = append(b, '\\', c)
			case '\n':
				b = append(b, `\n`...)
			case '\t':
				b = append(b, `\t`...)
			default:
				b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			}
			start = i + 1
		}
		i++
	}
	return append(append(b, text[start:]...), '"')
}
