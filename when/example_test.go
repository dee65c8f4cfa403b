package when_test

import (
	"fmt"
	"time"

	"github.com/adlayer/after/when"
)

func ExampleParseDate() {
	berlin, err := when.LoadLocation("Europe/Berlin")
	if err != nil {
		fmt.Println(err)
		return
	}
	now := time.Date(2026, 11, 18, 10, 30, 0, 0, berlin) // a Wednesday
	for _, text := range []string{"2026-12-01 09:00", "in 90s", "next friday at 9am", "tomorrow at noonish"} {
		date, err := when.ParseDate(text, now, berlin)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(when.Format(date.Time), date.Words)
	}
	// Output:
	// 2026-12-01T08:00:00Z false
	// 2026-11-18T09:31:30Z true
	// 2026-11-20T08:00:00Z true
	// cannot read the date "tomorrow at noonish": "noonish" is not understood after "tomorrow at"; write a date like "2026-12-01 09:00", or words like "in 5 minutes", "tomorrow at 9:30" or "next friday at 9am"
}

func ExampleRule_After() {
	rule, err := when.ParseRuleText(`{"months": 1}`, when.Scope{})
	if err != nil {
		fmt.Println(err)
		return
	}
	from := time.Date(2026, 1, 31, 9, 0, 0, 0, time.UTC)
	for date := from; date.Before(from.AddDate(0, 4, 0)); {
		fmt.Println(when.Format(date))
		date, _ = rule.After(from, date)
	}
	// Output:
	// 2026-01-31T09:00:00Z
	// 2026-02-28T09:00:00Z
	// 2026-03-31T09:00:00Z
	// 2026-04-30T09:00:00Z
}
