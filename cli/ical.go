package cli

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/adlayer/after/when"
)

// ical writes an iCalendar file (RFC 5545) of what tasks fire in a range.
type ical struct {
	from, until, now time.Time
	b                strings.Builder
	notes            []string
}

// mostEvents bounds the events of a task whose rule iCalendar cannot say.
const mostEvents = 1000

// write gives the file.
func (w *ical) write(courses []*course) string {
	w.line("BEGIN:VCALENDAR")
	w.line("VERSION:2.0")
	w.line("PRODID:-//after//after " + Version() + "//EN")
	w.line("CALSCALE:GREGORIAN")
	w.zones(courses)
	for _, c := range courses {
		w.course(c)
	}
	w.line("END:VCALENDAR")
	return w.b.String()
}

// longestLine is how many octets a line may have.
const longestLine = 75

// line writes a line, folded where it is too long, at no place within a character.
func (w *ical) line(text string) {
	for limit := longestLine; len(text) > limit; limit = longestLine - 1 {
		end := limit
		for !utf8.RuneStart(text[end]) {
			end--
		}
		w.b.WriteString(text[:end] + "\r\n ")
		text = text[end:]
	}
	w.b.WriteString(text + "\r\n")
}

var icalEscapes = strings.NewReplacer(`\`, `\\`, ";", `\;`, ",", `\,`, "\r\n", `\n`, "\n", `\n`, "\r", `\n`)

// icalText makes a value of a text: control characters have no place in one.
func icalText(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f {
			return -1
		}
		return r
	}, icalEscapes.Replace(strings.ToValidUTF8(text, "\uFFFD")))
}

const (
	icalLocal = "20060102T150405"
	icalUTC   = icalLocal + "Z"
)

// course writes the events of a task: one that repeats where iCalendar can say its rule, else one for each date.
func (w *ical) course(c *course) {
	if rule, first, ok := w.recurrence(c); ok {
		start := "DTSTART:" + first.UTC().Format(icalUTC)
		if loc := c.rule.Zone(); loc != time.UTC {
			start = "DTSTART;TZID=" + loc.String() + ":" + first.In(loc).Format(icalLocal)
		}
		lines := []string{start, "RRULE:" + rule}
		moved := w.moved(c)
		for _, f := range moved {
			// iCalendar takes a time in a gap with the offset before it, which is later than the gap's end.
			gap := f.local.Format("20060102") + first.In(f.local.Location()).Format("T150405")
			lines = append(lines, "EXDATE;TZID="+f.local.Location().String()+":"+gap)
		}
		w.event(c, c.task.ID, lines...)
		for _, f := range moved {
			w.event(c, c.task.ID+"@"+f.Date, "DTSTART:"+f.at.UTC().Format(icalUTC))
		}
		return
	}
	n := 0
	for f := range c.firings(w.from) {
		if !f.at.Before(w.until) {
			return
		}
		if n++; n > mostEvents {
			w.notes = append(w.notes, fmt.Sprintf("%s: only its first %d dates are in the file", c.task.ID, mostEvents))
			return
		}
		w.event(c, c.task.ID+"@"+f.Date, "DTSTART:"+f.at.UTC().Format(icalUTC))
	}
}

// moved gives the firings in the range that stand at the end of a gap.
func (w *ical) moved(c *course) (all []firing) {
	for f := range c.firings(w.from) {
		if !f.at.Before(w.until) {
			break
		}
		if f.Mark == when.Moved {
			all = append(all, f)
		}
	}
	return all
}

// event writes one event.
func (w *ical) event(c *course, uid string, lines ...string) {
	w.line("BEGIN:VEVENT")
	w.line("UID:" + icalText(uid+"@after"))
	w.line("DTSTAMP:" + w.now.UTC().Format(icalUTC))
	for _, line := range lines {
		w.line(line)
	}
	w.line("SUMMARY:" + icalText(c.task.ID+": "+c.task.Job+" ("+c.task.Worker+")"))
	description := c.words()
	if note := noteOf(c.task); note != "" {
		description += "\n" + note
	}
	w.line("DESCRIPTION:" + icalText(description))
	w.line("TRANSP:TRANSPARENT")
	w.line("END:VEVENT")
}

// compared is how many dates of a rule and of what iCalendar says in its place have to be the same.
const compared = 500

// recurrence gives the rule of a task as iCalendar says it, up to the end of the range, and the date that it begins with.
func (w *ical) recurrence(c *course) (rule string, first time.Time, ok bool) {
	if c.rule == nil || c.left > 0 {
		return "", first, false
	}
	for f := range c.firings(w.from) {
		first, ok = f.at, f.at.Before(w.until)
		break
	}
	text := asRecurrence(c.rule.String(), first.In(c.rule.Zone()))
	if !ok || text == "" || first.Nanosecond() != 0 || manyTimes.MatchString(text) && len(w.moved(c)) > 0 {
		return "", first, false
	}
	said, err := when.ParseRuleText(text, when.Scope{Zone: c.rule.Zone()})
	if err != nil {
		return "", first, false
	}
	for ours, theirs, n := first, first, 0; n < compared; n++ {
		var more, too bool
		ours, more = c.rule.After(c.from, ours)
		theirs, too = said.After(first, theirs)
		switch {
		case more != too || more && !ours.Equal(theirs):
			return "", first, false
		case !more || ours.After(w.until):
			n = compared
		}
	}
	return text + ";UNTIL=" + w.until.Add(-time.Second).UTC().Format(icalUTC), first, true
}

var (
	isoCalendar = regexp.MustCompile(`^P(\d+)([YMWD])$`)
	manyTimes   = regexp.MustCompile(`BY(HOUR|MINUTE|SECOND)=\d+,`) // which of them a gap concerns is not looked into
	cronFixed   = regexp.MustCompile(`^(\d+) (\d+) (\S+) (\S+) (\S+)$`)
	cronNumbers = regexp.MustCompile(`^\d+(,\d+)*$`)
	cronNth     = regexp.MustCompile(`^([0-7])#([1-5])$`)
	cronLast    = regexp.MustCompile(`^([0-7])L$`)
)

// asRecurrence says the canonical text of a rule as an iCalendar recurrence, where that is at all likely to be the same; "" else. Whether
// it is the same, its dates have to show.
func asRecurrence(text string, first time.Time) string {
	if strings.HasPrefix(text, "FREQ=") {
		return text
	}
	if match := isoCalendar.FindStringSubmatch(text); match != nil {
		return "FREQ=" + map[string]string{"Y": "YEARLY", "M": "MONTHLY", "W": "WEEKLY", "D": "DAILY"}[match[2]] + ";INTERVAL=" + match[1]
	}
	if d, err := when.ParseDuration(text); err == nil && strings.HasPrefix(text, "PT") && d%time.Second == 0 {
		if d%time.Minute == 0 {
			return fmt.Sprintf("FREQ=MINUTELY;INTERVAL=%d", d/time.Minute)
		}
		return fmt.Sprintf("FREQ=SECONDLY;INTERVAL=%d", d/time.Second)
	}
	match := cronFixed.FindStringSubmatch(text)
	if match == nil {
		return ""
	}
	day, month, weekday := match[3], match[4], match[5]
	rule := ""
	switch {
	case day == "*" && weekday == "*":
		rule = "FREQ=DAILY"
	case day == "*":
		rule = weekdayRecurrence(weekday)
	case weekday == "*" && day == "L":
		rule = "FREQ=MONTHLY;BYMONTHDAY=-1"
	case weekday == "*" && cronNumbers.MatchString(day):
		rule = "FREQ=MONTHLY;BYMONTHDAY=" + day
	}
	switch {
	case rule == "" || month != "*" && !cronNumbers.MatchString(month):
		return ""
	case month != "*":
		rule += ";BYMONTH=" + month
	}
	return rule + fmt.Sprintf(";BYHOUR=%d;BYMINUTE=%d;BYSECOND=0", first.Hour(), first.Minute())
}

// weekdayRecurrence says the weekday field of a cron line.
func weekdayRecurrence(field string) string {
	code := func(digit byte) string { return "SUMOTUWETHFRSASU"[2*(digit-'0') : 2*(digit-'0')+2] }
	if match := cronNth.FindStringSubmatch(field); match != nil {
		return "FREQ=MONTHLY;BYDAY=" + match[2] + code(match[1][0])
	}
	if match := cronLast.FindStringSubmatch(field); match != nil {
		return "FREQ=MONTHLY;BYDAY=-1" + code(match[1][0])
	}
	var codes []string
	for part := range strings.SplitSeq(field, ",") {
		from, to := part, part
		if a, b, ok := strings.Cut(part, "-"); ok {
			from, to = a, b
		}
		if len(from) != 1 || len(to) != 1 || from < "0" || to > "7" || from > to {
			return ""
		}
		for digit := from[0]; digit <= to[0]; digit++ {
			codes = append(codes, code(digit))
		}
	}
	return "FREQ=WEEKLY;BYDAY=" + strings.Join(codes, ",")
}

// zones describes the zones of the rules, with their changes in the range.
func (w *ical) zones(courses []*course) {
	known := map[string]*time.Location{}
	var names []string
	for _, c := range courses {
		if _, _, ok := w.recurrence(c); ok && c.rule.Zone() != time.UTC && known[c.rule.Zone().String()] == nil {
			known[c.rule.Zone().String()] = c.rule.Zone()
			names = append(names, c.rule.Zone().String())
		}
	}
	slices.Sort(names)
	for _, name := range names {
		w.zone(name, known[name])
	}
}

func (w *ical) zone(name string, loc *time.Location) {
	w.line("BEGIN:VTIMEZONE")
	w.line("TZID:" + name)
	start := w.from.AddDate(-1, 0, 0).Truncate(24 * time.Hour).UTC()
	w.observance(start, start.In(loc), loc)
	for at := start; at.Before(w.until.AddDate(0, 0, 2)); at = at.Add(24 * time.Hour) {
		next := at.Add(24 * time.Hour)
		if offsetOf(at, loc) == offsetOf(next, loc) {
			continue
		}
		change := at
		for low, high := at, next; high.Sub(low) > time.Second; {
			middle := low.Add(high.Sub(low) / 2).Truncate(time.Second)
			if offsetOf(middle, loc) == offsetOf(at, loc) {
				low = middle
			} else {
				high = middle
			}
			change = high
		}
		w.observance(change, change.Add(-time.Second).In(loc), loc)
	}
	w.line("END:VTIMEZONE")
}

// observance writes from when on clocks show what; before is an instant at which they show what they showed until then.
func (w *ical) observance(change, before time.Time, loc *time.Location) {
	kind := "STANDARD"
	if change.In(loc).IsDST() {
		kind = "DAYLIGHT"
	}
	_, old := before.Zone()
	w.line("BEGIN:" + kind)
	w.line("DTSTART:" + change.UTC().Add(time.Duration(old)*time.Second).Format(icalLocal))
	w.line("TZOFFSETFROM:" + before.Format("-0700"))
	w.line("TZOFFSETTO:" + change.In(loc).Format("-0700"))
	w.line("TZNAME:" + icalText(change.In(loc).Format("MST")))
	w.line("END:" + kind)
}

func offsetOf(t time.Time, loc *time.Location) int {
	_, offset := t.In(loc).Zone()
	return offset
}
