package store

import (
	"slices"
	"sort"
)

// spans count keys: the key space is cut into spans, and each has a count. What comes before a key is the sum of the spans before it, and
// what a look into one span finds.
type spans struct {
	starts []string // the first key of each span, ascending; that of the first is empty
	counts []int64
	last   string // no key is greater; empty while that is not known

	// While a span is cut, what happens to it is written down too.
	cutting bool
	log     []change
}

// change is a key that was added (1) or taken away (-1).
type change struct {
	key string
	by  int64
}

const (
	spanKeys = 512          // keys of a span when it is made
	spanMost = 4 * spanKeys // and from which on it is cut again
)

// newSpans has one span with all keys.
func newSpans(count int64) spans { return spans{starts: []string{""}, counts: []int64{count}} }

// at is the span that a key belongs to.
func (s *spans) at(key string) int {
	return sort.Search(len(s.starts), func(i int) bool { return s.starts[i] > key }) - 1
}

// before counts the keys of the spans before one.
func (s *spans) before(span int) (n int64) {
	for _, c := range s.counts[:span] {
		n += c
	}
	return n
}

func (s *spans) total() int64 { return s.before(len(s.counts)) }

func (s *spans) add(c change) {
	if s.cutting {
		s.log = append(s.log, c)
	}
	i := s.at(c.key)
	if s.last != "" && c.key > s.last {
		s.last = c.key
		if s.counts[i] >= spanKeys { // it is the last one, and all in it come before the key
			s.starts, s.counts = append(s.starts, c.key), append(s.counts, 0)
			i++
		}
	}
	s.counts[i] += c.by
}

// thin makes one span of several that have few keys together, unless one is being cut.
func (s *spans) thin() {
	if s.cutting {
		return
	}
	kept := 0
	for i := 1; i < len(s.starts); i++ {
		if s.counts[kept]+s.counts[i] <= spanKeys {
			s.counts[kept] += s.counts[i]
			continue
		}
		kept++
		s.starts[kept], s.counts[kept] = s.starts[i], s.counts[i]
	}
	s.starts, s.counts = slices.Clone(s.starts[:kept+1]), slices.Clone(s.counts[:kept+1])
}

// end is where a span ends; none for the last one.
func (s *spans) end(span int) (key string, ok bool) {
	if span+1 == len(s.starts) {
		return "", false
	}
	return s.starts[span+1], true
}

// begin begins to cut.
func (s *spans) begin() { s.cutting, s.log = true, nil }

// replace puts the pieces of the span that begins at starts[0] in its place. They were counted when begin was called; last is the greatest key
// of them.
func (s *spans) replace(starts []string, counts []int64, last string) {
	span := s.at(starts[0])
	end, bounded := s.end(span)
	log := s.log
	s.cutting, s.log = false, nil
	s.starts = slices.Replace(s.starts, span, span+1, starts...)
	s.counts = slices.Replace(s.counts, span, span+1, counts...)
	for _, c := range log {
		if c.key >= starts[0] && (!bounded || c.key < end) {
			s.counts[s.at(c.key)] += c.by
			last = max(last, c.key)
		}
	}
	if !bounded {
		s.last = max(s.last, last)
	}
}
