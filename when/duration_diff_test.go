package when

import (
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/sosodev/duration"

	"github.com/adlayer/after/internal/torture"
)

// randomDuration makes an ISO 8601 duration that the library can read too: it knows no comma, and weeks only alone or with others, as we do.
func randomDuration(r *rand.Rand) string {
	part := func(most int, units string) string {
		var b strings.Builder
		for i := range len(units) {
			if r.IntN(2) == 0 {
				b.WriteString(strconv.Itoa(r.IntN(most)) + units[i:i+1])
			}
		}
		return b.String()
	}
	days, clock := part(100, "YMWD"), part(1000, "HMS")
	if before, ok := strings.CutSuffix(clock, "S"); ok && r.IntN(2) == 0 {
		clock = before + "." + strconv.Itoa(r.IntN(1000)) + "S"
	}
	switch {
	case clock != "":
		return "P" + days + "T" + clock
	case days == "":
		return "P1D"
	}
	return "P" + days
}

// TestDurationsAgainstLibrary: the fields are the same, and so is what a canonical text means to the library.
func TestDurationsAgainstLibrary(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(8601, 1))
	for range torture.Times(100_000) {
		text := randomDuration(r)
		theirs, err := duration.Parse(text)
		if err != nil {
			t.Fatalf("%s: the library: %v", text, err)
		}
		ours, err := parseISO(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if want := fieldsOf(theirs); ours != want {
			t.Fatalf("%s = %v, want %v", text, ours, want)
		}
		again, err := duration.Parse(ours.String())
		if err != nil || fieldsOf(again) != ours {
			t.Fatalf("%s prints as %s, which the library reads as %v, %v", text, ours, again, err)
		}
	}
}

func fieldsOf(d *duration.Duration) interval {
	return interval{
		months: int64(d.Years)*12 + int64(d.Months),
		days:   int64(d.Weeks)*7 + int64(d.Days),
		ms:     int64(d.Hours)*hour + int64(d.Minutes)*minute + int64(math.Round(d.Seconds*1000)),
	}
}
