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
		if c, end := w.choose("a", at(d), false); c != want || c == gather && !end.Equal(at(until)) {
			t.Errorf("after %v: %v until %v", d, c, end)
		}
	}
	wants(0, alone, 0)
	w.sent("a", at(2*time.Second), false, false)
	wants(time.Minute, gather, 10*time.Minute+2*time.Second)
	if c, _ := w.choose("b", at(time.Minute), false); c != alone {
		t.Errorf("others: %v", c)
	}
	wants(11*time.Minute, digest, 0)
	w.sent("a", at(11*time.Minute), true, false) // it had no room for all
	wants(11*time.Minute, digest, 0)
	w.sent("a", at(12*time.Minute), true, false)
	w.settle(at(13*time.Minute), map[string]bool{"a": true})
	wants(13*time.Minute, digest, 0)
	w.settle(at(13*time.Minute), nil) // there was nothing more
	wants(13*time.Minute, gather, 22*time.Minute)
	w.settle(at(22*time.Minute), nil)
	w.forget(at(22 * time.Minute))
	if len(w.sets) != 0 {
		t.Errorf("%d sets are remembered for nothing", len(w.sets))
	}
	wants(22*time.Minute, alone, 0)
	if next := w.failed("a", at(22*time.Minute), time.Minute); !next.Equal(at(23 * time.Minute)) {
		t.Errorf("tried again at %v", next)
	}
	wants(22*time.Minute+time.Second, gather, 23*time.Minute)
	wants(23*time.Minute, alone, 0) // one is tried
	if next := w.sent("a", at(23*time.Minute), false, false); !next.Equal(at(23 * time.Minute)) {
		t.Errorf("the others follow at %v", next)
	}
	wants(23*time.Minute, digest, 0)
	if c, _ := w.choose("a", at(23*time.Minute), true); c != alone {
		t.Errorf("at a server that has failed: %v", c)
	}
	for range enough {
		if w.some("a") {
			t.Error("those that the server takes mails to are told before the others were waited for")
		}
		w.failed("a", at(24*time.Minute), time.Minute)
	}
	w.sent("a", at(24*time.Minute), false, true)
	w.failed("a", at(24*time.Minute), time.Minute)
	if !w.some("a") {
		t.Error("they are waited for anew")
	}
	w.retry(at(24 * time.Minute))
	wants(24*time.Minute, alone, 0)
}

// TestWindowsNeverFlood: whatever comes when, however mails go, no two mails that were taken leave for a set within the window, but for the
// digest after the one that was tried; and nobody waits for longer than the window where nothing fails.
func TestWindowsNeverFlood(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		length := time.Duration(rapid.IntRange(1, 600).Draw(t, "length")) * time.Second
		w, now := newWindows(length), noon
		var last time.Time // when a mail left
		waiting, failing, failed := 0, false, false
		tried := false // the last mail was one that was tried after a failure
		mayFail := rapid.Bool().Draw(t, "may fail")
		var since time.Time // when the oldest that waits came
		leave := func(notices int) {
			if !last.IsZero() && now.Sub(last) < length && !tried {
				t.Fatalf("a mail left at %v, and another at %v", last, now)
			}
			now = now.Add(time.Duration(rapid.IntRange(0, 30).Draw(t, "takes")) * time.Second)
			if mayFail && rapid.Bool().Draw(t, "fails") {
				w.failed("a", now, time.Second)
				failing, failed, since = true, true, now // it comes again
				return
			}
			w.sent("a", now, false, false)
			waiting -= notices
			last, tried, failing, since = now, failing, false, now
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 300).Draw(t, "pause")) * time.Second)
			if waiting == 0 || rapid.Bool().Draw(t, "another") {
				if waiting++; waiting == 1 {
					since = now
				}
			}
			switch c, until := w.choose("a", now, false); c {
			case alone:
				leave(1)
			case digest:
				if failing {
					t.Fatal("a digest was tried after a failure")
				}
				leave(waiting)
			default:
				if !until.After(now) {
					t.Fatalf("it waits until %v at %v", until, now)
				}
				if !failed && until.Sub(since) > length {
					t.Fatalf("what came at %v waits until %v", since, until)
				}
			}
		}
	})
}
