package store

// Spans lets tests cut spans while keys come and go.
type Spans struct{ spans }

// NewSpans has one span with so many keys.
func NewSpans(n int) *Spans { return &Spans{newSpans(int64(n))} }

// Add counts a key (1) or takes it away (-1).
func (s *Spans) Add(key string, by int64) { s.add(change{key, by}) }

// Cut begins to cut the span of a key, and gives its ends: bounded is false for the last one, which has none.
func (s *Spans) Cut(key string) (start, end string, bounded bool) {
	s.begin()
	span := s.at(key)
	end, bounded = s.end(span)
	return s.starts[span], end, bounded
}

// Replace ends the cut.
func (s *Spans) Replace(starts []string, counts []int64, last string) {
	s.replace(starts, counts, last)
}

// Thin makes one span of several small ones.
func (s *Spans) Thin() { s.thin() }

// SpansOf is how many spans a database has for the sequences of its documents.
func SpansOf(d *Database) int {
	d.hub.mu.Lock()
	defer d.hub.mu.Unlock()
	return len(d.ranks.seqs.starts)
}

// Each visits the spans.
func (s *Spans) Each(visit func(start string, count int64)) {
	for i, start := range s.starts {
		visit(start, s.counts[i])
	}
}
