package cli

import (
	"strings"
	"testing"
	"time"
)

// TestSince reads what people say of the past, also on the day after the clocks were changed and on that day.
func TestSince(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	changed := time.Date(2026, 3, 29, 12, 0, 0, 0, berlin) // from two o'clock to three
	for _, test := range []struct {
		text string
		now  time.Time
		want string // an instant, or a part of the error
	}{
		{"", changed, "0001-01-01T00:00:00Z"},
		{"12h", changed, "2026-03-28T22:00:00Z"},
		{"2 days ago", changed, "2026-03-27T10:00:00Z"},
		{"yesterday", changed, "2026-03-27T23:00:00Z"},
		{"Yesterday at 02:30", changed, "2026-03-28T01:30:00Z"},
		{"yesterday at 02:30", changed.AddDate(0, 0, 1), "2026-03-29T01:00:00Z"}, // which there was not: the clocks show three
		{"yesterday 9am", changed.AddDate(0, 0, 1), "2026-03-29T07:00:00Z"},
		{"today at 9am", changed, "2026-03-29T07:00:00Z"},
		{"now", changed, "2026-03-29T10:00:00Z"},
		{"2099-01-01T00:00:00Z", changed, "2099-01-01T00:00:00Z"},
		{"1 month", changed, `"1 month" is still to come`},
		{"tomorrow", changed, `"tomorrow" is still to come`},
		{"yesterdayish", changed, `"yesterdayish" is not understood`},
	} {
		got, err := sinceOf(test.text, test.now, berlin)
		if shown := got.UTC().Format(time.RFC3339); err == nil && shown != test.want || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q at %v: %s, %v, want %s", test.text, test.now, shown, err, test.want)
		}
	}
}
