package send

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus/hooks/test"

	"github.com/adlayer/after/jobs"
	"github.com/adlayer/after/jobs/call"
)

// oneHost gives a poster, a notice that it posts, and the host that it goes to.
func oneHost(s *sender) (p *poster, it *item, host *place) {
	p, it = newPoster(s), &item{}
	it.To.URL = "http://a.example.org/told"
	_, host = p.host(it.To.URL)
	return p, it, host
}

// TestHostThatFailed is tried by one post at a time, and left alone for longer with each that fails, whoever else asked for room meanwhile.
func TestHostThatFailed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, it, host := oneHost(&sender{})
		for failures := 1; failures <= 4; failures++ {
			done, room := p.enter(t.Context(), post, it)
			if done == nil || !room {
				t.Fatalf("after %d failures nobody tries it", failures-1)
			}
			if failures > 1 {
				began := time.Now()
				if other, room := p.enter(t.Context(), post, it); other != nil || !room || time.Since(began) != 0 {
					t.Errorf("after %d failures another one tries it beside the first", failures-1)
				}
			}
			host.fail(time.Now(), time.Second, 0)
			done()
			if pause := time.Until(host.until); host.failures != failures || pause != time.Second<<(failures-1) {
				t.Errorf("%d failures are known of %d, and it is left alone for %v", host.failures, failures, pause)
			}
			time.Sleep(time.Until(host.until))
		}
		if !host.recover() || !host.rests(time.Now()).IsZero() {
			t.Error("it is well, and left alone")
		}
	})
}

// TestHostThatFailsWhileSomeWait for its room is tried by none of them at once: one comes when it was left alone for a while.
func TestHostThatFailsWhileSomeWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, it, host := oneHost(&sender{})
		var leaves []func()
		for range mostPerHost {
			leave, _ := p.enter(t.Context(), post, it)
			leaves = append(leaves, leave)
		}
		var entered atomic.Int64
		some := func() {
			for range 5 {
				go func() {
					if leave, _ := p.enter(t.Context(), post, it); leave != nil {
						entered.Add(1)
					}
				}()
			}
			synctest.Wait()
		}
		some()
		host.fail(time.Now(), 5*time.Second, 0)
		for _, leave := range leaves {
			leave()
		}
		synctest.Wait()
		if n := entered.Load(); n != 0 || len(host.room) != 0 {
			t.Errorf("%d try it at once, and %d hold room", n, len(host.room))
		}
		time.Sleep(5 * time.Second)
		some()
		if n := entered.Load(); n != 1 {
			t.Errorf("%d try it at a time", n)
		}
	})
}

// answering answers each post with an error.
type answering struct{ error }

func (a answering) Run(context.Context, *jobs.Task, call.Arguments) (*call.Result, error) {
	return nil, a.error
}

// TestHostThatAnswers is well, whatever it says of a notice: it gets as many posts at a time as before it failed.
func TestHostThatAnswers(t *testing.T) {
	t.Parallel()
	no := errors.New("no")
	for name, c := range map[string]struct {
		err  error
		back bool
	}{
		"not found": {jobs.Coded(no, 404), true}, "unauthorized": {jobs.Permanent(jobs.Coded(no, 401)), true}, "gone": {jobs.Remove(nil), true}, "told": {nil, true},
		"busy": {jobs.Coded(no, 429), false}, "broken": {jobs.Coded(no, 503), false}, "away": {no, false}, "not called": {jobs.Permanent(no), false},
	} {
		log, _ := test.NewNullLogger()
		p, it, host := oneHost(&sender{Options: Options{Caller: answering{c.err}, Retry: time.Second, Keep: time.Hour, Log: log}})
		it.At = time.Now()
		host.fail(time.Now(), time.Second, 0)
		if p.post(t.Context(), it); host.failures == 0 != c.back {
			t.Errorf("%s: after it, %d failures are known", name, host.failures)
		}
	}
}
