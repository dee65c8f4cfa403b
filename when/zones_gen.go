//go:build ignore

// This program writes zoneinfo.zip anew: the zone database of the Go that runs it, with its version in the file +VERSION. To take over a
// newer one, run "go generate ./when" with the newest Go.
//
// Go's files are slim: they end with the last change that follows no rule, often in the past century, and the rule has to be worked out
// for each instant after it, which takes package time several times as long as a look into a list. So the changes of the years up to
// 2037 are written out, as the files of most systems have them.
package main

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"time"
)

func main() {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	check(err)
	folder := filepath.Join(strings.TrimSpace(string(out)), "lib", "time")
	script, err := os.ReadFile(filepath.Join(folder, "update.bash"))
	check(err)
	version := regexp.MustCompile(`(?m)^DATA=(\w+)$`).FindSubmatch(script)
	if version == nil {
		log.Fatalf("%s does not say which version the database is", folder)
	}
	zones, err := zip.OpenReader(filepath.Join(folder, "zoneinfo.zip"))
	check(err)
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	add := func(name string, content []byte) {
		f, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate})
		check(err)
		_, err = f.Write(content)
		check(err)
	}
	add("+VERSION", append(version[1], '\n'))
	for _, zone := range zones.File {
		if strings.HasSuffix(zone.Name, "/") {
			continue
		}
		f, err := zone.Open()
		check(err)
		content, err := io.ReadAll(f)
		check(err)
		add(zone.Name, expanded(content))
	}
	check(w.Close())
	check(os.WriteFile("zoneinfo.zip", b.Bytes(), 0o644))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

const lastYear = 2037

// expanded writes out the changes of a zone.
func expanded(slim []byte) []byte {
	loc, err := time.LoadLocationFromTZData("", slim)
	check(err)
	f := parse(slim)
	if f.rule == "" || !strings.Contains(f.rule, ",") {
		return slim // it changes no more
	}
	at := int64(0)
	if n := len(f.changes); n > 0 {
		at = f.changes[n-1].at
	}
	const day = 24 * 60 * 60
	end := time.Date(lastYear+1, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	for ; at < end; at += day {
		now := kindAt(loc, at)
		if kindAt(loc, at+day) == now {
			continue
		}
		change := at + int64(sort.Search(day, func(n int) bool { return kindAt(loc, at+int64(n)) != now }))
		f.changes = append(f.changes, transition{change, f.index(kindAt(loc, change))})
	}
	return f.bytes()
}

// kind is one of the local times of a zone.
type kind struct {
	offset int32
	dst    bool
	name   string
}

func kindAt(loc *time.Location, at int64) kind {
	t := time.Unix(at, 0).In(loc)
	name, offset := t.Zone()
	return kind{int32(offset), t.IsDST(), name}
}

type transition struct {
	at   int64
	kind byte
}

// file is what a TZif file (RFC 9636) of version 2 or later says.
type file struct {
	changes []transition
	kinds   []kind
	rule    string
}

func (f *file) index(k kind) byte {
	for i, known := range f.kinds {
		if known == k {
			return byte(i)
		}
	}
	f.kinds = append(f.kinds, k)
	return byte(len(f.kinds) - 1)
}

// counts are the six numbers of a header: isut, isstd, leap, time, type, char.
func counts(header []byte) (n [6]int) {
	for i := range n {
		n[i] = int(binary.BigEndian.Uint32(header[20+4*i:]))
	}
	return n
}

const headerSize = 44

func parse(b []byte) *file {
	n := counts(b)
	b = b[headerSize+n[3]*5+n[4]*6+n[5]+n[2]*8+n[1]+n[0]:] // the second block has 64 bits
	n = counts(b)
	if n[2] != 0 {
		log.Fatal("a zone with leap seconds")
	}
	b = b[headerSize:]
	f := &file{}
	for i := range n[3] {
		f.changes = append(f.changes, transition{int64(binary.BigEndian.Uint64(b[8*i:])), b[8*n[3]+i]})
	}
	b = b[9*n[3]:]
	names := b[6*n[4]:]
	for i := range n[4] {
		info := b[6*i:]
		name, _, _ := strings.Cut(string(names[info[5]:n[5]]), "\x00")
		f.kinds = append(f.kinds, kind{int32(binary.BigEndian.Uint32(info)), info[4] != 0, name})
	}
	f.rule = strings.Trim(string(names[n[5]+n[1]+n[0]:]), "\n")
	return f
}

func (f *file) bytes() []byte {
	var names []byte
	places := map[string]int{}
	for _, k := range f.kinds {
		if _, ok := places[k.name]; !ok {
			places[k.name] = len(names)
			names = append(append(names, k.name...), 0)
		}
	}
	header := func(n ...int) []byte {
		b := append([]byte("TZif2"), make([]byte, 15)...)
		for _, count := range append([]int{0, 0, 0}, n...) {
			b = binary.BigEndian.AppendUint32(b, uint32(count))
		}
		return b
	}
	b := append(header(0, 1, 1), 0, 0, 0, 0, 0, 0, 0) // readers of version 1 get nothing
	b = append(b, header(len(f.changes), len(f.kinds), len(names))...)
	for _, change := range f.changes {
		b = binary.BigEndian.AppendUint64(b, uint64(change.at))
	}
	for _, change := range f.changes {
		b = append(b, change.kind)
	}
	for _, k := range f.kinds {
		b = binary.BigEndian.AppendUint32(b, uint32(k.offset))
		dst := byte(0)
		if k.dst {
			dst = 1
		}
		b = append(b, dst, byte(places[k.name]))
	}
	return append(append(b, names...), "\n"+f.rule+"\n"...)
}
