package send

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

var noon = time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)

// TestWindow goes through the life of one set of recipients.
func TestWindow(t *testing.T) {
	t.Parallel()
	w := newWindows(10 * time.Minute)
	at := func(d time.Duration) time.Time { return noon.Add(d) }
	wants := func(d time.Duration, want choice, until time.Duration) {
		t.Helper()
		if c, end := w.choose("a", at(d)); c != want || c == gather && !end.IsZero() && !end.Equal(at(until)) {
			t.Errorf("after %v: %v until %v", d, c, end)
		}
	}
	wants(0, alone, 0)
	wants(time.Second, gather, 0) // while the first is being sent
	w.sent("a", at(2*time.Second), false)
	if !w.waits("a") {
		t.Error("nothing waits for the window's end")
	}
	wants(time.Minute, gather, 10*time.Minute+2*time.Second)
	if c, _ := w.choose("b", at(time.Minute)); c != alone {
		t.Errorf("others: %v", c)
	}
	w.withdraw("b")
	wants(11*time.Minute, digest, 0)
	w.begin("a")
	wants(11*time.Minute, gather, 0)
	w.sent("a", at(11*time.Minute), true) // it had no room for all
	wants(11*time.Minute, digest, 0)
	w.begin("a")
	w.sent("a", at(12*time.Minute), false)
	w.forget(at(22 * time.Minute))
	if len(w.sets) != 0 {
		t.Errorf("%d sets are remembered for nothing", len(w.sets))
	}
	wants(22*time.Minute, alone, 0)
	if next := w.failed("a", at(22*time.Minute), time.Minute); !next.Equal(at(23 * time.Minute)) {
		t.Errorf("tried again at %v", next)
	}
	wants(22*time.Minute+time.Second, gather, 23*time.Minute)
	wants(23*time.Minute, digest, 0)
}

// TestWindowsNeverFlood: whatever comes when, however mails go, no two mails that were taken leave for a set within the window, and nobody
// waits for longer than that where nothing fails.
func TestWindowsNeverFlood(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		length := time.Duration(rapid.IntRange(1, 600).Draw(t, "length")) * time.Second
		w, now := newWindows(length), noon
		var last time.Time // when a mail left
		waiting, busy, failed := 0, false, false
		mayFail := rapid.Bool().Draw(t, "may fail")
		var since time.Time // when the oldest that waits came
		leave := func() {
			if !last.IsZero() && now.Sub(last) < length {
				t.Fatalf("a mail left at %v, and another at %v", last, now)
			}
			busy = true
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 300).Draw(t, "pause")) * time.Second)
			if busy {
				if mayFail && rapid.Bool().Draw(t, "fails") {
					failed = true
					w.failed("a", now, time.Second)
					waiting, since = max(waiting, 1), now // it comes again
				} else {
					w.sent("a", now, false)
					last = now
				}
				busy = false
				continue
			}
			if waiting == 0 || rapid.Bool().Draw(t, "another") {
				if waiting++; waiting == 1 {
					since = now
				}
			}
			switch c, until := w.choose("a", now); c {
			case alone:
				waiting--
				leave()
			case digest:
				w.begin("a")
				waiting = 0
				leave()
			default:
				if until.IsZero() || !until.After(now) {
					t.Fatalf("it waits until %v at %v", until, now)
				}
				if !failed && until.Sub(since) > length {
					t.Fatalf("what came at %v waits until %v", since, until)
				}
			}
		}
	})
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	for failures, want := range map[int]time.Duration{0: 5 * time.Second, 1: 5 * time.Second, 2: 10 * time.Second, 5: 80 * time.Second, 1000: time.Hour} {
		if got := backoff(5*time.Second, failures, time.Hour); got != want {
			t.Errorf("after %d failures: %v", failures, got)
		}
	}
}
