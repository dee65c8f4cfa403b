package when

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// String writes the rule as a repeat that reads as the same rule: a text where a recurrence is all there is, else an object. The zone
// is in it only where the rule names one.
func (r *Rule) String() string { return r.text(true) }

// Identity is the same for all ways to write the same occurrences, and differs where the occurrences do: limit, until and jitter,
// which end or delay but do not move them, are left out; the zone and what the calendars say are in it.
func (r *Rule) Identity() string {
	text := r.text(false)
	if r.loc != time.UTC {
		text += " " + r.loc.String()
	}
	return text
}

// CalendarState tells what the rule's calendars said when it was read; "" for none.
func (r *Rule) CalendarState() string {
	if r.except == nil {
		return ""
	}
	digests := make([]string, 0, len(r.except.nested))
	for _, c := range r.except.nested {
		digests = append(digests, c.digest)
	}
	return strings.Join(digests, ",")
}

func (r *Rule) text(whole bool) string {
	var parts []string
	put := func(key string, value any) {
		text, err := json.Marshal(value)
		if err == nil {
			parts = append(parts, strconv.Quote(key)+":"+string(text))
		}
	}
	if r.bounded {
		put("from", Format(time.UnixMilli(r.from)))
	}
	if r.except != nil {
		put("except", r.except.list())
	}
	if r.adjust != noAdjustment {
		put("adjust", [...]string{"", "next", "previous", "skip"}[r.adjust])
	}
	if whole {
		r.putBounds(put)
	}
	if len(parts) == 0 && len(r.members) == 1 && !r.members[0].begun && r.members[0].until == lastReading {
		return r.members[0].text()
	}
	if len(r.members) == 1 && !r.members[0].begun && r.members[0].until == lastReading {
		put("every", r.members[0].text())
	} else {
		all := make([]json.RawMessage, len(r.members))
		for i := range r.members {
			all[i] = r.members[i].json()
		}
		put("any", all)
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func (r *Rule) putBounds(put func(key string, value any)) {
	if r.until < lastReading {
		put("until", Format(time.UnixMilli(r.until)))
	}
	if r.limit > 0 {
		put("limit", r.limit)
	}
	if r.jitter > 0 {
		put("jitter", r.jitter.String())
	}
	if r.zoned {
		put("timezone", r.loc.String())
	}
}

// text writes what m is without its own beginning and end.
func (m *member) text() string {
	text := m.series.String()
	if len(m.extra) == 0 && len(m.except) == 0 {
		return text
	}
	if strings.HasPrefix(text, "FREQ=") {
		text = "RRULE:" + text
	}
	lines := []string{text}
	for _, list := range []struct {
		name string
		all  []int64
	}{{"RDATE:", m.extra}, {"EXDATE:", m.except}} {
		dates := make([]string, len(list.all))
		for i, at := range list.all {
			dates[i] = time.UnixMilli(at).UTC().Format("20060102T150405Z")
		}
		if len(dates) > 0 {
			lines = append(lines, list.name+strings.Join(dates, ","))
		}
	}
	return strings.Join(lines, "\n")
}

// json writes m as an element of any.
func (m *member) json() json.RawMessage {
	object := map[string]string{"every": m.text()}
	if m.begun {
		object["from"] = Format(time.UnixMilli(m.start))
	}
	if m.until < lastReading {
		object["until"] = Format(time.UnixMilli(m.until))
	}
	var value any = object
	if len(object) == 1 {
		value = m.text()
	}
	raw, err := json.Marshal(value)
	if err != nil { // strings always marshal
		return nil
	}
	return raw
}

// list gives the exclusions as they are written in a rule.
func (e *exclusions) list() []any {
	all := make([]any, 0, len(e.text)+len(e.calendars))
	for _, text := range e.text {
		all = append(all, text)
	}
	for _, id := range e.calendars {
		all = append(all, map[string]string{"calendar": id})
	}
	return all
}
