package store

import (
	"encoding/binary"
	"hash/crc32"
	"io"
)

// Compressible attachments are stored as zlib at level 8 compresses them, which is what CouchDB keeps: so their digests, which are of the stored
// bytes, are the same on both, and a replicator or a cache that has one knows the other. The standard library's compressor gives other bytes. What
// follows is that one algorithm: lazy matching over chains of hashes (this file), and the choice of codes (huffman.go).

const (
	windowSize   = 1 << 15
	minMatch     = 3
	maxMatch     = 258
	minLookahead = maxMatch + minMatch + 1
	maxDistance  = windowSize - minLookahead
	farThree     = 4096 // a match of three bytes that is farther away costs more than it saves

	hashBits  = 15
	hashShift = (hashBits + minMatch - 1) / minMatch

	goodMatch  = 32 // from here on a better one is looked for with less effort,
	lazyMatch  = 128
	chainLimit = 1024
)

// compressor is a writer of a gzip stream. Close ends it.
type compressor struct {
	w   io.Writer
	err error
	crc uint32
	len uint32

	window [2 * windowSize]byte
	head   [1 << hashBits]uint16 // the newest place of a hash; 0: none
	prev   [windowSize]uint16    // the place before it with the same hash

	at        int // the place that is being looked at
	ahead     int // bytes from at on
	block     int // where the current block begins; negative: before the window
	length    int // of the match at at
	match     int // where it is
	available bool
	out       blockWriter
}

// begin makes it a writer of a new stream to w, whatever it was before.
func (c *compressor) begin(w io.Writer) {
	c.w, c.err, c.crc, c.len = w, nil, 0, 0
	clear(c.window[:])
	clear(c.head[:])
	clear(c.prev[:])
	c.at, c.ahead, c.block, c.length, c.match, c.available = 0, 0, 0, minMatch-1, 0, false
	c.out.buf, c.out.hold, c.out.held = append(c.out.buf[:0], 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3), 0, 0
	c.out.begin()
}

func (c *compressor) Write(p []byte) (int, error) {
	c.crc = crc32.Update(c.crc, crc32.IEEETable, p)
	c.len += uint32(len(p)) //nolint:gosec // the format counts modulo 2^32
	n := len(p)
	for c.err == nil {
		p = c.fill(p)
		if c.ahead < minLookahead && len(p) == 0 {
			break
		}
		c.deflate(minLookahead)
	}
	return n, c.err
}

// Close writes what is left, and the end of the stream.
func (c *compressor) Close() error {
	c.deflate(1)
	if c.available {
		c.out.literal(c.window[c.at-1])
	}
	c.endBlock(true)
	c.out.buf = binary.LittleEndian.AppendUint32(c.out.buf, c.crc)
	c.out.buf = binary.LittleEndian.AppendUint32(c.out.buf, c.len)
	c.flush()
	return c.err
}

func (c *compressor) flush() {
	if c.err == nil {
		_, c.err = c.w.Write(c.out.buf)
	}
	c.out.buf = c.out.buf[:0]
}

// fill takes what fits into the window, and gives the rest.
func (c *compressor) fill(p []byte) []byte {
	if c.at >= windowSize+maxDistance {
		copy(c.window[:windowSize], c.window[windowSize:])
		c.at -= windowSize
		c.match -= windowSize
		c.block -= windowSize
		slide(c.head[:])
		slide(c.prev[:])
	}
	n := copy(c.window[c.at+c.ahead:], p)
	c.ahead += n
	return p[n:]
}

func slide(places []uint16) {
	for i, at := range places {
		if at >= windowSize {
			places[i] = at - windowSize
		} else {
			places[i] = 0
		}
	}
}

// insert enters the place at and gives the one before with the same hash.
func (c *compressor) insert(at int) int {
	h := (uint(c.window[at])<<(2*hashShift) ^ uint(c.window[at+1])<<hashShift ^ uint(c.window[at+2])) & (1<<hashBits - 1)
	before := c.head[h]
	c.prev[at&(windowSize-1)] = before
	c.head[h] = uint16(at) //nolint:gosec // the window has 2^16 bytes
	return int(before)
}

// deflate goes on while there are at least enough bytes ahead.
func (c *compressor) deflate(enough int) {
	for c.ahead >= enough && c.err == nil {
		before := 0
		if c.ahead >= minMatch {
			before = c.insert(c.at)
		}
		lastLength, lastMatch := c.length, c.match
		c.length = minMatch - 1
		if before != 0 && lastLength < lazyMatch && c.at-before <= maxDistance {
			c.longest(before, lastLength)
			if c.length == minMatch && c.at-c.match > farThree {
				c.length = minMatch - 1
			}
		}
		switch {
		case lastLength >= minMatch && c.length <= lastLength:
			c.take(lastLength, lastMatch)
		case c.available:
			if c.out.literal(c.window[c.at-1]) {
				c.endBlock(false)
			}
			c.at++
			c.ahead--
		default:
			c.available = true
			c.at++
			c.ahead--
		}
	}
}

// take writes the match that began one byte before at.
func (c *compressor) take(length, match int) {
	full := c.out.reference(c.at-1-match, length)
	last := c.at + c.ahead - minMatch
	for i := c.at + 1; i <= min(c.at+length-2, last); i++ {
		c.insert(i)
	}
	c.at += length - 1
	c.ahead -= length - 1
	c.available = false
	c.length = minMatch - 1
	if full {
		c.endBlock(false)
	}
}

// longest looks for the longest match at at that is longer than the last one, from the place given along its chain.
func (c *compressor) longest(place, last int) {
	best := last
	scan := c.window[c.at : c.at+min(maxMatch, c.ahead)]
	limit := max(c.at-maxDistance, 0)
	chain := chainLimit
	if last >= goodMatch {
		chain >>= 2
	}
	for best < len(scan) {
		there := c.window[place:]
		if there[best] == scan[best] && there[best-1] == scan[best-1] && there[0] == scan[0] && there[1] == scan[1] {
			n := 2
			for n < len(scan) && there[n] == scan[n] {
				n++
			}
			if n > best {
				c.match, best = place, n
			}
		}
		place = int(c.prev[place&(windowSize-1)])
		if chain--; place <= limit || chain == 0 {
			break
		}
	}
	c.length = min(best, c.ahead)
}

// endBlock writes the block that ends at at.
func (c *compressor) endBlock(last bool) {
	var raw []byte
	if c.block >= 0 {
		raw = c.window[c.block:c.at]
	}
	c.out.end(raw, c.at-c.block, last)
	c.block = c.at
	if len(c.out.buf) >= 1<<15 {
		c.flush()
	}
}
