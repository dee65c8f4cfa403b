package when

import "math/bits"

const lastYear = 9999

// cronYears is a set of years, 1 to 9999; nil is all of them.
type cronYears struct {
	bits [157]uint64
	text string // as it was written
}

// add adds every step-th year from a to b.
func (y *cronYears) add(a, b, step int) {
	if y == nil {
		return // every year
	}
	for v := a; v <= b; v += step {
		y.bits[v/64] |= 1 << (v % 64)
	}
}

// next gives the first year of the set from year on; one after the last that can be written where there is none.
func (y *cronYears) next(year int) int {
	if y == nil || year > lastYear {
		return year
	}
	at := max(year, 1)
	for word := y.bits[at/64] >> (at % 64) << (at % 64); ; word = y.bits[at/64] {
		if word != 0 {
			return at&^63 + bits.TrailingZeros64(word)
		}
		if at = at&^63 + 64; at > lastYear {
			return lastYear + 1
		}
	}
}

// previous gives the last year of the set up to year; 0 where there is none.
func (y *cronYears) previous(year int) int {
	if y == nil || year < 1 {
		return year
	}
	at := min(year, lastYear)
	for word := y.bits[at/64] << (63 - at%64) >> (63 - at%64); ; word = y.bits[at/64] {
		if word != 0 {
			return at&^63 + 63 - bits.LeadingZeros64(word)
		}
		if at = at&^63 - 1; at < 1 {
			return 0
		}
	}
}

func (y *cronYears) has(year int) bool {
	return y == nil || y.bits[year/64]>>(year%64)&1 != 0
}

// full says whether no year is left out.
func (y *cronYears) full() bool {
	if y == nil {
		return true
	}
	n := 0
	for _, word := range y.bits {
		n += bits.OnesCount64(word)
	}
	return n == lastYear
}
