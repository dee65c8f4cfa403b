package when

import (
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// numbersIn lists the numbers of a set.
func numbersIn(set uint64) []int {
	var all []int
	for ; set != 0; set &= set - 1 {
		all = append(all, bits.TrailingZeros64(set))
	}
	return all
}

// numbered says "minute 30" or "minutes 0, 20 and 40".
func numbered(unit string, set uint64) string {
	var texts []string
	for _, n := range numbersIn(set) {
		texts = append(texts, strconv.Itoa(n))
	}
	if len(texts) > 1 {
		unit += "s"
	}
	return unit + " " + joined(texts, "and")
}

const mondayToFriday = 1<<time.Monday | 1<<time.Tuesday | 1<<time.Wednesday | 1<<time.Thursday | 1<<time.Friday

// weekdayWords says "Monday and Friday", "weekday", "day", from Monday on.
func weekdayWords(set uint8, last string) string {
	switch set {
	case mondayToFriday:
		return "weekday"
	case everyWeekday:
		return "day"
	}
	var names []string
	for i := range 7 {
		if weekday := (i + 1) % 7; set>>weekday&1 != 0 {
			names = append(names, time.Weekday(weekday).String())
		}
	}
	return joined(names, last)
}

// weekdaysWords says "Monday and Friday", "weekdays".
func weekdaysWords(set uint8) string {
	text := weekdayWords(set, "and")
	if set == mondayToFriday || set == everyWeekday {
		text += "s"
	}
	return text
}

func monthWords(set uint16) string {
	var names []string
	for _, n := range numbersIn(uint64(set)) {
		names = append(names, time.Month(n).String())
	}
	return joined(names, "and")
}

// placeWords says "first", "6th", "last", "second-to-last".
func placeWords(n int) string {
	switch {
	case n == -1:
		return "last"
	case n < 0:
		return placeWords(-n) + "-to-last"
	case n <= 5:
		return strings.Fields("first second third fourth fifth")[n-1]
	}
	return ordinal(n)
}

func placesWords(places []int) string {
	texts := make([]string, 0, len(places))
	for _, n := range places {
		if n > 0 {
			texts = append(texts, placeWords(n))
		}
	}
	for _, n := range places {
		if n < 0 {
			texts = append(texts, placeWords(n))
		}
	}
	return joined(texts, "and")
}
