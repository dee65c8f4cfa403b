package httpd_test

import (
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/adlayer/after/store/httpd"
)

// TestHistogramFigures compares the figures of bins with those of the values themselves.
func TestHistogramFigures(t *testing.T) {
	t.Parallel()
	var values []uint64
	for i := range 1000 {
		values = append(values, uint64(i*i*7%90_000)+1)
	}
	var h httpd.Histogram
	for _, v := range values {
		h.Add(3, v)
	}
	slices.Sort(values)
	got, n := h.Figures(3), float64(len(values))
	var mean, squares float64
	for _, v := range values {
		mean += float64(v) / n
	}
	for _, v := range values {
		squares += (float64(v) - mean) * (float64(v) - mean)
	}
	for _, f := range []struct {
		name      string
		got, want float64
	}{
		{"n", got.N, n},
		{"min", got.Min, 1},
		{"max", got.Max, float64(values[len(values)-1])},
		{"mean", got.ArithmeticMean, mean},
		{"deviation", got.StandardDeviation, math.Sqrt(squares / (n - 1))},
		{"median", got.Median, float64(values[499])},
		{"90", got.Percentile[2][1], float64(values[899])},
		{"999", got.Percentile[5][1], float64(values[998])},
	} {
		if math.Abs(f.got-f.want) > f.want/12 {
			t.Errorf("%s is %v instead of %v", f.name, f.got, f.want)
		}
	}
	if got.GeometricMean >= got.ArithmeticMean || got.HarmonicMean >= got.GeometricMean || got.HarmonicMean <= 0 {
		t.Errorf("the means are %v, %v and %v", got.ArithmeticMean, got.GeometricMean, got.HarmonicMean)
	}
	if got.Skewness <= 0 || got.Kurtosis < -2 {
		t.Errorf("skewness %v, kurtosis %v", got.Skewness, got.Kurtosis)
	}
}

// TestHistogramBins looks at the bins of values of every size: none is off by more than a sixteenth, nor by half where it is small.
func TestHistogramBins(t *testing.T) {
	t.Parallel()
	for _, v := range []uint64{0, 1, 7, 8, 15, 16, 17, 100, 1023, 1024, 1025, 65_535, 1 << 20, 3<<30 + 5, 1 << 40, 1<<41 - 1} {
		var h httpd.Histogram
		h.Add(0, v)
		if got := h.Figures(0); math.Abs(got.Median-float64(v)) > float64(v)/16 || got.N != 1 || got.Variance != 0 {
			t.Errorf("%d is shown as %+v", v, got)
		}
	}
	var h httpd.Histogram
	h.Add(0, math.MaxUint64)
	if got := h.Figures(0); got.N != 1 {
		t.Errorf("a value without a bin: %+v", got)
	}
}

// TestHistogramForgets: a value is shown for ten seconds, and its place is empty when it is used again.
func TestHistogramForgets(t *testing.T) {
	t.Parallel()
	var h httpd.Histogram
	h.Add(0, 5)
	h.Add(4, 6)
	for second, want := range map[int64]float64{4: 2, 9: 2, 10: 1, 13: 1, 14: 0} {
		if got := h.Figures(second).N; got != want {
			t.Errorf("%v values after %d s instead of %v", got, second, want)
		}
	}
	h.Add(12, 7)
	if got := h.Figures(12); got.N != 2 || got.Max != 7 {
		t.Errorf("after 12 s: %+v", got)
	}
	empty := h.Figures(30)
	if empty.N != 0 || empty.Max != 0 || len(empty.Percentile) != 6 || len(empty.Histogram) != 1 || math.IsNaN(empty.GeometricMean) {
		t.Errorf("nothing is shown as %+v", empty)
	}
}

// TestHistogramTogether adds from several goroutines over the turns of seconds: no value is lost.
func TestHistogramTogether(t *testing.T) {
	t.Parallel()
	const goroutines, each = 8, 2000
	var h httpd.Histogram
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for i := range each {
				h.Add(20+int64(i*9/each), uint64(i))
			}
		})
	}
	wg.Wait()
	if got := h.Figures(28).N; got != goroutines*each {
		t.Errorf("%v values instead of %d", got, goroutines*each)
	}
}

// BenchmarkCounts measures what the figures of a request cost, all at once on every processor.
func BenchmarkCounts(b *testing.B) {
	c := httpd.NewCounts()
	r := httptest.NewRequest(http.MethodGet, "/db/a", http.NoBody)
	b.RunParallel(func(pb *testing.PB) {
		w := httptest.NewRecorder()
		for pb.Next() {
			c.Request(w, r)
		}
	})
}
