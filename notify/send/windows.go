package send

import (
	"time"

	"github.com/adlayer/after/internal/wait"
)

// windows say when a set of recipients gets a mail. The first one goes at once; what comes within the window after a mail is gathered into the
// next one. After a failure one notice is tried by itself, and what was gathered follows once that was taken: an attempt costs the same however
// many wait. They read no clock and hold no notice: those lie in the database.
type windows struct {
	length time.Duration // 0: nothing is gathered
	sets   map[string]*window
}

// window is what is known of one set of recipients since its last mail.
type window struct {
	last     time.Time // when a mail was taken
	until    time.Time // no mail before
	gathered bool      // something waits for that
	failures int       // mails in a row that were not taken
	some     bool      // one of them never gets its mails
	unasked  bool      // none of them may be mailed: the mail server is not asked
	most     int       // notices that a digest may have since a larger one was refused for what it says; 0: as many as there are
	proven   bool      // a mail was taken a moment ago, after one that was not: another that is put off is put off for what it says
	aside    aside     // of notices that are mailed by themselves for what they say
}

// aside is the pace at which a set's mails are tried again that were refused for what they say, one after another.
type aside struct {
	until    time.Time // none before
	failures int       // of them in a row
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

// choose decides about a notice; until is the end of the window that it waits for. trying says that the mail server has failed: whatever waits,
// one notice goes first, unless that is not asked.
func (w *windows) choose(set string, now time.Time, trying bool) (c choice, until time.Time) {
	s := w.sets[set]
	switch {
	case s == nil:
		return alone, time.Time{}
	case now.Before(s.until):
		s.gathered = true
		return gather, s.until
	case trying && !s.unasked || s.failures > 0 || w.length == 0 || !s.gathered || s.most == 1:
		return alone, time.Time{}
	}
	return digest, time.Time{}
}

// of gives what is known of a set, from now on.
func (w *windows) of(set string) *window {
	s := w.sets[set]
	if s == nil {
		s = &window{}
		w.sets[set] = s
	}
	return s
}

// sent notes that a mail was taken, by all of the set or by a part. With more, or after a failure, the next one goes at once. It gives the time of
// that, zero where nothing is known to wait for it.
func (w *windows) sent(set string, now time.Time, more, part bool) (next time.Time) {
	s := w.of(set)
	s.some = part && w.some(set)
	s.gathered = (more || s.failures > 0) && w.length > 0
	s.proven = s.failures > 0 || s.most > 0
	s.failures, s.last, s.until, s.most = 0, now, now.Add(w.length), 2*s.most
	if s.gathered {
		s.until = now
		return now
	}
	return time.Time{}
}

// failed notes that a mail was not taken, and gives the time of the next one.
func (w *windows) failed(set string, now time.Time, retry time.Duration) time.Time {
	s := w.of(set)
	s.failures++
	s.proven = false
	s.until = now.Add(wait.Doubled(retry, s.failures, mostPause))
	return s.until
}

// divide notes that a digest was refused for what it says: what it told of is mailed in smaller ones at once, until the notice that the mail server
// does not take stands alone. They grow again as they are taken.
func (w *windows) divide(set string, now time.Time, notices int) (next time.Time) {
	s := w.of(set)
	s.gathered, s.until, s.most = true, now, notices/2
	return now
}

// proven says whether a set takes mails at the moment, so that one which is put off is put off for what it says.
func (w *windows) proven(set string) bool {
	s := w.sets[set]
	return s != nil && s.proven
}

// single notes that a mail of one notice was put off for what it says, and gives the time of the next one. If that is put off, too, it was not that.
func (w *windows) single(set string, now time.Time) (next time.Time) {
	s := w.of(set)
	s.gathered, s.until, s.proven = w.length > 0, now, false
	return now
}

// divided says whether digests of a set are divided.
func (w *windows) divided(set string) bool {
	s := w.sets[set]
	return s != nil && s.most > 0
}

// again notes what came of a mail that was refused before for what it says, and gives the time of the next such one: however many there are, they cost
// the set an attempt now and then.
func (w *windows) again(set string, now time.Time, retry time.Duration, taken bool) (next time.Time) {
	s := w.of(set)
	if taken {
		s.aside = aside{}
		return now
	}
	s.aside.failures++
	s.aside.until = now.Add(wait.Doubled(retry, s.aside.failures, mostPause))
	return s.aside.until
}

// pace is until when a set's mails are not tried again that were refused for what they say.
func (w *windows) pace(set string) time.Time {
	if s := w.sets[set]; s != nil {
		return s.aside.until
	}
	return time.Time{}
}

// yields says whether a notice that was tried before lets others go first: in a set whose mails fail, or where it is one of many that are refused for what they say.
func (w *windows) yields(set string, alone bool) bool {
	s := w.sets[set]
	return s != nil && (s.failures > 0 || alone && s.aside.failures > 0)
}

// full says whether a digest has no room for another notice.
func (w *windows) full(set string, notices int) bool {
	s := w.sets[set]
	return s != nil && s.most > 0 && notices >= s.most
}

// failing is until when a set waits whose last mail was not taken; zero where it was.
func (w *windows) failing(set string) time.Time {
	if s := w.sets[set]; s != nil && s.failures > 0 {
		return s.until
	}
	return time.Time{}
}

// failures is how many mails in a row a set did not get.
func (w *windows) failures(set string) int {
	if s := w.sets[set]; s != nil {
		return s.failures
	}
	return 0
}

// enough failures of a set's mails, about a quarter of an hour, and it is mailed without those that the server puts off.
const enough = 8

// some says whether the others of a set are not to wait for those that the server puts off.
func (w *windows) some(set string) bool {
	s := w.sets[set]
	return s != nil && (s.some || s.failures >= enough)
}

// retry has those who did not get their mails tried again now.
func (w *windows) retry(now time.Time) {
	for _, s := range w.sets {
		if s.failures > 0 {
			s.until = now
		}
		s.aside = aside{}
	}
}

// forget drops what says nothing any more.
func (w *windows) forget(now time.Time) {
	for set, s := range w.sets {
		const day = 24 * time.Hour
		said := s.failures > 0 || s.some || s.aside.failures > 0
		if ended := now.Sub(later(s.until, s.aside.until)); !s.gathered && ended >= 0 && (!said || ended > day) {
			delete(w.sets, set)
		}
	}
}

// settle notes that a whole pass, begun after the end of windows, has left nothing that waits for it, but of some sets. What comes now waits as if it
// had not.
func (w *windows) settle(begun time.Time, waiting map[string]bool) {
	for set, s := range w.sets {
		if s.gathered && !begun.Before(s.until) && !waiting[set] {
			s.gathered, s.until, s.most, s.proven = false, later(s.until, s.last.Add(w.length)), 0, false
		}
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
