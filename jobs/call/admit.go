package call

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/adlayer/after/internal/wait"
	"github.com/adlayer/after/jobs"
)

// patienceWithHosts is for how long after its date a firing is put off because its host is left alone, or is busy. After that each time is a
// failed attempt, so that a host that never comes back ends in errors that people see.
const patienceWithHosts = time.Hour

// arrive waits for the call's turn at the host of its next request. A host that a redirect leads to is like any other: where it has no room, the
// whole call is put off.
func (x *exchange) arrive(ctx context.Context) error {
	h := x.caller.host(authority(x.request.URL), x.settings)
	if err := x.admit(ctx, h); err != nil {
		return err
	}
	report, err := h.breaker.Allow()
	if err != nil {
		h.gate.leave()
		return x.leaveAlone(h)
	}
	x.host, x.report = h, report
	return nil
}

// depart tells how it went at a host, and gives the place there back.
func (x *exchange) depart(ctx context.Context) {
	x.report(x.verdict(ctx))
	x.host.gate.leave()
	x.host, x.report, x.blamed, x.heard = nil, nil, nil, false
}

// end leaves wherever the call is.
func (x *exchange) end(ctx context.Context) {
	if x.host != nil {
		x.depart(ctx)
	}
	if x.counted {
		x.caller.all.leave()
	}
}

// verdict says what a call tells of its host: nil that it is well.
func (x *exchange) verdict(ctx context.Context) error {
	switch {
	case x.blamed == nil && x.heard:
		return nil
	case x.blamed == nil, // the call did not get to it
		ctx.Err() != nil && !x.overdue():
		return errIgnored
	}
	x.host.failed(x.blamed)
	return x.blamed
}

// admit waits for the call's turn: the host is not left alone, the limits have room, there is a place among the calls under way. It gives
// none where the wait is long: the task is put off, which is no error and uses up no attempt, since nothing was tried.
func (x *exchange) admit(ctx context.Context, h *host) error {
	if pause, _ := h.closed(x.caller.now()); pause > 0 {
		return x.leaveAlone(h)
	}
	if err := x.wait(ctx); err != nil {
		return err
	}
	for _, g := range []*gate{&h.gate, &x.caller.all} {
		if g == &x.caller.all && x.counted {
			continue
		}
		entered, err := g.enter(ctx, x.task.Nominal(), x.settings.Patience, x.caller.now)
		if entered {
			x.counted = x.counted || g == &x.caller.all
			continue
		}
		if g == &x.caller.all {
			h.gate.leave()
		}
		if err != nil {
			return err
		}
		// The longer it is late, the longer it waits: whoever waits for a host that is slow costs little, and is served before those that
		// came after it.
		late := x.caller.now().Sub(x.task.Nominal())
		why := "as many calls are under way as there may be"
		if g == &h.gate {
			why += " at " + h.name
		}
		return jobs.SnoozeBecause(min(max(late/4, time.Second), 30*time.Second), why)
	}
	return nil
}

// leaveAlone puts the task off until the host is tried again.
func (x *exchange) leaveAlone(h *host) error {
	now := x.caller.now()
	pause, why := h.closed(now)
	if pause == 0 { // another call tries it at this moment
		pause = min(x.settings.Breaker.Pause/4, time.Second)
	}
	alone := fmt.Errorf("%s is left alone for %v since it failed again and again: %w", h.name, pause.Round(time.Second), why)
	if late := now.Sub(x.task.Nominal()); late < patienceWithHosts {
		return jobs.SnoozeBecause(pause, alone.Error())
	}
	return jobs.RetryAfter(alone, pause)
}

// wait takes a place under every limit that the call is under, one after another, and once under each: where a redirect
// led it on, these are the limits of another host. Those that are shared by the most come last, so that a call which is put off by the limit
// of its host takes no place from calls of others.
func (x *exchange) wait(ctx context.Context) error {
	s, firing := x.settings, ""
	take := func(name, what string, limit Limit) error {
		if slices.Contains(x.under, name) {
			return nil
		}
		if firing == "" {
			firing = fmt.Sprintf("%s %d", x.task.Key(), x.task.Attempt())
		}
		for {
			d := x.caller.rates.take(name, limit, firing, x.caller.now())
			switch {
			case d == 0:
				x.under = append(x.under, name)
				return nil
			case d > s.Patience:
				return jobs.SnoozeBecause(d, "the limit "+what+" has its next place then")
			}
			if !wait.For(ctx, d) {
				return ctx.Err()
			}
		}
	}
	name := x.request.URL.Hostname()
	if x.in.Limit != "" {
		limit, err := parseLimit(x.in.Limit)
		if err != nil {
			return jobs.Invalid(err)
		}
		under := "@" + name
		if x.in.Tag != "" {
			under = "#" + x.in.Tag
		}
		if err := take("task "+under, "in the task's arguments", limit); err != nil {
			return err
		}
	}
	if key, limit, found := s.limitOf(name); found {
		if err := take("host "+key, "for "+key, limit); err != nil {
			return err
		}
	}
	for _, tag := range x.tags() {
		if limit, found := s.limits["#"+tag]; found {
			if err := take("#"+tag, "for #"+tag, limit); err != nil {
				return err
			}
		}
	}
	if s.limit != nil {
		return take("all", "for all calls", *s.limit)
	}
	return nil
}

// tags are the task's, where a limit may name one.
func (x *exchange) tags() []string {
	if len(x.settings.limits) == 0 {
		return nil
	}
	var tags []string
	if json.Unmarshal(x.task.Document().Tags, &tags) != nil {
		tags = nil
	}
	if x.in.Tag != "" {
		tags = append(tags, x.in.Tag)
	}
	return tags
}
