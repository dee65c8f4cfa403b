package program

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/sirupsen/logrus"
)

// head keeps the beginning of what is written to it and counts the rest.
type head struct {
	keep   int
	buffer bytes.Buffer
	total  int64
}

func (h *head) Write(p []byte) (int, error) {
	h.total += int64(len(p))
	h.buffer.Write(p[:min(len(p), h.keep-h.buffer.Len())])
	return len(p), nil
}

const (
	longestLine = 8 << 10 // what is longer goes to the log in pieces
	mostLogged  = 1 << 20 // of one run; the rest is counted only
	lineCost    = 100     // of a line in the log beside its text
	tailLines   = 10      // in the message of an error
	tailBytes   = 2 << 10
)

// lines sends what is written to it to a logger line by line, up to a bound, and remembers the end of it. Beyond the bound
// it costs next to nothing, so that a program which writes without end is bounded by its own speed.
type lines struct {
	log     logrus.FieldLogger
	rest    []byte // a line that has not ended yet
	logged  int
	dropped int64
	last    []byte // the last tailBytes of all that was written
}

func (l *lines) Write(p []byte) (int, error) {
	l.remember(p)
	for rest := p; len(rest) > 0; {
		if l.logged >= mostLogged {
			l.dropped += int64(len(rest))
			break
		}
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			end = len(rest)
		}
		piece := rest[:min(end, longestLine-len(l.rest))]
		l.rest = append(l.rest, piece...)
		rest = rest[len(piece):]
		switch {
		case len(rest) > 0 && rest[0] == '\n':
			rest = rest[1:]
			l.line()
		case len(l.rest) == longestLine:
			l.line()
		}
	}
	return len(p), nil
}

// flush ends the last line, and tells of what was too much.
func (l *lines) flush() {
	l.line()
	if l.dropped > 0 {
		l.log.Warnf("%d bytes more on standard error were not logged", l.dropped)
	}
}

func (l *lines) line() {
	l.logged += len(l.rest) + lineCost
	if line := clean(l.rest); line != "" {
		l.log.Info(line)
	}
	l.rest = l.rest[:0]
}

func (l *lines) remember(p []byte) {
	p = p[max(0, len(p)-tailBytes):]
	l.last = append(l.last[max(0, min(len(l.last), len(l.last)+len(p)-tailBytes)):], p...)
}

// tail is the last lines, at most two KiB of them.
func (l *lines) tail() string {
	text := l.last
	if len(text) == tailBytes {
		for len(text) > 0 && !utf8.RuneStart(text[0]) {
			text = text[1:]
		}
	}
	var last []string
	for line := range bytes.SplitSeq(text, []byte{'\n'}) {
		if line := clean(line); line != "" {
			last = append(last, line)
		}
	}
	return strings.Join(last[max(0, len(last)-tailLines):], "\n")
}

// clean makes text of one line.
func clean(line []byte) string {
	return strings.ToValidUTF8(strings.TrimRight(string(line), "\r"), "\uFFFD")
}
