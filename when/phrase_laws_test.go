package when

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// anyPhrase draws the words of a repeat that is right.
func anyPhrase(t *rapid.T) []string {
	pick := func(of ...string) string { return rapid.SampledFrom(of).Draw(t, "word") }
	clock := func() string {
		return pick("9:00", "09:30", "17:30", "9am", "5pm", "noon", "midnight", "23:59:59", "17 o'clock")
	}
	weekday := func() string { return pick("monday", "Tuesday", "wed", "thursday", "friday", "sat", "sunday") }
	clocks := func() string {
		return pick("", "at "+clock(), "at "+clock()+" and "+clock(), "at "+clock()+", "+clock()+" and at "+clock())
	}
	days := func() string {
		return pick("weekdays", "weekends", "mondays", weekday()+" to "+weekday(), weekday()+", "+weekday()+" and "+weekday())
	}
	place := func() string {
		return pick("first", "second", "3rd", "last", "second to last", "1st and third", "first and last") + " " + pick("day", "weekday", weekday())
	}
	exact := func() string {
		return "every " + pick("", "1 hour and ", "2 hours, ") + pick("90 seconds", "5 minutes", "15 min", "20 mins", "1.5 minutes")
	}
	window := func() string {
		return pick("from 9:00 to 17:30", "between 8am and 8pm", "from 22:00 until 6:00")
	}
	shapes := []func() string{
		exact,
		func() string { return exact() + " " + window() },
		func() string { return exact() + " " + window() + " on " + days() },
		func() string { return "on " + days() + " " + exact() + " " + window() },
		func() string { return "every day " + window() + " " + exact() },
		func() string {
			return "every hour at " + pick(":15", ":00 and :30", "minute 5") + pick("", " on weekdays")
		},
		func() string {
			return pick("every", "each") + " " + pick("day", "week", "other day", "3rd week", "2 days", "second week") + " " + clocks()
		},
		func() string { return pick("daily", "weekly", "fortnightly") + " " + clocks() },
		func() string {
			return pick("monthly", "hourly", "every 3rd month", "yearly", "every 2 years", "once a day", "once a month")
		},
		func() string { return "every " + pick("weekday", "weekend", days()) + " " + clocks() },
		func() string { return pick("every ", "each ") + days() + " at " + clock() },
		func() string { return clock() + " on mondays and " + weekday() },
		func() string { return "every other " + weekday() + " " + clocks() },
		func() string { return "every 2 weeks on " + weekday() + " and " + weekday() + " " + clocks() },
		func() string {
			return pick("monthly", "every month", "every 3 months") + " on the " + place() + " " + clocks()
		},
		func() string {
			return "on the " + place() + " of " + pick("the", "every", "each") + " month " + clocks()
		},
		func() string {
			return pick("on the", "the", "") + " " + pick("first", "last") + " weekday of every " + pick("quarter", "year")
		},
		func() string {
			return "monthly on the " + pick("1st", "15th", "1st, 10th and 20th", "1st and the last day") + " " + clocks()
		},
		func() string {
			return pick("every", "yearly on", "every year on") + " " + pick("december 24", "24th of december", "february 29")
		},
		func() string { return "the last " + weekday() + " of every " + pick("may", "october") + " " + clocks() },
		func() string { return pick("10 seconds", "90s", "1h 30min", "2 weeks", "an hour", "500ms") },
	}
	text := rapid.SampledFrom(shapes).Draw(t, "shape")()
	tails := []string{
		pick("", "in Europe/Berlin", "in UTC", "in america/new_york"), pick("", "until 2031-01-01", "until 2031-01-01 09:00", "until 31 december 2030 at 9pm"),
		pick("", "starting 2026-12-01", "from 2026-12-01 at 9:00", "starting on 2026-12-01T09:00:00Z"), pick("", "10 times", "for five times"),
	}
	text += " " + strings.Join(rapid.Permutation(tails).Draw(t, "tails"), " ")
	if rapid.Bool().Draw(t, "loud") {
		text = strings.ToUpper(text)
	}
	return strings.Fields(text)
}

// TestPhrasesOfTheGrammar says that whatever the grammar composes is understood, comes, and prints as what reads as the same; and
// that a word which is none is always the one that the error names.
func TestPhrasesOfTheGrammar(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 18, 10, 30, 0, 0, time.UTC).UnixMilli()
	rapid.Check(t, func(t *rapid.T) {
		words := anyPhrase(t)
		text := strings.Join(words, " ")
		p, err := parsePhrase(text, Scope{})
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		next, ok := p.series.after(now, now-1)
		if !ok || next < now {
			t.Fatalf("%s: the first is %d, %t", text, next, ok)
		}
		if latest, ok := p.series.latest(now, next); !ok || latest != next {
			t.Fatalf("%s: the latest at %d is %d, %t", text, next, latest, ok)
		}
		printed := p.series.String()
		again, err := parseGrammar(printed, Scope{})
		if err != nil || again.series.String() != printed {
			t.Fatalf("%s: %q reads as %v, %v", text, printed, again.series, err)
		}
		if same, ok := again.series.after(now, next); ok {
			if other, _ := p.series.after(now, next); other != same {
				t.Fatalf("%s: %q comes at %d, not at %d", text, printed, same, other)
			}
		}
		rule, err := ParseRuleText(text, Scope{})
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if again, err := ParseRuleText(rule.String(), Scope{}); err != nil || again.String() != rule.String() {
			t.Fatalf("%s is %s, which reads as %v, %v", text, rule, again, err)
		}
		wrong := slices.Insert(slices.Clone(words), rapid.IntRange(0, len(words)).Draw(t, "place"), "xyzzy")
		text = strings.Join(wrong, " ")
		if p, err := parsePhrase(text, Scope{}); err == nil {
			t.Fatalf("%s is %s", text, p.series)
		} else if _, after, _ := strings.Cut(err.Error(), ": "); !strings.Contains(after, `"xyzzy"`) {
			t.Fatalf("the error does not name the word: %v", err)
		}
	})
}

func FuzzParsePhrase(f *testing.F) {
	for _, text := range []string{
		"every 5 minutes", "every weekday at 9:00, 12:00 and 17:30", "on the second to last weekday of the month at 18:00 in Europe/Berlin",
		"every 15 minutes from 22:00 to 6:00 on mon-fri until 2031-01-01", "every other friday starting 2026-12-01 10 times",
		"twice a day at 9 am and 5 pm", "every december 24", "every hour at :15 and :45", "10 s", "every second second", "every 1st", "the to last of", "\xff, ,",
		"every day in", "for", "in", "until", "every second tuesday of", "at minute", "on the hour hourly",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePhrase(text, Scope{})
		if err != nil {
			if !utf8.ValidString(err.Error()) || len(err.Error()) > 1500 {
				t.Fatalf("the error is nothing to show: %q", err)
			}
			return
		}
		printed := p.series.String()
		again, err := parseGrammar(printed, Scope{})
		if err != nil || again.series.String() != printed {
			t.Fatalf("%q prints as %q, which reads as %v, %v", text, printed, again.series, err)
		}
		now := time.Date(2026, 11, 18, 10, 30, 0, 0, time.UTC).UnixMilli()
		if next, ok := p.series.after(now, now); ok && next <= now {
			t.Fatalf("%q: %d comes after %d", text, next, now)
		}
	})
}
