package httpd

import (
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
)

// histogram counts values of the last ten seconds in bins, as CouchDB's do: eight to each power of two, so that a figure taken from them is off by
// a sixteenth at most. The zero value is ready for use. Adding takes no lock but once a second.
type histogram struct {
	mu    sync.Mutex // held while a slot is emptied
	slots [histogramSlots]histogramSlot
}

const (
	histogramSeconds = 10
	// histogramSlots are more than the seconds that are shown, so that none is emptied while it is still read.
	histogramSlots = histogramSeconds + 2
	binBits        = 3
	largestPower   = 40 // in microseconds that is twelve days
	histogramBins  = (largestPower - binBits + 2) << binBits
)

// histogramSlot has the values of one second.
type histogramSlot struct {
	second atomic.Int64
	bins   [histogramBins]atomic.Uint32
}

// binOf is the bin of a value. The first ones have one value each.
func binOf(v uint64) int {
	v = min(v, 1<<(largestPower+1)-1)
	power := max(bits.Len64(v)-1, binBits)
	shift := power - binBits
	return shift<<binBits + int(v>>shift) //nolint:gosec // at most twice the number of bins of a power
}

// binValue stands for the values of a bin: the middle of them.
func binValue(bin int) float64 {
	const first = 2 << binBits
	if bin < first {
		return float64(bin)
	}
	shift := bin>>binBits - 1
	low := uint64(bin-shift<<binBits) << shift //nolint:gosec // bins are not negative
	return float64(low) + float64(uint64(1)<<shift-1)/2
}

// add counts a value in a second, which is counted from the server's start.
func (h *histogram) add(second int64, v uint64) {
	slot := &h.slots[second%histogramSlots]
	if slot.second.Load() < second {
		h.turn(slot, second)
	}
	slot.bins[binOf(v)].Add(1)
}

// turn empties a slot for another second. Who comes meanwhile with a value for it waits.
func (h *histogram) turn(slot *histogramSlot, second int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if slot.second.Load() >= second {
		return
	}
	for i := range slot.bins {
		slot.bins[i].Store(0)
	}
	slot.second.Store(second)
}

// binCount is how often values of a bin came, and what stands for them.
type binCount struct {
	value float64
	count float64
}

// counted are the bins with values of the ten seconds that end with this one, the smallest values first. scale divides them.
func (h *histogram) counted(second int64, scale float64) (out []binCount) {
	var sums [histogramBins]uint64
	for i := range h.slots {
		slot := &h.slots[i]
		if age := second - slot.second.Load(); age < 0 || age >= histogramSeconds {
			continue
		}
		for bin := range slot.bins {
			sums[bin] += uint64(slot.bins[bin].Load())
		}
	}
	for bin, n := range sums {
		if n > 0 {
			out = append(out, binCount{binValue(bin) / scale, float64(n)})
		}
	}
	return out
}

// distribution is what CouchDB tells of the values of a histogram.
type distribution struct {
	Min               float64      `json:"min"`
	Max               float64      `json:"max"`
	ArithmeticMean    float64      `json:"arithmetic_mean"`
	GeometricMean     float64      `json:"geometric_mean"`
	HarmonicMean      float64      `json:"harmonic_mean"`
	Median            float64      `json:"median"`
	Variance          float64      `json:"variance"`
	StandardDeviation float64      `json:"standard_deviation"`
	Skewness          float64      `json:"skewness"`
	Kurtosis          float64      `json:"kurtosis"`
	Percentile        [][2]float64 `json:"percentile"` // 999 is the one of 99.9
	Histogram         [][2]float64 `json:"histogram"`  // the values of bins, and how many there were
	N                 float64      `json:"n"`
}

// percentiles are those that are told: CouchDB's name, and the part of all values that are not above it.
var percentiles = [][2]float64{ //nolint:gochecknoglobals // a constant table
	{50, 0.5}, {75, 0.75}, {90, 0.9}, {95, 0.95}, {99, 0.99}, {999, 0.999},
}

// distributionOf computes the figures of values, which come with the smallest first. Of no values all are 0.
func distributionOf(bins []binCount) distribution {
	if len(bins) == 0 {
		bins = []binCount{{}}
	}
	d := distribution{Min: bins[0].value, Max: bins[len(bins)-1].value}
	var sum, logs, inverses float64
	for _, b := range bins {
		d.N += b.count
		sum += b.value * b.count
		logs += math.Log(b.value) * b.count
		inverses += b.count / b.value
		d.Histogram = append(d.Histogram, [2]float64{b.value, b.count})
	}
	for _, p := range percentiles {
		d.Percentile = append(d.Percentile, [2]float64{p[0], percentile(bins, p[1]*d.N)})
	}
	d.Median = d.Percentile[0][1]
	if d.N == 0 {
		return d
	}
	d.ArithmeticMean = sum / d.N
	if d.Min > 0 { // with a zero among the values the other two means are 0
		d.GeometricMean, d.HarmonicMean = math.Exp(logs/d.N), d.N/inverses
	}
	d.spread(bins)
	return d
}

// spread computes what tells how far the values are from their mean, and on which side.
func (d *distribution) spread(bins []binCount) {
	var squares, cubes, fourths float64
	for _, b := range bins {
		off := b.value - d.ArithmeticMean
		squares += off * off * b.count
		cubes += off * off * off * b.count
		fourths += off * off * off * off * b.count
	}
	if d.N < 2 || squares == 0 {
		return
	}
	d.Variance = squares / (d.N - 1)
	d.StandardDeviation = math.Sqrt(d.Variance)
	d.Skewness = cubes / (d.N * math.Pow(d.Variance, 1.5))
	d.Kurtosis = fourths/(d.N*d.Variance*d.Variance) - 3
}

// percentile is the smallest value with so many at or below it.
func percentile(bins []binCount, many float64) float64 {
	for _, b := range bins {
		if many -= b.count; many <= 0 {
			return b.value
		}
	}
	return bins[len(bins)-1].value
}
