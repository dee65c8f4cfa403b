package store

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"encoding/hex"
	"io"
	"testing"

	"pgregory.net/rapid"
)

// words is a text of n bytes that depends on the seed alone: words of an alphabet of so many letters.
func words(seed uint64, n, alphabet, count int) []byte {
	next := func() int {
		seed = seed*6364136223846793005 + 1442695040888963407
		return int(seed >> 33)
	}
	first := 0
	if alphabet == 26 {
		first = 'a'
	}
	list := make([][]byte, count)
	for i := range list {
		for range 1 + next()%9 {
			list[i] = append(list[i], byte(first+next()%alphabet))
		}
	}
	out := make([]byte, 0, n+10)
	for len(out) < n {
		out = append(append(out, list[next()%count]...), ' ')
	}
	return out[:n]
}

// TestCompressorIsZlib compares with what zlib 1.2.13 makes of the same bytes at level 8, with a window of 2^15 and memory level 8.
func TestCompressorIsZlib(t *testing.T) {
	t.Parallel()
	var z compressor // for one after the other, as uploads use it
	for _, c := range []struct {
		seed             uint64
		n, letters, many int
		size             int
		digest           string
	}{
		{1, 0, 26, 1, 20, "7029066c27ac6f5ef18d660d5741979a"},
		{2, 1, 26, 1, 21, "1c04a8e1c189639d113e27fab82bbe0d"},
		{3, 11, 26, 3, 31, "db269d98eb0793661fbaa05c463ef813"},
		{4, 1000, 26, 40, 392, "cbbb1aa68d26f4c219abb526fff69ea0"},
		{5, 40000, 26, 300, 13428, "6646d6541ccfb7d90d820d28031833d9"},
		{6, 300000, 26, 5000, 141250, "6dd59fca9e12bec2c4dc8fb686a1425a"},
		{7, 300000, 26, 2, 8556, "f326eff19f806ae1c6c9ab2e83a0be03"},
		{8, 70000, 256, 60000, 62569, "3b7bc6f49532a99f2a52301aeaed40c6"},
		{9, 200000, 256, 3000, 100367, "5acee283951b783f84b90cbe8d55571c"},
		{10, 300000, 256, 100000, 270721, "36be510a0a8d4aabc54388737bfa43da"},
	} {
		raw := words(c.seed, c.n, c.letters, c.many)
		var out bytes.Buffer
		z.begin(&out)
		for at := 0; at < len(raw); at += 5000 {
			if _, err := z.Write(raw[at:min(at+5000, len(raw))]); err != nil {
				t.Fatal(err)
			}
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		if sum := md5.Sum(out.Bytes()); out.Len() != c.size || hex.EncodeToString(sum[:]) != c.digest {
			t.Errorf("%d bytes of seed %d became %d with digest %x instead of %d with %s", c.n, c.seed, out.Len(), sum, c.size, c.digest)
		}
	}
}

// TestCompressorReadsBack reads what was compressed with the standard library.
func TestCompressorReadsBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		letters := rapid.SampledFrom([]int{2, 26, 256}).Draw(rt, "letters")
		raw := words(rapid.Uint64().Draw(rt, "seed"), rapid.IntRange(0, 100_000).Draw(rt, "n"), letters, rapid.IntRange(1, 2000).Draw(rt, "words"))
		var out bytes.Buffer
		var z compressor
		z.begin(&out)
		for rest := raw; len(rest) > 0; {
			n := min(len(rest), rapid.IntRange(1, 40_000).Draw(rt, "piece"))
			if _, err := z.Write(rest[:n]); err != nil {
				rt.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := z.Close(); err != nil {
			rt.Fatal(err)
		}
		r, err := gzip.NewReader(&out)
		if err != nil {
			rt.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, raw) {
			rt.Fatalf("%d bytes instead of %d: %v", len(got), len(raw), err)
		}
	})
}
