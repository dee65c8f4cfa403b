package runcheck_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/adlayer/after/internal/runcheck"
)

func zones() []string {
	return []string{
		"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia", "America/Santiago",
		"Asia/Beirut", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Chatham", "Africa/Cairo", "Asia/Tehran", "America/Havana", "Europe/Dublin",
	}
}

// shape is a document's rule, and what the rule has to give.
type shape struct {
	repeat any // nil: once
	frugal bool
	// anchored rules count from the task's date; others begin with their first match.
	anchored bool
	dates    func(first time.Time, loc *time.Location, closed func(day time.Time) bool) runcheck.Dates
}

// holidays are the days of the calendar document, by the day number. It changes during the year.
type holidays map[string]bool

func (h holidays) has(day time.Time) bool { return h[day.Format(time.DateOnly)] }

// shapes gives a rule of any grammar.
func shapes(r *rand.Rand) shape {
	c := clock{r.IntN(24), r.IntN(60), 0}
	if r.IntN(2) == 0 { // where the clocks change
		c = clock{r.IntN(4), r.IntN(4) * 15, 0}
	}
	weekday, day := time.Weekday(r.IntN(7)), 1+r.IntN(28)
	n := 1 + r.IntN(4)
	every := func(time.Time) bool { return true }
	onDays := func(repeat any, on func(time.Time) bool, clocks ...clock) shape {
		return shape{repeat: repeat, dates: func(first time.Time, loc *time.Location, _ func(time.Time) bool) runcheck.Dates {
			return daily(first, loc, on, clocks...)
		}}
	}
	fixed := func(repeat any, length time.Duration) shape {
		return shape{repeat: repeat, anchored: true, frugal: length < 12*time.Hour, dates: func(first time.Time, _ *time.Location, _ func(time.Time) bool) runcheck.Dates {
			return runcheck.Every(first, length)
		}}
	}
	steps := func(repeat any, months, days int) shape {
		return shape{repeat: repeat, anchored: true, dates: func(first time.Time, loc *time.Location, _ func(time.Time) bool) runcheck.Dates {
			return stepping(first, loc, months, days)
		}}
	}
	ticks := func(repeat any, grid time.Duration, when func(time.Time) bool) shape {
		return shape{repeat: repeat, frugal: true, dates: func(first time.Time, loc *time.Location, _ func(time.Time) bool) runcheck.Dates {
			return ticking(first, loc, grid, when)
		}}
	}
	is := func(d time.Time) bool { return d.Weekday() == weekday }
	nth := func(d time.Time) bool { return is(d) && (d.Day()-1)/7 == n-1 }
	last := func(d time.Time) bool { return is(d) && d.AddDate(0, 0, 7).Month() != d.Month() }
	iso := []string{"SU", "MO", "TU", "WE", "TH", "FR", "SA"}[weekday]
	hm := fmt.Sprintf("%d %d", c.minute, c.hour)
	switch r.IntN(30) {
	case 0:
		return onDays(hm+" * * *", every, c)
	case 1:
		return onDays(hm+" * * MON-FRI", isBusiness, c)
	case 2:
		return onDays(fmt.Sprintf("%s %d,%d * *", hm, day, 31), func(d time.Time) bool { return d.Day() == day || d.Day() == 31 }, c)
	case 3:
		return onDays(hm+" L * *", lastOfMonth, c)
	case 4:
		return onDays(fmt.Sprintf("%s ? * %dL", hm, weekday), last, c)
	case 5:
		return onDays(fmt.Sprintf("17 %s ? * %s#%d", hm, weekday.String()[:3], n), nth, clock{c.hour, c.minute, 17})
	case 6:
		return onDays(fmt.Sprintf("%s %d * %d", hm, day, weekday), func(d time.Time) bool { return d.Day() == day || is(d) }, c)
	case 7:
		return onDays(fmt.Sprintf("%d %d,%d * * *", c.minute, c.hour, (c.hour+7)%24), every, c, clock{(c.hour + 7) % 24, c.minute, 0})
	case 8:
		return onDays(hm+" 29 2 *", func(d time.Time) bool { return d.Month() == time.February && d.Day() == 29 }, c)
	case 9:
		return ticks("*/15 * * * *", 15*time.Minute, func(time.Time) bool { return true })
	case 10:
		return ticks("30 * * * *", 15*time.Minute, func(s time.Time) bool { return s.Minute() == 30 })
	case 11:
		return ticks("0 */2 * * *", 15*time.Minute, func(s time.Time) bool { return s.Minute() == 0 && s.Hour()%2 == 0 })
	case 12:
		return steps(map[string]any{"days": n}, 0, n)
	case 13:
		return steps(map[string]any{"M": n}, n, 0)
	case 14:
		return steps(fmt.Sprintf("P%dW", n), 0, 7*n)
	case 15:
		return steps("P1M", 1, 0)
	case 16:
		return fixed(fmt.Sprintf("PT%dH", 24*n), time.Duration(24*n)*time.Hour)
	case 17:
		return fixed(map[string]any{"hours": 13 * n}, time.Duration(13*n)*time.Hour)
	case 18:
		return fixed(7*60*1000*n, time.Duration(7*n)*time.Minute)
	case 19:
		return onDays(fmt.Sprintf("every weekday at %d:%02d", c.hour, c.minute), isBusiness, c)
	case 20:
		return onDays(fmt.Sprintf("every %s at %d:%02d", weekday, c.hour, c.minute), is, c)
	case 21:
		return onDays(fmt.Sprintf("on the last day of the month at %d:%02d", c.hour, c.minute), lastOfMonth, c)
	case 22:
		return fixed(fmt.Sprintf("every %d hours", 12*n), time.Duration(12*n)*time.Hour)
	case 23:
		return onDays(fmt.Sprintf("FREQ=MONTHLY;BYDAY=-1%s;BYHOUR=%d;BYMINUTE=%d;BYSECOND=0", iso, c.hour, c.minute), last, c)
	case 24:
		return onDays(fmt.Sprintf("FREQ=WEEKLY;BYDAY=%s;BYHOUR=%d;BYMINUTE=%d;BYSECOND=0", iso, c.hour, c.minute), is, c)
	case 25:
		return onDays(fmt.Sprintf("FREQ=MONTHLY;BYMONTHDAY=%d,-1;BYHOUR=%d;BYMINUTE=%d;BYSECOND=0", day, c.hour, c.minute),
			func(d time.Time) bool { return d.Day() == day || lastOfMonth(d) }, c)
	case 26: // several rules at once
		one, other := onDays(hm+" * * 1", func(d time.Time) bool { return d.Weekday() == time.Monday }, c), steps(map[string]any{"days": 5}, 0, 5)
		return shape{repeat: map[string]any{"any": []any{one.repeat, other.repeat}}, anchored: true, dates: func(first time.Time, loc *time.Location, closed func(time.Time) bool) runcheck.Dates {
			return either(one.dates(first, loc, closed), other.dates(first, loc, closed))
		}}
	case 27: // moved to the next day with business
		return adjusted(clock{4 + r.IntN(20), c.minute, 0}) // where no clock jumps
	default: // not on holidays
		return shape{
			repeat: map[string]any{"cron": hm + " * * *", "except": "holidays"},
			dates: func(first time.Time, loc *time.Location, closed func(time.Time) bool) runcheck.Dates {
				return unless(daily(first, loc, every, c), func(at time.Time) bool { return closed(shown(at, loc)) }, time.Time{})
			},
		}
	}
}

// order is what a person writes into a document, and what it asks for.
type order struct {
	fields map[string]any
	shape  shape
	terms  runcheck.Terms // without dates
	first  time.Time
	loc    *time.Location
	until  time.Time
}

// dates gives what the order has to come to, with the holidays as they are.
func (o *order) dates(closed holidays) runcheck.Dates {
	if o.shape.repeat == nil {
		return runcheck.Once(o.first)
	}
	return unless(o.shape.dates(o.first, o.loc, closed.has), nil, o.until)
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// plan gives a task with a first date between two instants.
func plan(r *rand.Rand, from, to time.Time) order {
	name := pick(r, zones()...)
	loc := zone(name)
	o := order{loc: loc, fields: map[string]any{"timezone": name}}
	at := from.Add(time.Duration(r.Int64N(int64(to.Sub(from))))).Truncate(5 * time.Minute).In(loc)
	o.first = moment(at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), 0, loc)
	o.fields["date"] = o.first.UTC().Format(time.RFC3339)
	o.policies(r)
	if r.IntN(8) == 0 {
		o.terms.Once = true
		o.fields["repeat"] = nil
		return o
	}
	o.repeats(r)
	return o
}

// repeats gives the order a rule.
func (o *order) repeats(r *rand.Rand) {
	o.shape = shapes(r)
	repeat, ok := o.shape.repeat.(map[string]any)
	switch text, isText := o.shape.repeat.(string); {
	case ok:
		repeat = maps.Clone(repeat)
	case isText:
		repeat = map[string]any{"every": text}
	default:
		repeat = map[string]any{"every": o.shape.repeat}
	}
	o.until = time.Time{}
	o.terms.Limit, o.terms.Jitter = 0, 0
	whole := true
	if o.shape.frugal {
		o.until = o.first.Add(time.Duration(1+r.IntN(36)) * time.Hour)
		repeat["until"], whole = o.until.UTC().Format(time.RFC3339), false
	}
	if r.IntN(2) == 0 && o.terms.Overlap != runcheck.OverlapAllow {
		o.terms.Limit = 1 + r.IntN(30)
		repeat["limit"], whole = o.terms.Limit, false
	}
	if r.IntN(6) == 0 && !o.shape.frugal && o.terms.Expires == 0 {
		o.terms.Jitter = 10 * time.Minute
		repeat["jitter"], whole = "10m", false
	}
	o.fields["repeat"] = repeat
	if whole && r.IntN(2) == 0 {
		o.fields["repeat"] = o.shape.repeat
	}
}

// policies gives the order what it says beside its dates.
func (o *order) policies(r *rand.Rand) {
	o.terms.Missed = pick(r, runcheck.MissedRun, runcheck.MissedSkip, runcheck.MissedAll)
	missed := map[string]any{"rule": []string{"run", "skip", "all"}[o.terms.Missed]}
	if r.IntN(3) == 0 {
		o.terms.Window = time.Duration(1+r.IntN(48)) * time.Hour
		missed["window"] = fmt.Sprintf("%dh", o.terms.Window/time.Hour)
	}
	if r.IntN(3) == 0 {
		o.terms.Most = 1 + r.IntN(5)
		missed["limit"] = o.terms.Most
	}
	o.fields["missed"] = missed
	o.terms.Overlap = pick(r, runcheck.OverlapSkip, runcheck.OverlapQueue, runcheck.OverlapQueueAll, runcheck.OverlapCancel, runcheck.OverlapAllow)
	o.fields["overlap"] = []string{"skip", "queue", "queue-all", "cancel", "allow"}[o.terms.Overlap]
	o.fields["retry"], o.fields["expires"], o.fields["pause_after"], o.fields["delivery"] = nil, nil, nil, nil
	switch r.IntN(6) {
	case 0, 1:
		o.terms.Retries, o.terms.RetryWithin = 1+r.IntN(3), 2*time.Hour
		o.fields["retry"] = map[string]any{"limit": o.terms.Retries, "interval": pick(r, "30s", "5m", "1h"), "max": "2h"}
	case 2:
		o.terms.Expires = time.Duration(1+r.IntN(90)) * time.Minute
		o.fields["expires"] = fmt.Sprintf("%dm", o.terms.Expires/time.Minute)
	case 3:
		o.terms.AtMostOnce = true
		o.fields["delivery"] = "at-most-once"
	}
	if r.IntN(8) == 0 {
		o.terms.PauseAfter = 1 + r.IntN(3)
		o.fields["pause_after"] = o.terms.PauseAfter
	}
}

// dependent gives a task that waits for others, with their dates or its own.
func dependent(r *rand.Rand, from, to time.Time, others []string, orders map[string]*order) order {
	o, first := plan(r, from, to), pick(r, others...)
	free := func(o *order) bool { return !strings.Contains(fmt.Sprint(o.fields["repeat"]), "except") }
	for !free(&o) || !free(orders[first]) {
		o, first = plan(r, from, to), pick(r, others...)
	}
	if u := orders[first]; r.IntN(2) == 0 {
		o.loc, o.first, o.until, o.shape = u.loc, u.first, u.until, u.shape
		o.terms = runcheck.Terms{Once: u.terms.Once, Limit: u.terms.Limit, Jitter: u.terms.Jitter}
		for _, name := range []string{"timezone", "date", "repeat"} {
			o.fields[name] = u.fields[name]
		}
	} else {
		o.terms = runcheck.Terms{Once: o.terms.Once, Limit: o.terms.Limit, Jitter: o.terms.Jitter}
	}
	for _, name := range []string{"missed", "overlap", "retry", "expires", "pause_after", "delivery"} {
		o.fields[name] = nil
	}
	if r.IntN(2) == 0 {
		o.terms.Retries, o.terms.RetryWithin = 2, 2*time.Hour
		o.fields["retry"] = map[string]any{"limit": 2, "interval": pick(r, "30s", "1h")}
	}
	o.terms.After = []string{first}
	if second := pick(r, others...); second != first && free(orders[second]) && r.IntN(3) == 0 {
		o.terms.After = append(o.terms.After, second)
	}
	o.terms.When = pick(r, runcheck.WhenDone, runcheck.WhenDone, runcheck.WhenEnded, runcheck.WhenError)
	o.fields["after"], o.fields["when"] = o.terms.After, []string{"done", "ended", "error"}[o.terms.When]
	return o
}

// adjusted is a rule whose dates are moved to the next day with business.
func adjusted(c clock) shape {
	return shape{
		repeat: map[string]any{"cron": fmt.Sprintf("%d %d 1,15 * *", c.minute, c.hour), "adjust": "next", "except": "holidays"},
		dates: func(first time.Time, loc *time.Location, closed func(time.Time) bool) runcheck.Dates {
			shut := func(d time.Time) bool { return !isBusiness(d) || closed(d) }
			meant := func(d time.Time) bool {
				return (d.Day() == 1 || d.Day() == 15) && !moment(d.Year(), d.Month(), d.Day(), c.hour, c.minute, 0, loc).Before(first)
			}
			return daily(first, loc, func(d time.Time) bool {
				if shut(d) || meant(d) {
					return !shut(d)
				}
				for d = d.AddDate(0, 0, -1); shut(d); d = d.AddDate(0, 0, -1) {
					if meant(d) {
						return true
					}
				}
				return false
			}, c)
		},
	}
}
