package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"golang.org/x/text/width"
)

// printJSON writes one value on one line.
func (a *app) printJSON(value any) error {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("writing the output: %w", err)
	}
	return a.writeJSON(b.String())
}

// writeJSON writes what is JSON: as it is for programs, on a terminal with what would steer that escaped.
func (a *app) writeJSON(text string) error {
	if a.terminal {
		text = steerless(text)
	}
	return a.write(text)
}

// steerless is the same JSON with what would steer a terminal escaped.
func steerless(text string) string {
	if !strings.ContainsFunc(text, steersInJSON) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if steersInJSON(r) {
			fmt.Fprintf(&b, "\\u%04x", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// steersInJSON is for characters that JSON lets stand in texts as they are, though terminals may take them for the beginning of a sequence.
func steersInJSON(r rune) bool { return r >= 0x7f && unicode.IsControl(r) }

// println writes lines of plain text.
func (a *app) println(args ...any) error { return a.write(plainText(fmt.Sprintln(args...))) }

// say tells the person something that is not the command's output.
func (a *app) say(format string, args ...any) {
	fmt.Fprintln(a.Err, plainText(fmt.Sprintf(format, args...))) //nolint:errcheck // there is nobody left to tell
}

// table prints rows: aligned under headers on a terminal, with tabs between and no headers elsewhere, for programs.
type table struct {
	headers []string
	rows    [][]string
	widths  []int // of the columns, once it was printed
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// printTable prints the rows, which it takes out: what is added and printed later goes on below, under the same headers.
func (a *app) printTable(t *table) error {
	rows := t.rows
	t.rows = nil
	var b strings.Builder
	if !a.terminal {
		for _, row := range rows {
			for i, cell := range row {
				row[i] = oneLine(cell)
			}
			b.WriteString(strings.Join(row, "\t") + "\n")
		}
		return a.write(b.String())
	}
	colour := a.paint
	if t.widths == nil {
		t.widths = make([]int, len(t.headers))
		rows = append([][]string{t.headers}, rows...)
		colour = a.dim
	}
	for _, row := range rows {
		for i, cell := range row {
			t.widths[i] = max(t.widths[i], shownWidth(oneLine(cell)))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			cell = oneLine(cell)
			padding := strings.Repeat(" ", t.widths[i]-shownWidth(cell)+2)
			cell = colour(cell)
			line.WriteString(cell + padding)
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
		colour = a.paint
	}
	return a.write(b.String())
}

func (a *app) write(text string) error {
	if _, err := io.WriteString(a.Out, text); err != nil {
		return fmt.Errorf("writing the output: %w", err)
	}
	return nil
}

// oneLine keeps what documents say from breaking the table, or the terminal.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

// plainText is oneLine for texts of several lines: whatever documents, servers and endpoints say in it steers no terminal.
func plainText(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return ' '
		}
		return r
	}, text)
}

func shownWidth(text string) int {
	n := 0
	for _, r := range text {
		switch kind := width.LookupRune(r).Kind(); {
		case unicode.Is(unicode.Mn, r):
		case kind == width.EastAsianWide || kind == width.EastAsianFullwidth:
			n += 2
		default:
			n++
		}
	}
	return n
}

// paint colours the words of a status.
func (a *app) paint(text string) string {
	if !a.colour {
		return text
	}
	switch text {
	case "done":
		return "\x1b[32m" + text + "\x1b[0m"
	case "error", "lost":
		return "\x1b[31m" + text + "\x1b[0m"
	case "running":
		return "\x1b[36m" + text + "\x1b[0m"
	case "canceled":
		return "\x1b[33m" + text + "\x1b[0m"
	}
	return text
}

func (a *app) dim(text string) string {
	if !a.colour {
		return text
	}
	return "\x1b[2m" + text + "\x1b[0m"
}

// progress says what is being waited for, once that has taken a second: a line that counts the seconds on a terminal,
// one line elsewhere. Call the function it returns when it is over.
func (a *app) progress(what string) (done func()) {
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		a.count(what, stop)
	}()
	return sync.OnceFunc(func() {
		close(stop)
		<-ended
	})
}

func (a *app) count(what string, stop <-chan struct{}) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for seconds := 1; ; seconds++ {
		select {
		case <-stop:
			if a.talks && seconds > 1 {
				fmt.Fprint(a.Err, "\r\x1b[K") //nolint:errcheck // progress is for whoever looks
			}
			return
		case <-ticker.C:
		}
		switch {
		case a.talks:
			fmt.Fprintf(a.Err, "\r\x1b[K%s … %d s", what, seconds) //nolint:errcheck // progress is for whoever looks
		case seconds == 1:
			a.say("%s …", what)
		}
	}
}

// moment shows an instant to a person: in their zone, with how far away it is.
func moment(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.In(time.Local).Format("2006-01-02 15:04:05 MST") + " (" + distance(t.Sub(now)) + ")"
}

// distance says "in 5 m" or "2 h ago".
func distance(d time.Duration) string {
	if d.Abs() < 500*time.Millisecond {
		return "now"
	}
	if d < 0 {
		return span(-d) + " ago"
	}
	return "in " + span(d)
}

// span shows a duration with the two units that matter.
func span(d time.Duration) string {
	d = d.Round(time.Second)
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return two(d/time.Minute, "min", d%time.Minute/time.Second, "s")
	case d < day:
		return two(d/time.Hour, "h", d%time.Hour/time.Minute, "min")
	default:
		return two(d/day, "d", d%day/time.Hour, "h")
	}
}

func two(n time.Duration, unit string, m time.Duration, below string) string {
	if m == 0 {
		return fmt.Sprintf("%d %s", n, unit)
	}
	return fmt.Sprintf("%d %s %d %s", n, unit, m, below)
}

// counted says how many there are of something: "1 task", "2 tasks".
func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}
