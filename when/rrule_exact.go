package when

import "time"

// exactPeriods are the periods of a rule of hours, minutes or seconds: every so many of them counted in exact time from the one that has
// the anchor in it. Each has a window in which occurrences can lie: a single instant as far into the period as the anchor
// is, or the whole of what the rule's own minutes and seconds choose from.
type exactPeriods struct {
	loc    *time.Location
	first  int64 // where the anchor's period begins
	step   int64 // from one period to the next
	unit   int64 // the length of a period
	offset int64 // where the window begins within the period
	length int64 // of the window
	stride int64 // the windows come at times of day that are this far apart, or a multiple of it
}

// manyMisses is after how many steps that find nothing it is looked at whether anything can come at all.
const manyMisses = 64

func (p *exactPeriods) count(e *expansion, shows int64, loc *time.Location) {
	p.loc = loc
	p.unit = [...]int64{secondly: second, minutely: minute, hourly: hour}[e.freq]
	into := floorMod(shows, p.unit)
	p.first, p.step = e.anchor-into, e.interval*p.unit
	switch {
	case e.freq == hourly && e.minutes != 0, e.freq == minutely && e.seconds != 0:
		p.offset, p.length = 0, p.unit
	case e.freq == hourly && e.seconds != 0:
		p.offset, p.length = into-into%minute, minute
	default:
		p.offset, p.length = into, 1
	}
	p.stride = gcd(p.step, day)
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// up gives the first instant from x on that lies in a window, down the last one up to x.
func (p *exactPeriods) up(x int64) int64 {
	k := floorDiv(x-p.first, p.step)
	begin := p.first + k*p.step + p.offset
	switch {
	case x < begin:
		return begin
	case x < begin+p.length:
		return x
	}
	return begin + p.step
}

func (p *exactPeriods) down(x int64) int64 {
	k := floorDiv(x-p.first, p.step)
	end := p.first + k*p.step + p.offset + p.length - 1
	switch {
	case x > end:
		return end
	case x > end-p.length:
		return x
	}
	return end - p.step
}

// comes says whether any time of day can both be in a window and be one of the rule's while clocks are ahead by an offset: every 24
// hours from ten never comes to nine.
func (e *expansion) comes(offset int64) bool {
	p := &e.exact
	begin := floorMod(p.first+p.offset+offset, p.stride)
	switch {
	case minute%p.stride == 0: // the same in each minute
		return e.meets(begin, head(uint64(e.times.hours))*hour+head(e.times.minutes)*minute, minute)
	case hour%p.stride == 0:
		return e.meets(begin, head(uint64(e.times.hours))*hour, hour)
	}
	return e.meets(begin, 0, day)
}

// meets says whether a window lies at one of the rule's times in a part of the day, where windows come at a time of day and every stride
// from it.
func (e *expansion) meets(begin, from, length int64) bool {
	p := &e.exact
	for rest := begin; rest < begin+length; rest += p.stride {
		window := from + rest%length
		if at, ok := e.times.from(window); ok && at < window+p.length {
			return true
		}
	}
	return false
}

// verdict remembers what comes said of offsets; nearly all zones go to and fro between two.
type verdict struct {
	offsets [2]int64
	comes   [2]bool
	used    int
}

func (v *verdict) of(e *expansion, offset int64) bool {
	for i := range min(v.used, len(v.offsets)) {
		if v.offsets[i] == offset {
			return v.comes[i]
		}
	}
	i := v.used % len(v.offsets)
	v.used++
	v.offsets[i], v.comes[i] = offset, e.comes(offset)
	return v.comes[i]
}

// nextRaw gives the first instant from x on in a window and at one of the rule's times, whatever its position.
func (e *expansion) nextRaw(x int64) (int64, bool) {
	z := stretchAt(x, e.exact.loc)
	known := verdict{}
	for misses := 0; ; misses++ {
		if x = e.exact.up(x); x >= z.end {
			z = stretchAt(x, e.exact.loc)
		}
		if x > lastReading {
			return 0, false
		}
		shows, ok := e.from(x + z.offset)
		at := shows - z.offset
		switch {
		case !ok:
			return 0, false
		case at == x:
			return x, true
		case misses > manyMisses && !known.of(e, z.offset):
			at = z.end
		}
		if x = at; x >= z.end {
			if z.end == forever {
				return 0, false
			}
			x = z.end
			z = stretchAt(x, e.exact.loc)
		}
	}
}

// previousRaw gives the last such instant up to x, but none before the anchor's period.
func (e *expansion) previousRaw(x int64) (int64, bool) {
	z := stretchAt(x, e.exact.loc)
	known := verdict{}
	for misses := 0; ; misses++ {
		if x = e.exact.down(x); x < z.start {
			z = stretchAt(x, e.exact.loc)
		}
		if x < e.exact.first {
			return 0, false
		}
		shows, ok := e.upTo(x + z.offset)
		at := shows - z.offset
		switch {
		case !ok:
			return 0, false
		case at == x:
			return x, true
		case misses > manyMisses && !known.of(e, z.offset):
			if z.start == never {
				return 0, false
			}
			at = z.start - 1
		}
		if x = at; x < z.start {
			x = z.start - 1
			z = stretchAt(x, e.exact.loc)
		}
	}
}

func (e *expansion) exactAfter(t int64) (int64, bool) {
	if t >= lastReading {
		return 0, false
	}
	if len(e.positions) == 0 {
		return e.nextRaw(t + 1)
	}
	x := e.periodStart(t + 1)
	for {
		found, ok := e.nextRaw(x)
		if !ok {
			return 0, false
		}
		start := e.periodStart(found)
		if at, _, ok, _ := e.exactPositions(start, t+1); ok {
			return at, true
		}
		x = start + e.exact.step
	}
}

func (e *expansion) exactLatest(t int64) (int64, bool) {
	if len(e.positions) == 0 {
		at, ok := e.previousRaw(t)
		return at, ok && at >= e.anchor
	}
	x := e.periodStart(t) + e.exact.unit - 1
	for {
		found, ok := e.previousRaw(x)
		if !ok {
			return 0, false
		}
		start := e.periodStart(found)
		if _, at, _, ok := e.exactPositions(start, t); ok {
			return at, at >= e.anchor
		}
		x = start - 1
	}
}

// periodStart gives where the period begins of which an instant is one, or the last one before it.
func (e *expansion) periodStart(x int64) int64 {
	return e.exact.first + floorDiv(x-e.exact.first, e.exact.step)*e.exact.step
}

// exactPositions gives the first instant from x on, and the last up to it, that BYSETPOS means within the period from start.
func (e *expansion) exactPositions(start, x int64) (next, previous int64, hasNext, hasPrevious bool) {
	total := 0
	for at, ok := e.nextRaw(start); ok && at < start+e.exact.unit; at, ok = e.nextRaw(at + 1) {
		total++
	}
	index := 0
	for at, ok := e.nextRaw(start); ok && index < total; at, ok = e.nextRaw(at + 1) {
		index++
		if !e.hasPosition(index, total) {
			continue
		}
		if at >= x && !hasNext {
			next, hasNext = at, true
		}
		if at <= x {
			previous, hasPrevious = at, true
		}
	}
	return next, previous, hasNext, hasPrevious
}

func (e *expansion) hasPosition(index, total int) bool {
	for _, position := range e.positions {
		if position == index || position == index-total-1 {
			return true
		}
	}
	return false
}
