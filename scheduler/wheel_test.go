package scheduler_test

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/adlayer/after/scheduler"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// reference is the wheel in its plainest form: a list that is sorted when asked.
type reference struct {
	entries []due
	order   int
}

type due struct {
	key   int
	at    time.Time
	order int
}

func (r *reference) add(key int, at time.Time) {
	r.remove(key)
	r.order++
	up := at.Truncate(time.Millisecond)
	if up.Before(at) {
		up = up.Add(time.Millisecond)
	}
	r.entries = append(r.entries, due{key, up, r.order})
}

func (r *reference) remove(key int) bool {
	n := len(r.entries)
	r.entries = slices.DeleteFunc(r.entries, func(d due) bool { return d.key == key })
	return len(r.entries) < n
}

func (r *reference) sorted() []due {
	slices.SortFunc(r.entries, func(a, b due) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.order, b.order))
	})
	return r.entries
}

func (r *reference) expire(now time.Time) []string {
	var fired []string
	for _, d := range slices.Clone(r.sorted()) {
		if !d.at.After(now) {
			fired = append(fired, fmt.Sprint(d.key, d.at))
			r.remove(d.key)
		}
	}
	return fired
}

// distances are picked so that every level of the wheel is met, and their edges.
func distance(t *rapid.T) time.Duration {
	unit := rapid.SampledFrom([]time.Duration{
		time.Microsecond, time.Millisecond, time.Second, 2048 * time.Second, 30 * 24 * time.Hour,
	}).Draw(t, "unit")
	return time.Duration(rapid.Int64Range(-5, 5000).Draw(t, "units")) * unit
}

func TestWheelAgainstReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		wheel, ref := scheduler.New[int](), &reference{}
		now := epoch
		if rapid.Bool().Draw(t, "started") {
			wheel.Expire(now, nil)
		}
		key := rapid.IntRange(0, 40)
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				k, at := key.Draw(t, "key"), now.Add(distance(t))
				wheel.Add(k, at)
				ref.add(k, at)
			},
			"far": func(t *rapid.T) {
				k := key.Draw(t, "key")
				at := time.Date(rapid.IntRange(1, 9999).Draw(t, "year"), 12, 31, 23, 59, 59, 0, time.UTC)
				wheel.Add(k, at)
				ref.add(k, at)
			},
			"remove": func(t *rapid.T) {
				k := key.Draw(t, "key")
				if got, want := wheel.Remove(k), ref.remove(k); got != want {
					t.Fatalf("Remove(%d) = %v, want %v", k, got, want)
				}
			},
			"advance": func(t *rapid.T) {
				now = now.Add(distance(t))
				expire(t, wheel, ref, now)
			},
			"back": func(t *rapid.T) {
				now = now.Add(-distance(t))
				expire(t, wheel, ref, now)
			},
			"to the next": func(t *rapid.T) {
				next, ok := wheel.Next()
				if !ok || next.Before(now) {
					t.Skip("nothing ahead")
				}
				early := next.Add(-time.Microsecond)
				if !early.Before(now) {
					expire(t, wheel, ref, early)
				}
				now = next
				if expire(t, wheel, ref, now) == 0 {
					t.Fatalf("nothing fired at Next %v", next)
				}
			},
			"peek": func(t *rapid.T) {
				from := now.Add(distance(t))
				to := from.Add(distance(t))
				peek(t, wheel, ref, from, to)
			},
			"": func(t *rapid.T) { agree(t, wheel, ref) },
		})
		if n := len(ref.entries); n > 0 {
			expire(t, wheel, ref, ref.sorted()[n-1].at)
		}
		if wheel.Len() != 0 {
			t.Fatalf("%d left at the end of time", wheel.Len())
		}
	})
}

func expire(t *rapid.T, wheel *scheduler.Wheel[int], ref *reference, now time.Time) int {
	var fired []string
	wheel.Expire(now, func(key int, at time.Time) {
		if at.After(now) {
			t.Fatalf("%d fired at %v, before %v", key, now, at)
		}
		fired = append(fired, fmt.Sprint(key, at))
	})
	if diff := gocmp.Diff(ref.expire(now), fired); diff != "" {
		t.Fatalf("expire %v (-want +got):\n%s", now, diff)
	}
	return len(fired)
}

func peek(t *rapid.T, wheel *scheduler.Wheel[int], ref *reference, from, to time.Time) {
	want, got := map[int]time.Time{}, map[int]time.Time{}
	for _, d := range ref.entries {
		if !d.at.Before(from.Truncate(time.Millisecond)) && d.at.Before(to.Truncate(time.Millisecond)) {
			want[d.key] = d.at
		}
	}
	wheel.Peek(from, to, func(key int, at time.Time) { got[key] = at })
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Fatalf("peek %v to %v (-want +got):\n%s", from, to, diff)
	}
}

func agree(t *rapid.T, wheel *scheduler.Wheel[int], ref *reference) {
	if wheel.Len() != len(ref.entries) {
		t.Fatalf("Len = %d, want %d", wheel.Len(), len(ref.entries))
	}
	next, ok := wheel.Next()
	if ok != (len(ref.entries) > 0) {
		t.Fatalf("Next says %v with %d entries", ok, len(ref.entries))
	}
	if ok && !next.Equal(ref.sorted()[0].at) {
		t.Fatalf("Next = %v, want %v", next, ref.entries[0].at)
	}
	for _, d := range ref.entries {
		if at, ok := wheel.Due(d.key); !ok || !at.Equal(d.at) {
			t.Fatalf("Due(%d) = %v %v, want %v", d.key, at, ok, d.at)
		}
	}
}

func TestExpireCallbackChangesWheel(t *testing.T) {
	t.Parallel()
	wheel := scheduler.New[string]()
	wheel.Add("first", epoch)
	wheel.Add("second", epoch.Add(time.Millisecond))
	wheel.Add("third", epoch.Add(2*time.Millisecond))
	var fired []string
	expire := func(now time.Time) {
		wheel.Expire(now, func(key string, _ time.Time) {
			fired = append(fired, key)
			if key == "first" {
				wheel.Remove("second")
				wheel.Add("again", epoch)
			}
		})
	}
	expire(epoch.Add(time.Second))
	if diff := gocmp.Diff([]string{"first", "third"}, fired); diff != "" {
		t.Fatal(diff)
	}
	if next, ok := wheel.Next(); !ok || !next.Equal(epoch) {
		t.Fatalf("Next = %v %v, want what the callback added", next, ok)
	}
	expire(epoch.Add(time.Second))
	if diff := gocmp.Diff([]string{"first", "third", "again"}, fired); diff != "" {
		t.Fatal(diff)
	}
}

func TestExpireGoesOnAfterPanic(t *testing.T) {
	t.Parallel()
	wheel := scheduler.New[int]()
	for key := range 3 {
		wheel.Add(key, epoch)
	}
	func() {
		defer func() { _ = recover() }()
		wheel.Expire(epoch, func(int, time.Time) { panic("once") })
	}()
	var fired []int
	wheel.Expire(epoch, func(key int, _ time.Time) { fired = append(fired, key) })
	if diff := gocmp.Diff([]int{1, 2}, fired); diff != "" {
		t.Fatal(diff)
	}
}

func TestPlacesAreUsedAgain(t *testing.T) {
	wheel := scheduler.New[int]()
	fill := func() {
		for key := range 4096 {
			wheel.Add(key, epoch)
		}
		for key := range 4096 {
			wheel.Remove(key)
		}
	}
	fill()
	if allocs := testing.AllocsPerRun(5, fill); allocs > 0 {
		t.Errorf("filling an emptied wheel allocates %v times", allocs)
	}
}

// TestCrowdKeepsItsOrder has many keys on few instants, most of which are removed or moved meanwhile.
func TestCrowdKeepsItsOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		wheel, ref := scheduler.New[int](), &reference{}
		wheel.Expire(epoch, nil)
		ahead := rapid.SampledFrom([]time.Duration{0, time.Second, time.Hour, 24 * time.Hour, 100 * 24 * time.Hour}).Draw(t, "ahead")
		instant := rapid.Int64Range(1, 3)
		for key := range 200 {
			at := epoch.Add(ahead + time.Duration(instant.Draw(t, "instant"))*time.Millisecond)
			wheel.Add(key, at)
			ref.add(key, at)
			k := rapid.IntRange(0, key).Draw(t, "other")
			if rapid.IntRange(0, 2).Draw(t, "what") == 0 {
				wheel.Add(k, at)
				ref.add(k, at)
			} else if got, want := wheel.Remove(k), ref.remove(k); got != want {
				t.Fatalf("Remove(%d) = %v, want %v", k, got, want)
			}
		}
		agree(t, wheel, ref)
		for ms := range 4 {
			expire(t, wheel, ref, epoch.Add(ahead+time.Duration(ms)*time.Millisecond))
		}
		agree(t, wheel, ref)
	})
}

func TestKeyUnequalToItselfFires(t *testing.T) {
	t.Parallel()
	wheel := scheduler.New[float64]()
	wheel.Add(math.NaN(), epoch)
	wheel.Add(math.NaN(), epoch)
	fired := 0
	wheel.Expire(epoch, func(float64, time.Time) { fired++ })
	if fired != 2 || wheel.Len() != 0 {
		t.Fatalf("%d fired, %d left, want 2 and none", fired, wheel.Len())
	}
}
