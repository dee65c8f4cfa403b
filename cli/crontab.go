package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/adlayer/after/when"
)

// crontab is a file in cron's format, read line by line.
type crontab struct {
	users bool   // lines name a user after the schedule, as in /etc/crontab
	zone  string // of lines before the first CRON_TZ
	scope when.Scope

	entries []cronEntry
	notes   []string // what of it has no meaning here

	env     []cronVariable // as it stands at the line that is read
	shell   string
	delay   string // RANDOM_DELAY, in minutes
	comment []string
	seen    map[string]int
}

type cronVariable struct{ name, value string }

// cronEntry is one line that schedules a command.
type cronEntry struct {
	line    int
	text    string
	id      string
	rule    string
	words   string
	zone    string
	user    string
	note    string
	jitter  string
	command string // as cron gives it to the shell
	script  string // with its environment
	stdin   string
	shell   string
	err     error // why it cannot be a task
}

var (
	cronSetting  = regexp.MustCompile(`^["']?([A-Za-z_][A-Za-z0-9_]*)["']?\s*=\s*(.*)$`)
	cronSchedule = regexp.MustCompile(`^(@\S+|\S+\s+\S+\s+\S+\s+\S+\s+\S+)\s+(.*)$`)
	cronUser     = regexp.MustCompile(`^(\S+)\s+(.*)$`)
)

// read reads a whole file.
func (c *crontab) read(text string) {
	c.shell, c.seen = "/bin/sh", map[string]int{}
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "":
			c.comment = nil
		case strings.HasPrefix(line, "#"):
			c.comment = append(c.comment, strings.TrimSpace(strings.TrimLeft(line, "#")))
		case cronSetting.MatchString(line):
			match := cronSetting.FindStringSubmatch(line)
			c.set(i+1, match[1], unquoted(match[2]))
		default:
			c.entry(i+1, line)
			c.comment = nil
		}
	}
}

// unquoted takes away the quotation marks that a value may stand in.
func unquoted(value string) string {
	value = strings.TrimSpace(value)
	if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
		return value[1 : n-1]
	}
	return value
}

func (c *crontab) noted(line int, format string, args ...any) {
	c.notes = append(c.notes, fmt.Sprintf("line %d: ", line)+fmt.Sprintf(format, args...))
}

// set takes a line such as PATH=/usr/bin, which holds for the lines below it.
func (c *crontab) set(line int, name, value string) {
	switch name {
	case "CRON_TZ":
		loc, err := when.LoadLocation(value)
		if err != nil {
			c.entries = append(c.entries, cronEntry{line: line, text: name + "=" + value, err: fmt.Errorf("CRON_TZ: %w", err)})
			return
		}
		c.zone, c.scope.Zone = value, loc
	case "SHELL":
		c.shell = value
	case "MAILTO", "MAILFROM", "CONTENT_TYPE", "CONTENT_TRANSFER_ENCODING":
		c.noted(line, "%s: no mail is sent; what a command prints is in the task's result, and in the worker's log", name)
	case "RANDOM_DELAY":
		if _, err := when.ParseDuration(value + "m"); err != nil {
			c.noted(line, "RANDOM_DELAY is no number of minutes, and is left out: %s", value)
			return
		}
		c.delay = value
	case "LOGNAME", "USER":
		c.noted(line, "%s: commands run as the worker's user", name)
	default:
		for i := range c.env {
			if c.env[i].name == name {
				c.env[i].value = value
				return
			}
		}
		c.env = append(c.env, cronVariable{name, value})
	}
}

// entry takes a line that schedules a command.
func (c *crontab) entry(line int, text string) {
	e := cronEntry{line: line, text: text, zone: c.zone, shell: c.shell, note: strings.TrimSpace(strings.Join(c.comment, "\n"))}
	e.err = c.fill(&e)
	if e.err == nil {
		sum := sha256.Sum256([]byte(strings.Join([]string{e.rule, e.user, e.command, e.stdin}, "\x00")))
		e.id = "crontab-" + hex.EncodeToString(sum[:6])
		if c.seen[e.id]++; c.seen[e.id] > 1 {
			e.id += fmt.Sprintf("-%d", c.seen[e.id])
		}
	}
	c.entries = append(c.entries, e)
}

func (c *crontab) fill(e *cronEntry) error {
	match := cronSchedule.FindStringSubmatch(e.text)
	if match == nil {
		return errors.New("it is neither a schedule of five fields or a macro such as @daily with a command after it, nor NAME=value")
	}
	e.rule = strings.Join(strings.Fields(match[1]), " ")
	if strings.EqualFold(e.rule, "@reboot") {
		return errors.New("@reboot is no date: what runs when a machine starts is better a service of its system")
	}
	rest := match[2]
	if c.users {
		if match = cronUser.FindStringSubmatch(rest); match == nil {
			return errors.New("it has no command after the user")
		}
		e.user, rest = match[1], match[2]
		if c.seen["user "+e.user]++; c.seen["user "+e.user] == 1 {
			c.noted(e.line, "commands of the user %s run as the worker's user", e.user)
		}
	}
	rule, err := when.ParseRuleText(e.rule, c.scope)
	if err != nil {
		return err
	}
	e.words = wordsOf(rule)
	e.command, e.stdin = cronCommand(rest)
	e.script = c.exports() + e.command
	if c.delay != "" && c.delay != "0" {
		e.jitter = c.delay + "m"
	}
	return nil
}

// cronCommand parts a command from its input: a % ends the line, what follows the first is the input, and \% is a percent sign.
func cronCommand(text string) (command, stdin string) {
	var b strings.Builder
	first, input := "", false
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text) && text[i+1] == '%':
			b.WriteByte('%')
			i++
		case text[i] == '%' && !input:
			first, input = b.String(), true
			b.Reset()
		case text[i] == '%':
			b.WriteByte('\n')
		default:
			b.WriteByte(text[i])
		}
	}
	if !input {
		return b.String(), ""
	}
	return first, b.String() + "\n"
}

// exports are the settings of the file as the shell takes them, since exec has no environment of its own.
func (c *crontab) exports() string {
	var b strings.Builder
	for _, v := range c.env {
		b.WriteString("export " + v.name + "=" + quoted(v.value) + "; ")
	}
	return b.String()
}
