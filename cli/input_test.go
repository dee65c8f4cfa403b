package cli

import (
	"strings"
	"testing"
	"time"
)

func TestArguments(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		words []string
		want  string
	}{
		{nil, ""},
		{[]string{"hello"}, `["hello"]`},
		{[]string{"hello", "5", "true", ""}, `["hello","5","true",""]`},
		{[]string{`{"a": 1}`}, `{"a": 1}`},
		{[]string{`[1, 2]`}, `[1, 2]`},
		{[]string{"x", `{"a":1}`}, `["x",{"a":1}]`},
		{[]string{`"quoted"`}, `["\"quoted\""]`},
	} {
		got, err := argumentsOf(test.words)
		if err != nil || string(got) != test.want {
			t.Errorf("%q: %s, %v, want %s", test.words, got, err, test.want)
		}
	}
	if _, err := argumentsOf([]string{"a", "{b}"}); err == nil || !strings.Contains(err.Error(), "argument 2") {
		t.Errorf("broken JSON: %v", err)
	}
}

func TestRepeat(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"5m":                  `"5m"`,
		"1d12h":               `"1d12h"`,
		"every 5 minutes":     `"every 5 minutes"`,
		"day":                 `"every day"`,
		"2 hours, 30 min":     `"2 hours, 30 min"`,
		"P1M2DT1H":            `"P1M2DT1H"`,
		"300000":              `300000`,
		`{"days": 7}`:         `{"days":7}`,
		"0 9 * * MON-FRI":     `"0 9 * * MON-FRI"`,
		"FREQ=DAILY":          `"FREQ=DAILY"`,
		" every other friday": `"every other friday"`,
	} {
		got, err := (&repeatFlags{rule: text}).document(now, time.UTC)
		if err != nil || string(got) != want {
			t.Errorf("%q: %s, %v, want %s", text, got, err, want)
		}
	}
	got, err := (&repeatFlags{rule: "1d", times: 3, until: "2027-01-01"}).document(now, time.UTC)
	if want := `{"every":"1d","limit":3,"until":"2027-01-01"}`; err != nil || string(got) != want {
		t.Errorf("with bounds: %s, %v, want %s", got, err, want)
	}
	for _, text := range []string{"now and then", "0", "0s", "1M", "{", "0 9 * *", "0 0 30 2 *", "99999999999999999999d", "every "} {
		if got, err := (&repeatFlags{rule: text}).document(now, time.UTC); err == nil || !strings.Contains(err.Error(), "--repeat") {
			t.Errorf("%q: %s, %v, want an error that names the flag", text, got, err)
		}
	}
	got, err = (&repeatFlags{
		rule: `{"cron": "0 9 * * *"}`, times: 3, until: "2027-01-01 12:00", jitter: "30s", except: []string{"2026-12-24/2026-12-31", "cal"}, adjust: "next",
	}).document(now, time.UTC)
	if want := `{"adjust":"next","cron":"0 9 * * *","except":["2026-12-24/2026-12-31","cal"],"jitter":"30s","limit":3,"until":"2027-01-01T12:00:00Z"}`; err != nil || string(got) != want {
		t.Errorf("an object with a limit: %s, %v, want %s", got, err, want)
	}
	for _, flags := range []repeatFlags{
		{times: 3},
		{jitter: "1s"},
		{rule: "1d", until: "whenever"},
		{rule: "1d", jitter: "soon"},
		{rule: "1d", adjust: "later"},
		{rule: "1d", times: -1},
		{rule: "1d", except: []string{"2026-12-24/2026-12-23"}},
	} {
		if got, err := flags.document(now, time.UTC); err == nil {
			t.Errorf("%+v gives %s", flags, got)
		}
	}
}

func TestInstant(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	paris, _, err := zoneOf("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ at, in, want string }{
		{"", "", "0001-01-01T00:00:00Z"},
		{"", "5m", "2026-03-01T12:05:00Z"},
		{"2026-03-02 09:00", "", "2026-03-02T08:00:00Z"},
		{"in 5 minutes", "", "2026-03-01T12:05:00Z"},
		{"2026-03-02T09:00:00Z", "", "2026-03-02T09:00:00Z"},
	} {
		got, err := instant(test.at, test.in, now, paris)
		if err != nil || got.UTC().Format(time.RFC3339) != test.want {
			t.Errorf("--at %q --in %q: %v, %v, want %s", test.at, test.in, got, err, test.want)
		}
	}
	for _, test := range []struct{ at, in, want string }{
		{"tomorrow", "5m", "give one of them"}, {"garbage", "", "--at"}, {"", "soon", "--in"},
	} {
		if _, err := instant(test.at, test.in, now, paris); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("--at %q --in %q: %v, want %q", test.at, test.in, err, test.want)
		}
	}
}

func TestSpans(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "now", 5 * time.Second: "in 5 s", -90 * time.Second: "1 min 30 s ago", time.Hour: "in 1 h",
		25 * time.Hour: "in 1 d 1 h", -49*time.Hour - 59*time.Minute: "2 d 1 h ago", 90 * time.Minute: "in 1 h 30 min",
	} {
		if got := distance(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

func TestQuoted(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"manobi": "manobi", "two words": "'two words'", "it's": `'it'\''s'`, "": "''", "$HOME": "'$HOME'"} {
		if got := quoted(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
