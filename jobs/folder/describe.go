package folder

import (
	"bytes"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

// about is what a script says of itself.
type about struct {
	description string
	timeout     time.Duration
	limit       int
}

// describe reads the comment lines at the beginning of a file. Values it cannot read it passes over.
func describe(path string) about {
	const most = 4 << 10
	f, err := os.Open(path) //nolint:gosec // a file of the jobs folder
	if err != nil {
		return about{}
	}
	defer f.Close() //nolint:errcheck // only read
	start, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil || bytes.IndexByte(start, 0) >= 0 { // a binary
		return about{}
	}
	var a about
	for line := range strings.Lines(string(start)) {
		line = strings.TrimSpace(line)
		text := strings.TrimLeft(line, "#/-;*!% ")
		if line != "" && text == line { // no comment any more
			break
		}
		key, value, ok := strings.Cut(text, ":")
		if !ok {
			continue
		}
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(key) {
		case "after":
			a.description = value
		case "after timeout":
			if d, err := time.ParseDuration(value); err == nil && d > 0 {
				a.timeout = d
			}
		case "after limit":
			if n, err := strconv.Atoi(value); err == nil && n > 0 {
				a.limit = n
			}
		}
	}
	return a
}
