package store

import (
	"encoding/binary"
	"math/bits"
)

const (
	literals    = 256
	endOfBlock  = 256
	lengthCodes = 29
	symbolCodes = literals + 1 + lengthCodes
	placeCodes  = 30
	treeCodes   = 19
	longestCode = 15
	maxSymbols  = 1<<14 - 1 // of a block

	repeatLast  = 16
	repeatZero  = 17
	repeatZeros = 18
)

// code is a prefix code over symbols: how often each is used, and its bits.
type code struct {
	freq []int
	bits []uint16 // reversed, as they are written
	size []int
	last int // the last symbol that has a size

	extra []int // bits behind a symbol, from base on
	base  int
	fixed []int // sizes in the fixed code, if there is one
	limit int   // of a size
}

// blockWriter gathers the symbols of a block and writes them in the code that is shortest.
type blockWriter struct {
	buf  []byte
	hold uint64
	held uint

	symbols []uint32 // place<<9 | length or literal
	codes   struct{ symbol, place, tree code }

	ownBits, fixedBits int
}

//nolint:gochecknoglobals // constant tables
var (
	lengthExtra = []int{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	placeExtra  = []int{
		0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
	}
	treeExtra  = []int{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 3, 7}
	treeOrder  = [treeCodes]int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
	lengthBase = firsts(lengthExtra[:lengthCodes-1])
	placeBase  = firsts(placeExtra)

	fixedSymbols = fixedSizes()
	fixedPlaces  = func() (s []int) {
		for range placeCodes {
			s = append(s, 5)
		}
		return s
	}()
	fixedSymbolBits = assign(fixedSymbols, 287)
	fixedPlaceBits  = assign(fixedPlaces, placeCodes-1)

	codeOfLength = func() (t [maxMatch - minMatch + 1]uint8) {
		for i := range t {
			t[i] = uint8(codeOf(lengthBase, i))
		}
		t[maxMatch-minMatch] = lengthCodes - 1
		return t
	}()
)

// firsts are the first values of codes with so many bits behind them.
func firsts(extra []int) []int {
	out := make([]int, len(extra))
	for i := 1; i < len(extra); i++ {
		out[i] = out[i-1] + 1<<extra[i-1]
	}
	return out
}

func codeOf(first []int, value int) int {
	at := len(first) - 1
	for first[at] > value {
		at--
	}
	return at
}

func codeOfPlace(d int) int {
	if d < 4 {
		return d
	}
	n := bits.Len(uint(d)) - 1
	return 2*n + (d>>(n-1))&1
}

func fixedSizes() []int {
	s := make([]int, 288)
	for i := range s {
		switch {
		case i < 144, i >= 280:
			s[i] = 8
		case i < 256:
			s[i] = 9
		default:
			s[i] = 7
		}
	}
	return s
}

// assign gives the bits of the canonical code with these sizes.
func assign(size []int, last int) []uint16 {
	var count, next [longestCode + 1]int
	for _, n := range size[:last+1] {
		count[n]++
	}
	count[0] = 0
	for n := 1; n <= longestCode; n++ {
		next[n] = (next[n-1] + count[n-1]) << 1
	}
	out := make([]uint16, len(size))
	for i, n := range size[:last+1] {
		if n > 0 {
			out[i] = bits.Reverse16(uint16(next[n])) >> (16 - n) //nolint:gosec // 15 bits at most
			next[n]++
		}
	}
	return out
}

func (w *blockWriter) begin() {
	if w.codes.symbol.freq == nil {
		w.codes.symbol = code{freq: make([]int, symbolCodes), extra: lengthExtra, base: literals + 1, fixed: fixedSymbols, limit: longestCode}
		w.codes.place = code{freq: make([]int, placeCodes), extra: placeExtra, fixed: fixedPlaces, limit: longestCode}
		w.codes.tree = code{freq: make([]int, treeCodes), extra: treeExtra, limit: 7}
	}
	clear(w.codes.symbol.freq)
	clear(w.codes.place.freq)
	clear(w.codes.tree.freq)
	w.codes.symbol.freq[endOfBlock] = 1
	w.symbols = w.symbols[:0]
	w.ownBits, w.fixedBits = 0, 0
}

// literal adds a byte. It tells whether the block is full.
func (w *blockWriter) literal(b byte) bool {
	w.symbols = append(w.symbols, uint32(b))
	w.codes.symbol.freq[b]++
	return len(w.symbols) == maxSymbols
}

// reference adds a match. It tells whether the block is full.
func (w *blockWriter) reference(distance, length int) bool {
	w.symbols = append(w.symbols, uint32(distance)<<9|uint32(length-minMatch)) //nolint:gosec // both are small
	w.codes.symbol.freq[literals+1+int(codeOfLength[length-minMatch])]++
	w.codes.place.freq[codeOfPlace(distance-1)]++
	return len(w.symbols) == maxSymbols
}

func (w *blockWriter) put(value uint64, n int) {
	w.hold |= value << w.held
	w.held += uint(n)
	for w.held >= 8 {
		w.buf = append(w.buf, byte(w.hold&0xff))
		w.hold >>= 8
		w.held -= 8
	}
}

// align fills the last byte.
func (w *blockWriter) align() {
	if w.held > 0 {
		w.buf = append(w.buf, byte(w.hold&0xff))
	}
	w.hold, w.held = 0, 0
}

// end writes the block, whose bytes are raw where they are still there, and begins the next.
func (w *blockWriter) end(raw []byte, size int, last bool) {
	w.build(&w.codes.symbol)
	w.build(&w.codes.place)
	trees := w.buildTree()
	own, fixed := (w.ownBits+3+7)>>3, (w.fixedBits+3+7)>>3
	shortest := min(own, fixed)
	final := uint64(0)
	if last {
		final = 1
	}
	switch {
	case raw != nil && size+4 <= shortest:
		w.put(final, 3)
		w.align()
		w.buf = binary.LittleEndian.AppendUint16(w.buf, uint16(size))  //nolint:gosec // a block that is stored is shorter
		w.buf = binary.LittleEndian.AppendUint16(w.buf, ^uint16(size)) //nolint:gosec // see above
		w.buf = append(w.buf, raw...)
	case fixed == shortest:
		w.put(1<<1|final, 3)
		w.content(fixedSymbolBits, fixedSymbols, fixedPlaceBits, fixedPlaces)
	default:
		w.put(2<<1|final, 3)
		w.trees(trees)
		w.content(w.codes.symbol.bits, w.codes.symbol.size, w.codes.place.bits, w.codes.place.size)
	}
	w.begin()
	if last {
		w.align()
	}
}

func (w *blockWriter) content(symbolBits []uint16, symbolSize []int, placeBits []uint16, placeSize []int) {
	for _, s := range w.symbols {
		distance, value := int(s>>9), int(s&0x1ff)
		if distance == 0 {
			w.put(uint64(symbolBits[value]), symbolSize[value])
			continue
		}
		n := int(codeOfLength[value])
		w.put(uint64(symbolBits[literals+1+n]), symbolSize[literals+1+n])
		if n < lengthCodes-1 {
			w.put(uint64(value-lengthBase[n]), lengthExtra[n]) //nolint:gosec // not negative
		}
		distance--
		n = codeOfPlace(distance)
		w.put(uint64(placeBits[n]), placeSize[n])
		w.put(uint64(distance-placeBase[n]), placeExtra[n]) //nolint:gosec // not negative
	}
	w.put(uint64(symbolBits[endOfBlock]), symbolSize[endOfBlock])
}

// build gives the symbols of c the shortest code, and adds what they take.
func (w *blockWriter) build(c *code) {
	t := newTreeBuilder(c)
	t.pair(w)
	t.sizes(w)
	c.size, c.last = t.size[:len(c.freq)], t.last
	c.bits = assign(c.size, c.last)
}

// treeBuilder makes the tree of a code. Nodes from len(c.freq) on are inner ones.
type treeBuilder struct {
	c      *code
	freq   []int
	depth  []int
	parent []int
	size   []int
	heap   []int // from 1 on
	order  []int // nodes in the order in which they were joined, the root last
	last   int
}

func newTreeBuilder(c *code) *treeBuilder {
	n := 2*len(c.freq) + 1
	t := &treeBuilder{
		c: c, freq: make([]int, n), depth: make([]int, n), parent: make([]int, n), size: make([]int, n), heap: make([]int, 1, n), last: -1,
	}
	copy(t.freq, c.freq)
	return t
}

func (t *treeBuilder) before(n, m int) bool {
	return t.freq[n] < t.freq[m] || (t.freq[n] == t.freq[m] && t.depth[n] <= t.depth[m])
}

func (t *treeBuilder) sink(k int) {
	v := t.heap[k]
	for j := 2 * k; j < len(t.heap); j *= 2 {
		if j+1 < len(t.heap) && t.before(t.heap[j+1], t.heap[j]) {
			j++
		}
		if t.before(v, t.heap[j]) {
			break
		}
		t.heap[k] = t.heap[j]
		k = j
	}
	t.heap[k] = v
}

// pair joins the rarest nodes until one is left.
func (t *treeBuilder) pair(w *blockWriter) {
	for n, f := range t.c.freq {
		if f > 0 {
			t.heap = append(t.heap, n)
			t.last = n
		}
	}
	for len(t.heap) < 3 { // a code has two symbols at least
		n := 0
		if t.last < 2 {
			t.last++
			n = t.last
		}
		t.heap = append(t.heap, n)
		t.freq[n] = 1
		w.ownBits--
		if t.c.fixed != nil {
			w.fixedBits -= t.c.fixed[n]
		}
	}
	for k := (len(t.heap) - 1) / 2; k >= 1; k-- {
		t.sink(k)
	}
	for node := len(t.c.freq); len(t.heap) > 2; node++ {
		n := t.heap[1]
		t.heap[1] = t.heap[len(t.heap)-1]
		t.heap = t.heap[:len(t.heap)-1]
		t.sink(1)
		m := t.heap[1]
		t.order = append(t.order, n, m)
		t.freq[node] = t.freq[n] + t.freq[m]
		t.depth[node] = max(t.depth[n], t.depth[m]) + 1
		t.parent[n], t.parent[m] = node, node
		t.heap[1] = node
		t.sink(1)
	}
	t.order = append(t.order, t.heap[1])
}

// sizes gives each symbol the length of its path, none above the limit.
func (t *treeBuilder) sizes(w *blockWriter) {
	var count [longestCode + 1]int
	c, over := t.c, 0
	t.size[t.order[len(t.order)-1]] = 0
	for i := len(t.order) - 2; i >= 0; i-- {
		n := t.order[i]
		size := t.size[t.parent[n]] + 1
		if size > c.limit {
			size = c.limit
			over++
		}
		t.size[n] = size
		if n > t.last {
			continue
		}
		count[size]++
		extra := 0
		if n >= c.base {
			extra = c.extra[n-c.base]
		}
		w.ownBits += t.freq[n] * (size + extra)
		if c.fixed != nil {
			w.fixedBits += t.freq[n] * (c.fixed[n] + extra)
		}
	}
	if over > 0 {
		t.shorten(w, &count, over)
	}
}

// shorten moves symbols whose path was cut to places of other lengths.
func (t *treeBuilder) shorten(w *blockWriter, count *[longestCode + 1]int, over int) {
	limit := t.c.limit
	for ; over > 0; over -= 2 {
		size := limit - 1
		for count[size] == 0 {
			size--
		}
		count[size]--
		count[size+1] += 2
		count[limit]--
	}
	at := 0
	for size := limit; size > 0; size-- {
		for n := count[size]; n > 0; at++ {
			m := t.order[at]
			if m > t.last {
				continue
			}
			if t.size[m] != size {
				w.ownBits += (size - t.size[m]) * t.freq[m]
				t.size[m] = size
			}
			n--
		}
	}
}

// runs visits the sizes of a code as they are written: a symbol of the tree code, and the value behind it.
func (c *code) runs(visit func(symbol, value int)) {
	before := -1
	for at := 0; at <= c.last; {
		size := c.size[at]
		longest, shortest := 7, 4
		switch size {
		case 0:
			longest, shortest = 138, 3
		case before:
			longest, shortest = 6, 3
		}
		n := 1
		for n < longest && at+n <= c.last && c.size[at+n] == size {
			n++
		}
		at += n
		switch {
		case n < shortest:
			for range n {
				visit(size, 0)
			}
		case size != 0:
			if size != before {
				visit(size, 0)
				n--
			}
			visit(repeatLast, n-3)
		case n <= 10:
			visit(repeatZero, n-3)
		default:
			visit(repeatZeros, n-11)
		}
		before = size
	}
}

// buildTree makes the code of the codes' sizes; trees is how many of its own sizes are written.
func (w *blockWriter) buildTree() (trees int) {
	c := &w.codes.tree
	tally := func(symbol, _ int) { c.freq[symbol]++ }
	w.codes.symbol.runs(tally)
	w.codes.place.runs(tally)
	w.build(c)
	trees = treeCodes
	for trees > 4 && c.size[treeOrder[trees-1]] == 0 {
		trees--
	}
	w.ownBits += 3*trees + 5 + 5 + 4
	return trees
}

func (w *blockWriter) trees(trees int) {
	w.put(uint64(w.codes.symbol.last-literals), 5) //nolint:gosec // there is an end of block
	w.put(uint64(w.codes.place.last), 5)           //nolint:gosec // not negative
	w.put(uint64(trees-4), 4)                      //nolint:gosec // at least 4
	c := &w.codes.tree
	for _, at := range treeOrder[:trees] {
		w.put(uint64(c.size[at]), 3) //nolint:gosec // not negative
	}
	write := func(symbol, value int) {
		w.put(uint64(c.bits[symbol]), c.size[symbol])
		w.put(uint64(value), treeExtra[symbol]) //nolint:gosec // not negative
	}
	w.codes.symbol.runs(write)
	w.codes.place.runs(write)
}
