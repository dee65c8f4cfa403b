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
	aim        float64 // ns; 0 is none
} {
	return []struct {
		name, text string
		aim        float64
	}{
		{"cron, every five minutes", "*/5 * * * *", 500},
		{"cron, every day", "30 2 * * *", 500},
		{"cron, working days", "0 9 * * MON-FRI", 500},
		{"cron, quarters of office hours", "*/15 9-17 * * MON-FRI", 500},
		{"cron, three times a day with seconds", "0 0 8,14,20 * * *", 500},
		{"cron, first of the month", "0 0 1 * *", 500},
		{"cron, last working day of the month", "0 18 LW * *", 500},
		{"cron, second Monday", "0 9 ? * MON#2", 500},
		{"cron, 29 February", "0 0 29 2 *", 5000},
		{"cron, 29 February on a Monday", "0 0 */29 2 MON", 5000},
		{"interval, five minutes", "PT5M", 200},
		{"interval, a day", "P1D", 200},
		{"interval, a month", "P1M", 200},
		{"interval, a month, two days and an hour", "P1M2DT1H", 200},
		{"repeating interval, a year", "R/2016-02-29T09:00:00Z/P1Y", 200},
		{"repeating interval to an end", "R/P1D/2039-12-24T18:00:00Z", 0},
		{"phrase, every weekday", "every weekday at 9:00", 500},
		{"phrase, three times on weekdays", "every weekday at 9:00, 12:30 and 18:00", 500},
		{"phrase, every other Friday", "every other friday at 15:00", 500},
		{"phrase, quarters of office hours", "every 15 minutes between 9:00 and 17:00 on weekdays", 500},
		{"phrase, last day of the month", "on the last day of the month at 18:00", 500},
		{"rrule, every second Friday", "FREQ=WEEKLY;INTERVAL=2;BYDAY=FR", 500},
		{"rrule, last Friday of the month", "FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=9;BYMINUTE=0;BYSECOND=0", 500},
		{"rrule, last working day by its position", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", 500},
		{"rrule, every six hours", "FREQ=HOURLY;INTERVAL=6", 500},
		{"rrule, 29 February", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", 5000},
		{"object, two cron lines", `{"any":["0 9 * * MON-FRI","0 11 * * SAT"]}`, 0},
		{"object, moved to a business day", `{"cron":"0 9 1 * *","adjust":"next","except":["2026-01-01","2027-01-01"]}`, 0},
	}
}

// zonesWithChanges are those in which rules are measured beside UTC: an hour in the north, half an hour in the south, and twice a year by the moon.
func zonesWithChanges() []string {
	return []string{"America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Africa/Casablanca"}
}

// measureRules times the next date of each rule from instants all over fifty years, and reading the rule.
func measureRules(context.Context, *rig) ([]figure, error) {
	var figures []figure
	for _, r := range rules() {
		utc, allocations, err := costsOf(r.text, "UTC")
		if err != nil {
			return nil, err
		}
		var local []float64
		for _, name := range zonesWithChanges() {
			costs, more, err := costsOf(r.text, name)
			if err != nil {
				return nil, err
			}
			local, allocations = append(local, costs...), max(allocations, more)
		}
		slices.Sort(local)
		zone, err := when.LoadLocation("Europe/Berlin")
		if err != nil {
			return nil, err
		}
		scope := when.Scope{Zone: zone, Now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
		parse := cost(func() { _, _ = when.ParseRuleText(r.text, scope) })
		figures = append(figures,
			figure{Name: r.name + ": next in UTC, median", Value: percentile(utc, 0.5), Unit: "ns", Aim: r.aim, Less: true},
			figure{Name: r.name + ": next in UTC, worst", Value: utc[len(utc)-1], Unit: "ns"},
			figure{Name: r.name + ": next in zones, median", Value: percentile(local, 0.5), Unit: "ns", Aim: r.aim, Less: true},
			figure{Name: r.name + ": next in zones, worst", Value: local[len(local)-1], Unit: "ns"},
			figure{Name: r.name + ": next, allocations", Value: allocations},
			figure{Name: r.name + ": parse", Value: parse, Unit: "ns", Aim: 5000, Less: true})
	}
	return figures, nil
}

// costsOf gives what the next date of a rule takes in a zone, in order, and how often that allocates: from four hundred instants, half
// of them just before the clocks change.
func costsOf(text, zone string) (costs []float64, allocations float64, err error) {
	loc, err := when.LoadLocation(zone)
	if err != nil {
		return nil, 0, err
	}
	rule, err := when.ParseRuleText(text, when.Scope{Zone: loc, Now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)})
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", text, err)
	}
	first := time.Date(1990, 1, 31, 9, 0, 0, 0, time.UTC)
	for i := range 400 {
		at := first.Add(time.Duration(i) * 1097 * time.Hour)
		if _, change := at.In(loc).ZoneBounds(); i%2 == 1 && !change.IsZero() {
			at = change.Add(-time.Minute).UTC()
		}
		costs = append(costs, cost(func() { rule.After(first, at) }))
	}
	slices.Sort(costs)
	at := first
	allocations = testing.AllocsPerRun(1000, func() { at, _ = rule.After(first, at) })
	return costs, allocations, nil
}

// cost gives what a call takes, in nanoseconds: the best of some attempts, so that what else the machine does is not in it.
func cost(call func()) float64 {
	const calls = 50
	best := time.Hour
	for range 12 {
		began := time.Now()
		for range calls {
			call()
		}
		best = min(best, time.Since(began))
	}
	return float64(best.Nanoseconds()) / calls
}
