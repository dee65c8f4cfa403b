package when

import "math/bits"

const (
	all60          = 1<<60 - 1
	anyMillisecond = -1
)

// dayTimes is the times of day at which some hours, minutes and seconds meet, in milliseconds since midnight.
type dayTimes struct {
	hours   uint32
	minutes uint64
	seconds uint64
	ms      int64 // within each second, or anyMillisecond

	first, last int64
	total       int // how many there are, not counting milliseconds
}

func (d *dayTimes) prepare() {
	d.first, _ = d.from(0)
	d.last, _ = d.upTo(day - 1)
	d.total = bits.OnesCount32(d.hours) * bits.OnesCount64(d.minutes) * bits.OnesCount64(d.seconds)
}

// at gives the time of an index below total.
func (d *dayTimes) at(index int) int64 {
	seconds, minutes := bits.OnesCount64(d.seconds), bits.OnesCount64(d.minutes)
	s := nthBit(d.seconds, index%seconds)
	m := nthBit(d.minutes, index/seconds%minutes)
	h := nthBit(uint64(d.hours), index/seconds/minutes)
	return int64(h)*hour + int64(m)*minute + int64(s)*second + d.ms
}

// from gives the first of the times from one on; false where the day has no more.
func (d *dayTimes) from(rest int64) (int64, bool) {
	low := int64(0)
	if d.ms != anyMillisecond {
		low = d.ms
		if rest%second > low {
			rest += second
		}
		rest += low - rest%second
	}
	h, m, s := rest/hour, rest%hour/minute, rest%minute/second
	if d.hours>>h&1 != 0 {
		if d.minutes>>m&1 != 0 {
			if d.seconds>>s&1 != 0 {
				return rest, true
			}
			if later := d.seconds >> s; later != 0 {
				return rest - rest%minute + (s+tail(later))*second + low, true
			}
		}
		if later := d.minutes >> (m + 1); later != 0 {
			return rest - rest%hour + (m+1+tail(later))*minute + tail(d.seconds)*second + low, true
		}
	}
	later := uint64(d.hours >> (h + 1))
	if later == 0 {
		return 0, false
	}
	return (h+1+tail(later))*hour + tail(d.minutes)*minute + tail(d.seconds)*second + low, true
}

// upTo gives the last of the times up to one; false where the day has none before.
func (d *dayTimes) upTo(rest int64) (int64, bool) {
	high := second - 1
	if d.ms != anyMillisecond {
		high = d.ms
		if rest%second < high {
			rest -= second
		}
		if rest < 0 {
			return 0, false
		}
		rest += high - rest%second
	}
	h, m, s := rest/hour, rest%hour/minute, rest%minute/second
	if d.hours>>h&1 != 0 {
		if d.minutes>>m&1 != 0 {
			if d.seconds>>s&1 != 0 {
				return rest, true
			}
			if earlier := d.seconds & (1<<s - 1); earlier != 0 {
				return rest - rest%minute + head(earlier)*second + high, true
			}
		}
		if earlier := d.minutes & (1<<m - 1); earlier != 0 {
			return rest - rest%hour + head(earlier)*minute + head(d.seconds)*second + high, true
		}
	}
	earlier := uint64(d.hours) & (1<<h - 1)
	if earlier == 0 {
		return 0, false
	}
	return head(earlier)*hour + head(d.minutes)*minute + head(d.seconds)*second + high, true
}

// tail and head give the lowest and the highest number of a set that is not empty.
func tail(set uint64) int64 { return int64(bits.TrailingZeros64(set)) }
func head(set uint64) int64 { return int64(bits.Len64(set)) - 1 }
