package when

import (
	"encoding/json"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestMovedToPassesOverClosures: what is passed over at once is what a look at each day passes over.
func TestMovedToPassesOverClosures(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		loc, err := LoadLocation(rapid.SampledFrom(someZones).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		about := drawInstant(t, loc, "about")
		date := func(label string) time.Time {
			return time.UnixMilli(about + rapid.Int64Range(-500, 500).Draw(t, label)*day + rapid.Int64Range(0, 23).Draw(t, label+" hour")*hour).UTC()
		}
		var except []string
		for range rapid.IntRange(1, 4).Draw(t, "closures") {
			first := date("first")
			last := first.Add(time.Duration(rapid.SampledFrom([]int64{0, 1, 3, 30, 200, 365, 400}).Draw(t, "days")) * 24 * time.Hour)
			shape := rapid.SampledFrom([]string{time.DateOnly, time.RFC3339}).Draw(t, "shape")
			except = append(except, first.Format(shape)+"/"+last.Format(shape))
		}
		raw, err := json.Marshal(map[string]any{
			"cron": "0 9 * * *", "adjust": rapid.SampledFrom([]string{"next", "previous"}).Draw(t, "adjust"), "except": except,
		})
		if err != nil {
			t.Fatal(err)
		}
		r, err := ParseRule(raw, Scope{Zone: loc})
		if err != nil {
			t.Fatal(err)
		}
		from := reading(date("from").UnixMilli(), loc)
		got, ok := r.movedTo(from)
		want, wantOK := r.movedDayByDay(from)
		if got != want || ok != wantOK {
			t.Fatalf("%s in %s: %s goes to %s, want %s", raw, loc, time.UnixMilli(from).UTC(), show(got, ok), show(want, wantOK))
		}
	})
}

func (r *Rule) movedDayByDay(shows int64) (int64, bool) {
	step := day
	if r.adjust == toPrevious {
		step = -step
	}
	for range farthest {
		if shows += step; !r.closed(shows) {
			return instantsOf(shows, r.loc).first, true
		}
	}
	return 0, false
}
