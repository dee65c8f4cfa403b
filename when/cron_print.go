package when

import (
	"math/bits"
	"strconv"
	"strings"
)

// String writes the line with numbers only, spread fields as what they came to: the same for all ways to write the same one, but that a
// step or a star stays one where it makes the line an interval.
func (l *cronLine) String() string {
	var fields []string
	if l.second.bits != 1 || l.second.steps || l.years != nil {
		fields = append(fields, l.second.text(cronSecond))
	}
	fields = append(fields, l.minute.text(cronMinute), l.hour.text(cronHour))
	days, weekdays := l.dayTexts()
	months := "*"
	if !l.month.all(cronMonth) {
		months = steppedList(l.month.bits, cronMonth)
	}
	fields = append(fields, days, months, weekdays)
	if l.years != nil {
		fields = append(fields, l.years.String())
	}
	return strings.Join(fields, " ")
}

// full gives the set of all values from low to high.
func full(low, high int) uint64 { return (2<<high - 1) >> low << low }

// text writes a field of the time of day. What matters beside its values is whether it has a star or a step.
func (s cronSet) text(field cronField) string {
	low, high := field.bounds()
	switch {
	case !s.steps:
		return list(s.bits)
	case s.bits == full(low, high):
		return "*"
	}
	if first, step, last, ok := progression(s.bits, low, high); ok {
		return stepText(first, step, last, low, high)
	}
	text := list(s.bits)
	if s.last() > s.first()+1 && s.has(s.last()-1) && s.has(s.last()-2) {
		return text + "/1"
	}
	return text + "/" + strconv.Itoa(high-low+1)
}

// steppedList writes a set with a step where that is one part for four values or more, else as list does.
func steppedList(set uint64, field cronField) string {
	low, high := field.bounds()
	if first, step, last, ok := progression(set, low, high); ok && step > 1 && bits.OnesCount64(set) > 3 {
		return stepText(first, step, last, low, high)
	}
	return list(set)
}

func stepText(first, step, last, low, high int) string {
	text := strconv.Itoa(first)
	if first == low {
		text = "*"
	}
	if last+step <= high {
		text = strconv.Itoa(first) + "-" + strconv.Itoa(last)
	}
	return text + "/" + strconv.Itoa(step)
}

// progression says whether a set is every step-th value from first to last; one value alone is, with the field's size as its step.
func progression(set uint64, low, high int) (first, step, last int, ok bool) {
	first, last = bits.TrailingZeros64(set), bits.Len64(set)-1
	if first == last {
		return first, high - low + 1, last, true
	}
	step = bits.TrailingZeros64(set >> first &^ 1)
	for v := first; v <= last; v += step {
		ok = set>>v&1 != 0
		if !ok {
			return first, step, last, false
		}
		set &^= 1 << v
	}
	return first, step, last, set == 0
}

// list writes a set as numbers and ranges.
func list(set uint64) string {
	var b []byte
	for set != 0 {
		first := bits.TrailingZeros64(set)
		n := bits.TrailingZeros64(^(set >> first))
		if n == 2 {
			n = 1 // 1,2 rather than 1-2
		}
		if b != nil {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(first), 10)
		if n > 1 {
			b = append(b, '-')
			b = strconv.AppendInt(b, int64(first+n-1), 10)
		}
		set &^= (1<<n - 1) << first
	}
	return string(b)
}

// starred writes a set that has its field's lowest value in a form that begins with a star.
func starred(set uint64, low, high int) string {
	for step := 2; ; step++ {
		stepped := uint64(0)
		for v := low; v <= high; v += step {
			stepped |= 1 << v
		}
		if stepped&^set == 0 {
			return join("*/"+strconv.Itoa(step), list(set&^stepped))
		}
	}
}

func join(texts ...string) string {
	var kept []string
	for _, text := range texts {
		if text != "" {
			kept = append(kept, text)
		}
	}
	return strings.Join(kept, ",")
}

// dayTexts writes the day and weekday fields. A star matters where both restrict: with one both must agree, without one is enough.
func (l *cronLine) dayTexts() (days, weekdays string) {
	low, high := cronDay.bounds()
	anyDay, anyWeekday := l.day.all(cronDay), l.weekday.all(cronWeekday)
	days, weekdays = join(list(l.day.bits), l.days.String()), join(list(l.weekday.bits), l.week.text(uint8(l.weekday.bits))) //nolint:gosec // bits 0 to 6
	switch {
	case l.either() && (anyDay || anyWeekday), anyDay && anyWeekday:
		return "*", "*"
	case l.either():
		return days, weekdays
	case anyDay:
		return "*", weekdays
	case anyWeekday: // so that a star may begin the day field
		return join(steppedList(l.day.bits, cronDay), l.days.String()), "*"
	case l.day.has(low):
		return join(starred(l.day.bits, low, high), l.days.String()), weekdays
	default:
		low, high = cronWeekday.bounds()
		return days, join(starred(l.weekday.bits, low, high), l.week.text(uint8(l.weekday.bits))) //nolint:gosec // bits 0 to 6
	}
}

func (d cronDays) String() string {
	var texts []string
	back := func(set uint32, suffix string) {
		for ; set != 0; set &= set - 1 {
			text := "L"
			if n := bits.TrailingZeros32(set); n > 0 {
				text += "-" + strconv.Itoa(n)
			}
			texts = append(texts, text+suffix)
		}
	}
	for set := d.near; set != 0; set &= set - 1 {
		texts = append(texts, strconv.Itoa(bits.TrailingZeros32(set))+"W")
	}
	back(d.last, "")
	back(d.nearLast, "W")
	return strings.Join(texts, ",")
}

// text writes the weekdays of a part of the month, but those that come every week.
func (w cronWeek) text(weekly uint8) string {
	var texts []string
	for n, set := range w.nth {
		for set &^= weekly; set != 0; set &= set - 1 {
			texts = append(texts, strconv.Itoa(bits.TrailingZeros8(set))+"#"+strconv.Itoa(n+1))
		}
	}
	for set := w.last &^ weekly; set != 0; set &= set - 1 {
		texts = append(texts, strconv.Itoa(bits.TrailingZeros8(set))+"L")
	}
	return strings.Join(texts, ",")
}

// String writes the years with steps where they are one progression, else as numbers and ranges, or as they were written where that is
// shorter.
func (y *cronYears) String() string {
	first, last := y.next(1), y.previous(lastYear)
	if second := y.next(first + 1); second <= lastYear && second-first > 1 && y.steps(first, last, second-first) {
		step := second - first
		switch {
		case last+step > lastYear && first == (1970-1)%step+1:
			return "*/" + strconv.Itoa(step)
		case last == second:
			return year4(first) + "," + year4(last)
		case last+step > lastYear:
			return year4(first) + "/" + strconv.Itoa(step)
		}
		return year4(first) + "-" + year4(last) + "/" + strconv.Itoa(step)
	}
	var b strings.Builder
	for year := first; year <= lastYear; {
		end := year
		for end < lastYear && y.has(end+1) {
			end++
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		if b.Len() > len(y.text) {
			return y.text
		}
		b.WriteString(year4(year))
		if end > year {
			b.WriteString("-" + year4(end))
		}
		year = y.next(end + 1)
	}
	return b.String()
}

// steps says whether the years are every step-th from first to last.
func (y *cronYears) steps(first, last, step int) bool {
	for year := first; year < last; year += step {
		if y.next(year+1) != year+step {
			return false
		}
	}
	return true
}

func year4(year int) string {
	text := strconv.Itoa(year)
	return "0000"[len(text):] + text
}
