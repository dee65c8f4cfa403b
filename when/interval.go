package when

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const (
	second = int64(1000)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
	// longest bounds every length of time, in milliseconds: the ten thousand years that dates can span.
	longest = 3_652_425 * day
)

// interval is a length of time: months and days count in wall time, the rest is exact milliseconds.
type interval struct{ months, days, ms int64 }

func (v interval) zero() bool { return v == interval{} }

// exact says whether v is the same length everywhere.
func (v interval) exact() bool { return v.months == 0 && v.days == 0 }

// mean is the average length of v in milliseconds.
func (v interval) mean() float64 {
	const month = 365.2425 / 12 * float64(day)
	return float64(v.months)*month + float64(v.days)*float64(day) + float64(v.ms)
}

// plus adds w; ok is false where the sum leaves the years that dates can span.
func (v interval) plus(w interval) (sum interval, ok bool) {
	sum = interval{v.months + w.months, v.days + w.days, v.ms + w.ms}
	return sum, sum.mean() <= float64(longest)
}

// after gives the instant that lies times v after from: months first, then days, both in the wall time of loc and counted
// from the first date, then the rest. A day of the month that does not exist becomes the month's last. ok is false
// beyond the year 9999.
func (v interval) after(from time.Time, times int64, loc *time.Location) (t time.Time, ok bool) {
	if float64(times)*v.mean() > float64(longest) {
		return time.Time{}, false
	}
	if times == 0 {
		return from, true
	}
	t = from
	if !v.exact() {
		w := wallOf(from, loc)
		if months := v.months * times; months != 0 {
			w = w.addMonths(months)
		}
		t = wall{w.AddDate(0, 0, int(v.days*times))}.instant(loc)
	}
	t = time.UnixMilli(t.UnixMilli() + v.ms*times).UTC()
	return t, inYears(t)
}

func (w wall) addMonths(months int64) wall {
	year, month, dayOfMonth := w.Date()
	count := int64(year)*12 + int64(month-1) + months
	toYear, toMonth := int(count/12), time.Month(count%12+1)
	dayOfMonth = min(dayOfMonth, daysIn(toYear, toMonth))
	return wall{time.Date(toYear, toMonth, dayOfMonth, w.Hour(), w.Minute(), w.Second(), w.Nanosecond(), time.UTC)}
}

// String writes v as an ISO 8601 duration, the same for all ways to write the same interval.
func (v interval) String() string {
	b := []byte{'P'}
	part := func(n int64, unit byte) {
		if n != 0 {
			b = append(strconv.AppendInt(b, n, 10), unit)
		}
	}
	part(v.months/12, 'Y')
	part(v.months%12, 'M')
	part(v.days, 'D')
	if v.ms != 0 {
		b = append(b, 'T')
		part(v.ms/hour, 'H')
		part(v.ms%hour/minute, 'M')
		if rest := v.ms % minute; rest != 0 {
			b = strconv.AppendInt(b, rest/second, 10)
			if rest%second != 0 {
				b = append(b, strings.TrimRight(fmt.Sprintf(".%03d", rest%second), "0")...)
			}
			b = append(b, 'S')
		}
	}
	if len(b) == 1 {
		return "PT0S"
	}
	return string(b)
}

// unit is what a number of something counts: one of the fields is set.
type unit = interval

// keyUnit knows the keys of a repeat object: long, singular and short. In short keys M is months and m is minutes.
func keyUnit(key string) (u unit, long string, ok bool) {
	switch key {
	case "years", "year", "y":
		return unit{months: 12}, "years", true
	case "months", "month", "M":
		return unit{months: 1}, "months", true
	case "weeks", "week", "w":
		return unit{days: 7}, "weeks", true
	case "days", "day", "d":
		return unit{days: 1}, "days", true
	case "hours", "hour", "h":
		return unit{ms: hour}, "hours", true
	case "minutes", "minute", "m":
		return unit{ms: minute}, "minutes", true
	case "seconds", "second", "s":
		return unit{ms: second}, "seconds", true
	case "milliseconds", "millisecond", "ms":
		return unit{ms: 1}, "milliseconds", true
	}
	return unit{}, "", false
}

// wordUnit knows the units in phrases: those of keyUnit but M, which in a phrase could be either, and the usual abbreviations.
func wordUnit(word string) (u unit, ok bool) {
	if word == "M" {
		return unit{}, false
	}
	word = strings.ToLower(word)
	switch word {
	case "yr", "yrs":
		word = "y"
	case "hr", "hrs":
		word = "h"
	case "min", "mins":
		word = "m"
	case "sec", "secs":
		word = "s"
	case "msec", "msecs":
		word = "ms"
	}
	u, _, ok = keyUnit(word)
	return u, ok
}

var (
	errTooLong  = errors.New("more than ten thousand years")
	errFraction = errors.New("years and months must be whole numbers")
	errSmall    = errors.New("smaller than a millisecond")
)

// isNumber says whether text is digits with an optional fraction after a point or comma.
func isNumber(text string) bool {
	if i := strings.IndexAny(text, ".,"); i >= 0 {
		return isDigits(text[:i]) && isDigits(text[i+1:])
	}
	return isDigits(text)
}

// quantity gives number times u, where number is digits with an optional fraction after a point or comma. A fraction of days or
// weeks becomes hours and below.
func quantity(number string, u unit) (interval, error) {
	if !isNumber(number) {
		return interval{}, fmt.Errorf("%s is no number", quote(number))
	}
	whole, fraction, _ := strings.Cut(strings.ReplaceAll(number, ",", "."), ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || float64(n)*u.mean() > float64(longest) {
		return interval{}, errTooLong
	}
	v := interval{n * u.months, n * u.days, n * u.ms}
	fraction = strings.TrimRight(fraction, "0")
	if fraction == "" {
		return v, nil
	}
	if u.months != 0 {
		return interval{}, errFraction
	}
	part, err := strconv.ParseFloat("0."+fraction, 64)
	if err != nil {
		return interval{}, fmt.Errorf("%s is no number", quote(number))
	}
	v.ms += int64(math.Round(part * float64(u.days*day+u.ms)))
	if v.zero() {
		return interval{}, errSmall
	}
	return v, nil
}
