package couchtest

import (
	"encoding/json"
	"strconv"
	"strings"
)

// lines compares what a continuous feed or an event source sent, line by line.
func (c *comparison) lines(want step, got *answer) {
	var have []json.RawMessage
	var heartbeats bool
	if want.Feed == "eventsource" {
		have, heartbeats = events(string(got.body))
	} else {
		have, heartbeats = feedLines(string(got.body))
	}
	if strings.Contains(want.Request.Path, "heartbeat=") && want.Response.Heartbeats && !heartbeats {
		c.differ("heartbeats", "some", "none")
	}
	if len(have) != len(want.Response.Lines) {
		c.differ("lines", text(want.Response.Lines), text(have))
		return
	}
	for i := range have {
		c.json([]string{strconv.Itoa(i)}, want.Response.Lines[i], have[i])
	}
}

func feedLines(body string) (lines []json.RawMessage, heartbeats bool) {
	for line := range strings.SplitSeq(strings.TrimSuffix(body, "\n"), "\n") {
		if strings.TrimSpace(line) == "" {
			heartbeats = true
			continue
		}
		lines = append(lines, quoteUnlessJSON(line))
	}
	return lines, heartbeats
}

// events makes {"data": ...} and {"id": ...} of the fields of server-sent events. Heartbeats are left out.
func events(body string) (lines []json.RawMessage, heartbeats bool) {
	beat := false
	for line := range strings.SplitSeq(body, "\n") {
		name, value, found := strings.Cut(strings.TrimSuffix(line, "\r"), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case !found && line == "":
			beat = false
		case name == "event" && value == "heartbeat":
			beat, heartbeats = true, true
		case beat:
		case name == "data" || name == "id":
			content := quoteUnlessJSON(value)
			lines = append(lines, json.RawMessage(`{"`+name+`":`+string(content)+`}`))
		}
	}
	return lines, heartbeats
}

// quoteUnlessJSON makes a JSON string of what is no JSON, so that it can be shown and compared.
func quoteUnlessJSON(line string) json.RawMessage {
	if json.Valid([]byte(line)) {
		return json.RawMessage(line)
	}
	quoted, err := json.Marshal(line)
	if err != nil {
		return json.RawMessage(`""`)
	}
	return quoted
}
