package when

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Words says in English when the rule fires: "at 09:00 on the second Monday of every month, in Europe/Berlin, 10 times in all".
func (r *Rule) Words() string {
	var parts []string
	zones := r.zones()
	for i := range r.members {
		m := &r.members[i]
		text := m.series.words()
		if loc := m.series.zone(); zones > 1 {
			text += " in " + loc.String()
		} else if loc.String() != r.loc.String() {
			text += ", in " + loc.String()
		}
		if m.begun {
			text += " from " + r.said(m.start)
		}
		if m.until < lastReading {
			text += " until " + r.said(m.until)
		}
		parts = append(parts, text+m.exceptions(r))
	}
	text := joined(parts, "and")
	if name := r.loc.String(); name != "UTC" && name != "Etc/UTC" && zones == 1 && r.members[0].series.zone().String() == name {
		text += ", in " + r.loc.String()
	}
	text += [...]string{
		"", ", moved to the next business day", ", moved to the previous business day", ", on business days only",
	}[r.adjust]
	if r.except != nil {
		text += ", except " + r.except.words()
	}
	if r.bounded {
		text += ", from " + r.said(r.from)
	}
	if r.until < lastReading {
		text += ", until " + r.said(r.until)
	}
	switch {
	case r.limit == 1:
		text += ", once in all"
	case r.limit > 1:
		text += ", " + strconv.FormatInt(r.limit, 10) + " times in all"
	}
	if r.jitter > 0 {
		text += ", up to " + interval{ms: r.jitter.Milliseconds()}.amounts() + " later"
	}
	return text
}

// zones counts the zones that the recurrences are in.
func (r *Rule) zones() int {
	n := 1
	for i := 1; i < len(r.members); i++ {
		name := r.members[i].series.zone().String()
		if !slices.ContainsFunc(r.members[:i], func(m member) bool { return m.series.zone().String() == name }) {
			n++
		}
	}
	return n
}

func (m *member) exceptions(r *Rule) string {
	text := ""
	if len(m.extra) > 0 {
		text += " and on " + r.dates(m.extra)
	}
	if len(m.except) > 0 {
		text += " but not on " + r.dates(m.except)
	}
	return text
}

// mostSaid is how many dates of a list are said.
const mostSaid = 3

func (r *Rule) dates(all []int64) string {
	said := make([]string, 0, mostSaid+1)
	for _, at := range all[:min(len(all), mostSaid)] {
		said = append(said, r.said(at))
	}
	if more := len(all) - mostSaid; more > 0 {
		said = append(said, strconv.Itoa(more)+" more dates")
	}
	return joined(said, "and")
}

// said gives an instant as the clocks of the rule's zone show it, as short as it can be.
func (r *Rule) said(at int64) string {
	t := time.UnixMilli(at).In(r.loc)
	switch {
	case t.Hour() == 0 && t.Minute() == 0 && t.Second() == 0 && t.Nanosecond() == 0:
		return t.Format("2006-01-02")
	case t.Second() == 0 && t.Nanosecond() == 0:
		return t.Format("2006-01-02 15:04")
	case t.Nanosecond() == 0:
		return t.Format("2006-01-02 15:04:05")
	}
	if next := t.Add(time.Millisecond); next.Hour() == 0 && next.Minute() == 0 && next.Second() == 0 {
		return "the end of " + t.Format("2006-01-02")
	}
	return t.Format("2006-01-02 15:04:05.000")
}

func (e *exclusions) words() string {
	all := e.text[:min(len(e.text), mostSaid)]
	said := make([]string, 0, len(all)+2)
	for _, text := range all {
		said = append(said, strings.Replace(text, "/", " to ", 1))
	}
	if more := len(e.text) - len(all); more > 0 {
		said = append(said, strconv.Itoa(more)+" more dates")
	}
	for _, id := range e.calendars {
		said = append(said, "the days of the calendar "+id)
	}
	return joined(said, "and")
}
