package store_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/adlayer/after/store"
)

// TestSpansAreCutWhileKeysChange holds the counts of spans against the keys themselves.
func TestSpansAreCutWhileKeysChange(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	keys := map[string]bool{}
	s := store.NewSpans(0)
	flip := func(n int) {
		for range n {
			key := fmt.Sprintf("%04d", r.IntN(5000))
			by := int64(1)
			if keys[key] {
				by = -1
				delete(keys, key)
			} else {
				keys[key] = true
			}
			s.Add(key, by)
		}
	}
	for round := range 50 {
		flip(200)
		start, end, bounded := s.Cut(fmt.Sprintf("%04d", r.IntN(5000)))
		starts, counts, last := []string{start}, []int64{0}, ""
		for i, key := range sorted(keys) {
			if key < start || bounded && key >= end {
				continue
			}
			if last = key; i%100 == 99 {
				starts, counts = append(starts, key), append(counts, 0)
			}
			counts[len(counts)-1]++
		}
		flip(50) // while it is being cut
		if round%3 == 0 {
			s.Thin() // which leaves alone what is being cut
		}
		s.Replace(starts, counts, last)
		if round%3 == 1 {
			s.Thin()
		}
		want := sorted(keys)
		from, before := "", int64(0)
		s.Each(func(start string, count int64) {
			at, _ := slices.BinarySearch(want, start)
			if int64(at) != before {
				t.Fatalf("%d keys before %q, the spans count %d", at, start, before)
			}
			if start < from {
				t.Fatalf("a span begins at %q behind one at %q", start, from)
			}
			from, before = start, before+count
		})
		if before != int64(len(want)) {
			t.Fatalf("%d keys, the spans count %d", len(want), before)
		}
	}
}

func sorted(keys map[string]bool) []string {
	list := make([]string, 0, len(keys))
	for key := range keys {
		list = append(list, key)
	}
	slices.Sort(list)
	return list
}
