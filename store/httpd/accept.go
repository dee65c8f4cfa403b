package httpd

import (
	"iter"
	"strconv"
	"strings"
)

// qualities are the names in a list such as that of Accept, each with its quality.
func qualities(header string) iter.Seq2[string, float64] {
	return func(yield func(string, float64) bool) {
		for one := range strings.SplitSeq(header, ",") {
			name, params, _ := strings.Cut(one, ";")
			q := 1.0
			for param := range strings.SplitSeq(params, ";") {
				if text, ok := strings.CutPrefix(strings.TrimSpace(param), "q="); ok {
					if f, err := strconv.ParseFloat(text, 64); err == nil {
						q = f
					}
				}
			}
			if name = strings.TrimSpace(name); name != "" && !yield(name, q) {
				return
			}
		}
	}
}

// accepts tells whether a client takes a type. One that says nothing takes all.
func (c *call) accepts(kind string) bool {
	header := c.r.Header.Get("Accept")
	if header == "" {
		return true
	}
	main, _, _ := strings.Cut(kind, "/")
	taken := false
	for name, q := range qualities(header) {
		switch name {
		case kind, main + "/*":
			if q <= 0 {
				return false
			}
			taken = true
		case "*/*":
			taken = taken || q > 0
		}
	}
	return taken
}
