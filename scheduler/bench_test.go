package scheduler_test

import (
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/adlayer/after/scheduler"
)

const million = 1_000_000

// spread gives instants over a day, in no order.
func spread() []time.Time {
	r := rand.New(rand.NewPCG(1, 2))
	dues := make([]time.Time, million)
	for i := range dues {
		dues[i] = epoch.Add(time.Duration(r.Int64N(int64(24 * time.Hour))))
	}
	return dues
}

func filled(dues []time.Time) *scheduler.Wheel[int] {
	wheel := scheduler.New[int]()
	wheel.Expire(epoch, nil)
	for key, due := range dues {
		wheel.Add(key, due)
	}
	return wheel
}

func BenchmarkAdd(b *testing.B) {
	dues := spread()
	for b.Loop() {
		filled(dues)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/million, "ns/entry")
}

func BenchmarkRemove(b *testing.B) {
	dues := spread()
	order := rand.New(rand.NewPCG(3, 4)).Perm(million)
	for b.Loop() {
		b.StopTimer()
		wheel := filled(dues)
		b.StartTimer()
		for _, key := range order {
			wheel.Remove(key)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/million, "ns/entry")
}

// BenchmarkExpire lets a day pass second by second.
func BenchmarkExpire(b *testing.B) {
	dues := spread()
	for b.Loop() {
		b.StopTimer()
		wheel := filled(dues)
		b.StartTimer()
		for now := epoch; wheel.Len() > 0; now = now.Add(time.Second) {
			wheel.Expire(now, func(int, time.Time) {})
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/million, "ns/entry")
}

// BenchmarkReplace moves entries to another date with a million of them held.
func BenchmarkReplace(b *testing.B) {
	dues := spread()
	wheel := filled(dues)
	i := 0
	for b.Loop() {
		wheel.Add(i%million, dues[(i+7)%million])
		i++
	}
}

func BenchmarkNext(b *testing.B) {
	wheel := filled(spread())
	for b.Loop() {
		wheel.Next()
	}
}

func BenchmarkMemory(b *testing.B) {
	dues := spread()
	var bytes float64
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		wheel := filled(dues)
		runtime.GC()
		runtime.ReadMemStats(&after)
		bytes = (float64(after.HeapAlloc) - float64(before.HeapAlloc)) / million
		runtime.KeepAlive(wheel)
	}
	b.ReportMetric(bytes, "bytes/entry")
}
