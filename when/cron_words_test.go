package when

import "testing"

func TestCronWords(t *testing.T) {
	t.Parallel()
	for line, want := range map[string][2]string{
		"0 0 9 ? * MON#2":          {"0 9 * * 1#2", "at 09:00 on the second Monday of every month"},
		"*/5 * * * *":              {"*/5 * * * *", "every 5 minutes"},
		"0 0 14,16 * * *":          {"0 14,16 * * *", "at 14:00 and 16:00 every day"},
		"*/15 9-17 * * MON-FRI":    {"*/15 9-17 * * 1-5", "every 15 minutes between 09:00 and 17:59 on weekdays"},
		"0 0 29 2 *":               {"0 0 29 2 *", "at 00:00 on the 29th of February"},
		"5/15 * * * *":             {"5/15 * * * *", "every 15 minutes from minute 5"},
		"*/7 * * * *":              {"*/7 * * * *", "every 7 minutes from minute 0 of each hour"},
		"10-50/20 * * * *":         {"10/20 * * * *", "every 20 minutes from minute 10"},
		"0-30/10 * * * *":          {"0-30/10 * * * *", "every 10 minutes from minute 0 to 30 of each hour"},
		"5,10,42 * * * *":          {"5,10,42 * * * *", "at 5, 10 and 42 minutes past every hour"},
		"5,10,42 9-17 * * *":       {"5,10,42 9-17 * * *", "at 5, 10 and 42 minutes past the hour between 09:00 and 17:59 every day"},
		"0-29 * * * *":             {"0-29 * * * *", "every minute from 0 to 29 of each hour"},
		"0-59 * * * *":             {"0-59 * * * *", "every minute"},
		"5/60 * * * *":             {"5/60 * * * *", "at 5 minutes past every hour"},
		"*/20,7 * * * *":           {"0,7,20,40/60 * * * *", "at 0, 7, 20 and 40 minutes past every hour"},
		"1-9/4,6-9 * * * *":        {"1,5-9/1 * * * *", "at 1, 5, 6, 7, 8 and 9 minutes past every hour"},
		"@hourly":                  {"0 * * * *", "every hour"},
		"30 * * * *":               {"30 * * * *", "at 30 minutes past every hour"},
		"15 30 * * * *":            {"15 30 * * * *", "at 30 minutes and 15 seconds past every hour"},
		"0 */2 * * *":              {"0 */2 * * *", "every 2 hours"},
		"30 */2 * * *":             {"30 */2 * * *", "every 2 hours from 00:30"},
		"0 1/5 * * *":              {"0 1/5 * * *", "at 01:00, 06:00, 11:00, 16:00 and 21:00 every day"},
		"0 1/3 * * *":              {"0 1/3 * * *", "every 3 hours from 01:00 to 22:00 every day"},
		"0 9-17 * * *":             {"0 9-17 * * *", "every hour from 09:00 to 17:00 every day"},
		"0 22-2 * * *":             {"0 0-2,22,23 * * *", "at 22:00, 23:00, 00:00, 01:00 and 02:00 every day"},
		"0 1,3,5,8,12,13,22 * * *": {"0 1,3,5,8,12,13,22 * * *", "at 01:00, 03:00, 05:00, 08:00, 12:00, 13:00 and 22:00 every day"},
		"*/10 9,11,14 * * *":       {"*/10 9,11,14 * * *", "every 10 minutes in the hours 9, 11 and 14 every day"},
		"*/30 8-18/2 * * *":        {"*/30 8-18/2 * * *", "every 30 minutes in every 2nd hour from 08:00 to 18:59 every day"},
		"* * * * *":                {"* * * * *", "every minute"},
		"* 9 * * *":                {"* 9 * * *", "every minute between 09:00 and 09:59 every day"},
		"* * * * * *":              {"* * * * * *", "every second"},
		"*/10 * * * * *":           {"*/10 * * * * *", "every 10 seconds"},
		"*/7 * * * * *":            {"*/7 * * * * *", "every 7 seconds from second 0"},
		"*/10 */5 9 * * *":         {"*/10 */5 9 * * *", "every 10 seconds in every 5th minute between 09:00 and 09:59 every day"},
		"0,30 15 * * * *":          {"0,30 15 * * * *", "every 30 seconds in minute 15"},
		"* 0-4 * * * *":            {"* 0-4 * * * *", "every second in the minutes 0 to 4"},
		"* 1,5 * * * *":            {"* 1,5 * * * *", "every second in the minutes 1 and 5"},
		"30 */5 * * * *":           {"30 */5 * * * *", "every 5 minutes at second 30"},
		"30 0 9 * * *":             {"30 0 9 * * *", "at 09:00:30 every day"},
		"@daily":                   {"0 0 * * *", "at 00:00 every day"},
		"@weekly":                  {"0 0 * * 0", "at 00:00 on Sundays"},
		"@monthly":                 {"0 0 1 * *", "at 00:00 on the 1st of every month"},
		"@yearly":                  {"0 0 1 1 *", "at 00:00 on the 1st of January"},
		"0 9 * * 6,0":              {"0 9 * * 0,6", "at 09:00 on weekends"},
		"0 9 * * MON,WED":          {"0 9 * * 1,3", "at 09:00 on Mondays and Wednesdays"},
		"0 9 * * FRI-MON":          {"0 9 * * 0,1,5,6", "at 09:00 from Friday to Monday"},
		"0 9 * * MON#1,MON#3,5L":   {"0 9 * * 1#1,1#3,5L", "at 09:00 on the first and third Monday and the last Friday of every month"},
		"0 9 * * MON,MON#1,5L":     {"0 9 * * 1,5L", "at 09:00 on Mondays and on the last Friday of every month"},
		"0 9 * 2 5L":               {"0 9 * 2 5L", "at 09:00 on the last Friday of February"},
		"0 9 * 1,7 MON":            {"0 9 * 1,7 1", "at 09:00 on Mondays in January and July"},
		"0 9 1,15 * *":             {"0 9 1,15 * *", "at 09:00 on the 1st and 15th of every month"},
		"0 9 1-7 * *":              {"0 9 1-7 * *", "at 09:00 on the 1st to 7th of every month"},
		"0 9 */2 * *":              {"0 9 */2 * *", "at 09:00 on every 2nd day from the 1st of every month"},
		"0 9 11-13,21-23 * *":      {"0 9 11-13,21-23 * *", "at 09:00 on the 11th, 12th, 13th, 21st, 22nd and 23rd of every month"},
		"0 9 L * *":                {"0 9 L * *", "at 09:00 on the last day of every month"},
		"0 9 L-3,LW * *":           {"0 9 L-3,LW * *", "at 09:00 on the 4th to last day and the last weekday of every month"},
		"0 9 15W,L-3W * *":         {"0 9 15W,L-3W * *", "at 09:00 on the weekday nearest the 15th and the weekday nearest the 4th to last day of every month"},
		"0 9 13 * FRI":             {"0 9 13 * 5", "at 09:00 on the 13th of every month and on Fridays"},
		"0 9 1 1 1":                {"0 9 1 1 1", "at 09:00 on the 1st of January and on Mondays in January"},
		"0 9 */2 * MON":            {"0 9 */2 * 1", "at 09:00 on every 2nd day from the 1st of every month, but only on Mondays"},
		"0 9 2 * */2":              {"0 9 2 * */2", "at 09:00 on the 2nd of every month, but only on Tuesdays, Thursdays, Saturdays and Sundays"},
		"0 9 1-31 * MON":           {"0 9 * * *", "at 09:00 every day"},
		"0 9 * 1-3 *":              {"0 9 * 1-3 *", "at 09:00 every day from January to March"},
		"0 9 * */3 *":              {"0 9 * */3 *", "at 09:00 every day in January, April, July and October"},
		"0 9 1 11-2 *":             {"0 9 1 1,2,11,12 *", "at 09:00 on the 1st of each month from November to February"},
		"*/5 * * 12 *":             {"*/5 * * 12 *", "every 5 minutes in December"},
		"0 0 9 1 1 ? 2027":         {"0 0 9 1 1 * 2027", "at 09:00 on the 1st of January in 2027"},
		"0 0 9 1 1 ? 2027,2030":    {"0 0 9 1 1 * 2027,2030", "at 09:00 on the 1st of January in 2027 and 2030"},
		"0 0 9 1 1 ? */4":          {"0 0 9 1 1 * */4", "at 09:00 on the 1st of January in every 4th year such as 2022"},
		"0 0 9 1 1 ? 2026/3":       {"0 0 9 1 1 * 2026/3", "at 09:00 on the 1st of January in every 3rd year from 2026"},
		"0 0 9 1 1 ? 2026-2030":    {"0 0 9 1 1 * 2026-2030", "at 09:00 on the 1st of January in every year from 2026 to 2030"},
		"0 0 9 1 1 ? 2026-2040/7,2031,2033,2035,2037,2039": {
			"0 0 9 1 1 * 2026,2031,2033,2035,2037,2039-2040",
			"at 09:00 on the 1st of January in 2026, 2031, 2033, 2035, 2037, 2039 and more years",
		},
		"0 0 9 1 1 ? 2000-2040": {"0 0 9 1 1 * 2000-2040", "at 09:00 on the 1st of January in every year from 2000 to 2040"},
		"TZ=UTC 0 9 * * *":      {"0 9 * * *", "at 09:00 every day"},
	} {
		s := mustCron(t, line, Scope{})
		if s.String() != want[0] {
			t.Errorf("%s prints as\n     %s\nwant %s", line, s, want[0])
		}
		if s.words() != want[1] {
			t.Errorf("%s is said\n     %s\nwant %s", line, s.words(), want[1])
		}
		if again := mustCron(t, s.String(), Scope{}); again.String() != s.String() || again.words() != s.words() {
			t.Errorf("%s prints as %s, which reads as %s", line, s, again)
		}
	}
}

// The spread is stable: the dates of tasks depend on it.
func TestCronSpread(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"H * * * *": "56 * * * *", "H H * * *": "56 16 * * *", "H H H * *": "56 16 5 * *", "H H * * H": "56 16 * * 6", "H H H H *": "56 16 5 2 *", "H H H * * *": "52 56 16 * * *", "~ ~ ~ * *": "56 16 5 * *",
		"H/15 * * * *": "11/15 * * * *", "H(0-29)/10 * * * *": "6-26/10 * * * *", "H(9-16) H(9-16) * * MON-FRI": "13 9 * * 1-5", "0~30 * * * *": "17 * * * *", "30~ ~5 * * *": "56 4 * * *",
		"H(0-29),H(30-59) * * * *": "26,56 * * * *", "* * H/20 * *": "* * 17 * *", "~/20 * * * *": "16/20 * * * *",
	} {
		got := mustCron(t, line, Scope{Seed: "reports:nightly"}).String()
		if got != want {
			t.Errorf("%q: %q,", line, got)
		}
	}
	seen := map[string]int{}
	for _, seed := range []string{"a", "b", "c", "task:1", "task:2", "task:3", "task:4", ""} {
		seen[mustCron(t, "H H * * *", Scope{Seed: seed}).String()]++
	}
	if len(seen) < 7 {
		t.Errorf("the spread puts tasks together: %v", seen)
	}
}

// Every value is drawn about as often as the others.
func TestCronSpreadIsEven(t *testing.T) {
	t.Parallel()
	var minutes [60]int
	const each = 100
	for i := range 60 * each {
		s := mustCron(t, "H * * * *", Scope{Seed: "task:" + string(rune('a'+i%26)) + year4(i%10000) + year4(i/10)})
		minutes[s.line.minute.first()]++
	}
	for m, n := range minutes {
		if n < each/2 || n > each*3/2 {
			t.Errorf("minute %d comes %d times of %d", m, n, each)
		}
	}
}
