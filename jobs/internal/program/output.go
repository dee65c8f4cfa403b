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
	tailLines   = 10      // in the message of an error
	tailBytes   = 2 << 10
)

// lines sends what is written to it to a logger line by line, up to a bound, and remembers the last lines.
type lines struct {
	log     logrus.FieldLogger
	rest    []byte // a line that has not ended yet
	logged  int
	dropped int64
	last    []string
}

func (l *lines) Write(p []byte) (int, error) {
	written := len(p)
	for len(p) > 0 {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			end = len(p)
		}
		piece := p[:min(end, longestLine-len(l.rest))]
		l.rest = append(l.rest, piece...)
		p = p[len(piece):]
		switch {
		case len(p) > 0 && p[0] == '\n':
			p = p[1:]
			l.line()
		case len(l.rest) == longestLine:
			l.line()
		}
	}
	return written, nil
}

// flush ends the last line, and tells of what was too much.
func (l *lines) flush() {
	if len(l.rest) > 0 {
		l.line()
	}
	if l.dropped > 0 {
		l.log.Warnf("%d bytes more on standard error were not logged", l.dropped)
	}
}

func (l *lines) line() {
	line := strings.ToValidUTF8(strings.TrimRight(string(l.rest), "\r"), "\uFFFD")
	l.rest = l.rest[:0]
	if line == "" {
		return
	}
	if len(l.last) == tailLines {
		l.last = append(l.last[:0], l.last[1:]...)
	}
	l.last = append(l.last, line)
	if l.logged += len(line) + 1; l.logged > mostLogged {
		l.dropped += int64(len(line)) + 1
		return
	}
	l.log.Info(line)
}

// tail is the last lines, at most two KiB of them.
func (l *lines) tail() string {
	text := strings.Join(l.last, "\n")
	if len(text) <= tailBytes {
		return text
	}
	text = text[len(text)-tailBytes:]
	for !utf8.RuneStart(text[0]) {
		text = text[1:]
	}
	return "…" + text
}
