package when

import "time"

// Readings of a clock on a wall are counted like instants: in milliseconds since 1970 as if the clock showed UTC. Days are counted
// from 1 January 1970, weekdays from Sunday, 0.

// firstReading and lastReading bound what can be read and written: the years 1 to 9999.
const (
	firstReading = -62_135_596_800_000
	lastReading  = 253_402_300_799_999
)

// civil is a day of the Gregorian calendar.
type civil struct {
	year  int
	month int // 1 to 12
	day   int // 1 to 31
}

// dayNumber counts the days from 1970 to a civil day. Months and days outside their range go on into the next or previous ones.
func dayNumber(year, month, day int) int64 {
	month--
	year += month / 12
	if month %= 12; month < 0 {
		month += 12
		year--
	}
	// Years begin in March here, so that a leap day is the last of its year.
	if month += 10; month >= 12 {
		month -= 12
	} else {
		year--
	}
	y := int64(year) + 400*400 // never below zero for what is bounded here
	dayOfYear := int64(month*153+2)/5 + int64(day-1)
	return y*365 + y/4 - y/100 + y/400 + dayOfYear - 719_468 - 400*146_097
}

// civilOf is the inverse of dayNumber.
func civilOf(number int64) civil {
	number += 719_468 + 400*146_097
	era := number / 146_097
	ofEra := number % 146_097
	yearOfEra := (ofEra - ofEra/1460 + ofEra/36_524 - ofEra/146_096) / 365
	ofYear := ofEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	month := (5*ofYear + 2) / 153
	c := civil{year: int(yearOfEra + (era-400)*400), month: int(month) + 3, day: int(ofYear-(153*month+2)/5) + 1}
	if c.month > 12 {
		c.month -= 12
		c.year++
	}
	return c
}

// dayOf gives the day number of a reading and what is left of it within the day.
func dayOf(reading int64) (number, rest int64) {
	number = reading / day
	if rest = reading % day; rest < 0 {
		rest += day
		number--
	}
	return number, rest
}

// weekdayAt gives the weekday of a day number, 0 is Sunday.
func weekdayAt(number int64) int {
	w := (number + 4) % 7
	if w < 0 {
		w += 7
	}
	return int(w)
}

func isLeap(year int) bool { return year%4 == 0 && (year%100 != 0 || year%400 == 0) }

// lengthOf gives the days of a month, 1 to 12.
func lengthOf(year, month int) int {
	if month == 2 && isLeap(year) {
		return 29
	}
	return int("\x1f\x1c\x1f\x1e\x1f\x1e\x1f\x1f\x1e\x1f\x1e\x1f"[month-1])
}

// reading gives what clocks in loc show at an instant.
func reading(instant int64, loc *time.Location) int64 {
	if loc == time.UTC {
		return instant
	}
	if instant < tableEnd {
		return instant + stretchAt(instant, loc).offset
	}
	_, offset := time.UnixMilli(instant).In(loc).Zone()
	return instant + int64(offset)*1000
}

// shown is when clocks in a zone show one reading.
type shown struct {
	first  int64 // the instant, or the end of the gap
	second int64 // the later one where the reading comes twice; else first
	gap    bool  // the reading is jumped over
}

// nearChange is how far from a change of the zone a reading is taken to be unambiguous without a closer look: zones differ by
// less than 26 hours, and change by a day at most.
const nearChange = 27 * hour

// instantsOf gives when clocks in loc show a reading.
func instantsOf(reading int64, loc *time.Location) shown {
	if loc == time.UTC {
		return shown{first: reading, second: reading}
	}
	if s := stretchAt(reading, loc); reading-s.start > nearChange && s.end-reading > nearChange {
		return shown{first: reading - s.offset, second: reading - s.offset}
	}
	return instantsNearChange(reading, loc)
}

// instantsNearChange looks at every stretch of constant offset around the reading.
func instantsNearChange(reading int64, loc *time.Location) shown {
	found := shown{}
	none := true
	for at := reading - nearChange; at <= reading+nearChange; {
		s := stretchAt(at, loc)
		if instant := reading - s.offset; instant >= s.start && instant < s.end {
			if none {
				found, none = shown{first: instant}, false
			}
			found.second = instant
		}
		if s.end == forever {
			break
		}
		next := stretchAt(s.end, loc)
		if none && s.end+s.offset <= reading && reading < s.end+next.offset {
			found = shown{first: s.end, second: s.end, gap: true}
		}
		at = s.end
	}
	return found
}
