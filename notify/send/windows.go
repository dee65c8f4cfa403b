package send

import "time"

// windows say when a set of recipients gets a mail. The first one goes at once; what comes within the window after a mail is gathered into the
// next one. They read no clock and hold no notice: those lie in the database.
type windows struct {
	length time.Duration // 0: nothing is gathered
	sets   map[string]*window
}

// window is what is known of one set of recipients since its last mail.
type window struct {
	until    time.Time // no mail before
	gathered bool      // something waits for its end
	busy     bool      // a mail is being sent
	failures int       // mails in a row that were not taken
}

// choice is what becomes of a notice that has to be mailed.
type choice int

const (
	alone  choice = iota // in a mail of its own, now
	gather               // with others, later
	digest               // with what was gathered, now
)

func newWindows(length time.Duration) *windows {
	return &windows{length: length, sets: map[string]*window{}}
}

// choose decides about a notice; until is the end of the window that it waits for, zero where that is not known yet. Who is told alone has to
// say how that ended.
func (w *windows) choose(set string, now time.Time) (c choice, until time.Time) {
	s := w.sets[set]
	switch {
	case s == nil:
		w.sets[set] = &window{busy: true}
		return alone, time.Time{}
	case w.length == 0 && !now.Before(s.until):
		s.busy = true
		return alone, time.Time{}
	case s.busy:
		s.gathered = true
		return gather, time.Time{}
	case now.Before(s.until):
		s.gathered = true
		return gather, s.until
	case s.gathered:
		return digest, time.Time{}
	}
	s.busy = true
	return alone, time.Time{}
}

// begin notes that a mail with what was gathered is being sent.
func (w *windows) begin(set string) {
	if s := w.sets[set]; s != nil {
		s.busy, s.gathered = true, false
	}
}

// sent notes that a mail was taken. With more, it had no room for all that was gathered: the next one goes at once.
func (w *windows) sent(set string, now time.Time, more bool) {
	s := w.sets[set]
	if s == nil {
		return
	}
	s.busy, s.failures, s.until = false, 0, now.Add(w.length)
	if more {
		s.until, s.gathered = now, true
	}
}

// waits says whether something waits for the end of a set's window.
func (w *windows) waits(set string) bool { return w.sets[set] != nil && w.sets[set].gathered }

// failed notes that a mail was not taken, and gives the time of the next one.
func (w *windows) failed(set string, now time.Time, retry time.Duration) time.Time {
	s := w.sets[set]
	if s == nil {
		return now.Add(retry)
	}
	s.failures++
	s.busy, s.until = false, now.Add(backoff(retry, s.failures, mostPause))
	return s.until
}

// withdraw notes that no mail was sent, for a reason that lies not with these recipients.
func (w *windows) withdraw(set string) {
	if s := w.sets[set]; s != nil {
		s.busy = false
		if !s.gathered && s.failures == 0 && s.until.IsZero() {
			delete(w.sets, set) // as if nothing had been
		}
	}
}

// forget drops what says nothing any more.
func (w *windows) forget(now time.Time) {
	for set, s := range w.sets {
		if !s.busy && !s.gathered && (s.failures == 0 && !now.Before(s.until) || now.Sub(s.until) > mostWait) {
			delete(w.sets, set)
		}
	}
}

// settle forgets that something waits where a whole pass, begun after the window's end, found nothing.
func (w *windows) settle(begun time.Time) {
	for _, s := range w.sets {
		if s.gathered && !s.busy && !begun.Before(s.until) {
			s.gathered = false
		}
	}
}

// backoff is how long to wait after so many failures in a row: it doubles from the first to the most.
func backoff(first time.Duration, failures int, most time.Duration) time.Duration {
	const doublings = 20
	return min(first<<min(max(failures-1, 0), doublings), most)
}
