package main

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/adlayer/after/scheduler"
)

// measureWheel runs the wheel's own operations at a million entries.
func measureWheel(context.Context, *rig) ([]figure, error) {
	const entries = 1_000_000
	start := time.Now().Truncate(time.Second)
	due := func(i int) time.Time { return start.Add(time.Duration(i*7919%3_600_000) * time.Millisecond) }
	full := func() *scheduler.Wheel[uint32] {
		w := scheduler.New[uint32]()
		for i := range entries {
			w.Add(uint32(i), due(i))
		}
		return w
	}
	before := heap()
	w := full()
	bytes := float64(heap()-before) / entries
	add := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			full()
		}
	})
	cancel := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			w := full()
			b.StartTimer()
			for i := range entries {
				w.Remove(uint32(i))
			}
		}
	})
	fire := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			w := full()
			b.StartTimer()
			w.Expire(start.Add(2*time.Hour), func(uint32, time.Time) {})
		}
	})
	if w.Len() != entries {
		return nil, fmt.Errorf("the wheel holds %d entries", w.Len())
	}
	return []figure{
		{Name: "add", Value: float64(add.NsPerOp()) / entries, Unit: "ns", Aim: 200, Less: true},
		{Name: "cancel", Value: float64(cancel.NsPerOp()) / entries, Unit: "ns", Aim: 200, Less: true},
		{Name: "fire", Value: float64(fire.NsPerOp()) / entries, Unit: "ns", Aim: 200, Less: true},
		{Name: "memory per entry", Value: bytes, Unit: "bytes"},
	}, nil
}
