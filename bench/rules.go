package main

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/adlayer/after/when"
)

// rules are those whose cost is measured, with what the next date may take.
func rules() []struct {
	name, text string
	aim        float64 // ns
} {
	return []struct {
		name, text string
		aim        float64
	}{
		{"cron, every five minutes", "*/5 * * * *", 500},
		{"cron, every day", "30 9 * * *", 500},
		{"cron, working days", "0 9 * * MON-FRI", 500},
		{"cron, three times a day with seconds", "0 0 8,14,20 * * *", 500},
		{"cron, last working day of the month", "0 18 LW * *", 500},
		{"cron, second Monday", "0 9 ? * MON#2", 500},
		{"cron, 29 February", "0 0 29 2 *", 5000},
		{"interval, five minutes", "PT5M", 200},
		{"interval, a day", "P1D", 200},
		{"interval, a month", "P1M", 200},
		{"phrase, every weekday", "every weekday at 9:00", 500},
		{"phrase, last day of the month", "on the last day of the month at 18:00", 500},
		{"rrule, every second Friday", "FREQ=WEEKLY;INTERVAL=2;BYDAY=FR", 0},
		{"rrule, last Friday of the month", "FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=9;BYMINUTE=0;BYSECOND=0", 0},
		{"rrule, 29 February", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", 5000},
	}
}

// measureRules times the next date of each rule from instants all over fifty years, and reading the rule.
func measureRules(context.Context, *rig) ([]figure, error) {
	zone, err := when.LoadLocation("Europe/Berlin")
	if err != nil {
		return nil, err
	}
	scope := when.Scope{Zone: zone, Now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	first := time.Date(1990, 1, 31, 9, 0, 0, 0, time.UTC)
	var figures []figure
	for _, r := range rules() {
		rule, err := when.ParseRuleText(r.text, scope)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.text, err)
		}
		var costs []float64
		for i := range 400 {
			at := first.Add(time.Duration(i) * 1097 * time.Hour)
			costs = append(costs, cost(func() { rule.After(first, at) }))
		}
		slices.Sort(costs)
		at := first
		next := testing.AllocsPerRun(1000, func() { at, _ = rule.After(first, at) })
		parse := cost(func() { _, _ = when.ParseRuleText(r.text, scope) })
		figures = append(figures,
			figure{Name: r.name + ": next, median", Value: percentile(costs, 0.5), Unit: "ns", Aim: r.aim, Less: true},
			figure{Name: r.name + ": next, worst of 400", Value: costs[len(costs)-1], Unit: "ns"},
			figure{Name: r.name + ": next, allocations", Value: next},
			figure{Name: r.name + ": parse", Value: parse, Unit: "ns", Aim: 5000, Less: true})
	}
	return figures, nil
}

// cost gives what a call takes, in nanoseconds: the best of some attempts, so that what else the machine does is not in it.
func cost(call func()) float64 {
	const calls = 50
	best := time.Hour
	for range 8 {
		began := time.Now()
		for range calls {
			call()
		}
		best = min(best, time.Since(began))
	}
	return float64(best.Nanoseconds()) / calls
}
