package cli

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/adlayer/after/when"
)

// ruleOf reads a rule as it was typed, in any grammar; a bare unit or amount means every such time: "month", "1d12h". It gives the text
// that was understood too.
func ruleOf(text string, scope when.Scope) (rule *when.Rule, understood string, err error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, "", errors.New("the rule is empty")
	}
	rule, err = when.ParseRuleText(text, scope)
	if err == nil {
		return rule, text, nil
	}
	if rule, again := when.ParseRuleText("every "+text, scope); again == nil {
		return rule, "every " + text, nil
	}
	return nil, "", err
}

// ruleZone gives the zone that a rule is read and shown in: the one asked for, else the person's own.
func ruleZone(asked string) (*time.Location, error) {
	loc, name, err := zoneOf(asked)
	switch {
	case err != nil:
		return nil, fmt.Errorf("--timezone: %w", err)
	case name == "Etc/UTC", name == "" && loc.String() == "UTC": // by the names that machines have it under
		return time.UTC, nil
	case name != "":
		return when.LoadLocation(name)
	}
	return loc, nil
}

// wordsOf says a rule to somebody who also wants to know where: a rule in UTC does not say so itself.
func wordsOf(rule *when.Rule) string {
	text := rule.Words()
	if name, offset := time.Now().Zone(); rule.Zone() == time.UTC && (name != "UTC" || offset != 0) {
		text += ", in UTC"
	}
	return oneLine(text)
}

// startOf is the first date of a task with the rule that is added now. Whole seconds read better.
func startOf(rule *when.Rule, now time.Time) time.Time {
	if rule.Anchored() {
		return now.Truncate(time.Second)
	}
	return now.Add(time.Millisecond)
}

// upcoming gives the first firings, at most so many, of a task with the first date from.
func upcoming(rule *when.Rule, from time.Time, most int) []firing {
	if limit := rule.Limit(); limit > 0 {
		most = int(min(int64(most), limit))
	}
	all := []firing{}
	for at, ok := rule.First(from); ok && len(all) < most; at, ok = rule.After(from, at) {
		all = append(all, firingOf(rule, from, at))
	}
	return all
}

// firing is one date of a rule, as it is shown.
type firing struct {
	Date  string    `json:"date"`  // UTC, RFC 3339
	Local string    `json:"local"` // as the clocks of the rule's zone show it, RFC 3339 with their offset
	Zone  string    `json:"zone"`
	Mark  when.Mark `json:"mark"`

	at, local time.Time
}

func firingOf(rule *when.Rule, from, at time.Time) firing {
	local, mark := at.UTC(), when.Unmarked
	if rule != nil {
		local, mark = rule.Clock(from, at)
	}
	return shownIn(local, mark)
}

func shownIn(local time.Time, mark when.Mark) firing {
	return firing{
		Date: when.Format(local), Local: local.Format("2006-01-02T15:04:05.999Z07:00"), Zone: local.Location().String(), Mark: mark,
		at: local, local: local,
	}
}

// row is the firing as a line of a table.
func (f firing) row(now time.Time) []string {
	return []string{f.local.Format("Mon 2006-01-02 15:04:05.999 -07:00"), f.Date, distance(f.at.Sub(now)), remark(f.Mark)}
}

// short is the firing within a sentence.
func (f firing) short() string {
	text := f.local.Format("Mon 2006-01-02 15:04")
	if f.local.Second() != 0 || f.local.Nanosecond() != 0 {
		text = f.local.Format("Mon 2006-01-02 15:04:05.999")
	}
	return text + f.local.Format(" -07:00")
}

func firingTable() *table { return &table{headers: []string{"LOCAL", "UTC", "AWAY", "CLOCKS"}} }

// remark says a mark to a person.
func remark(mark when.Mark) string {
	switch mark {
	case when.Moved:
		return "the clocks jump over its time: it comes at the end of the gap"
	case when.Earlier:
		return "its time comes twice: this is the first"
	case when.Later:
		return "its time comes twice: this is the second"
	case when.Unmarked:
	}
	return ""
}

// spread says whether the rule has parts that differ from task to task, as H in cron lines does.
func spread(text string, scope when.Scope) bool {
	first := ""
	for _, seed := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		scope.Seed = seed
		rule, _, err := ruleOf(text, scope)
		if err != nil {
			return false
		}
		if first == "" {
			first = rule.String()
		} else if first != rule.String() {
			return true
		}
	}
	return false
}
