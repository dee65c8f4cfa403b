package logfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Aside lists the files that were put aside for a log, oldest first.
func Aside(path string) ([]string, error) {
	base := strings.TrimSuffix(filepath.Base(path), ".log")
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("reading the folder of the log: %w", err)
	}
	var found []string
	for _, entry := range entries {
		stamp, isLog := strings.CutSuffix(entry.Name(), ".log")
		stamp, ours := strings.CutPrefix(stamp, base+"-")
		if !isLog || !ours {
			continue
		}
		if _, err := time.Parse("2006-01-02T15-04-05.000", stamp); err == nil { // lumberjack's names
			found = append(found, filepath.Join(filepath.Dir(path), entry.Name()))
		}
	}
	slices.Sort(found)
	return found, nil
}

// Tail gives the last n lines of a log, from files put aside too where the newest has fewer. offset is how far the
// newest file was read, for [Follow].
func Tail(path string, n int) (lines []byte, offset int64, err error) {
	newest, err := os.ReadFile(path) //nolint:gosec // our own state folder; files are bounded by log.size
	if err != nil {
		return nil, 0, fmt.Errorf("reading the log: %w", err)
	}
	aside, err := Aside(path)
	if err != nil {
		return nil, 0, err
	}
	lines = lastLines(newest, n)
	for _, old := range slices.Backward(aside) {
		missing := n - bytes.Count(lines, []byte("\n"))
		if missing <= 0 {
			break
		}
		content, err := os.ReadFile(old) //nolint:gosec // our own state folder
		if errors.Is(err, os.ErrNotExist) {
			break // removed meanwhile, and the older ones with it
		}
		if err != nil {
			return nil, 0, fmt.Errorf("reading the log: %w", err)
		}
		lines = append(lastLines(content, missing), lines...)
	}
	return lines, int64(len(newest)), nil
}

func lastLines(content []byte, n int) []byte {
	if n <= 0 {
		return nil
	}
	end := len(content)
	at := end
	if at > 0 && content[at-1] == '\n' {
		at--
	}
	for ; n > 0; n-- {
		i := bytes.LastIndexByte(content[:at], '\n')
		if i < 0 {
			return slices.Clone(content)
		}
		at = i
	}
	return slices.Clone(content[at+1 : end])
}

// look is how often Follow looks for more.
const look = 100 * time.Millisecond

// Follow copies what is appended to a log after offset until ctx ends, through rotation, emptying and absence.
func Follow(ctx context.Context, path string, offset int64, out io.Writer) error {
	f := &follower{path: path, offset: offset, out: out}
	defer f.close()
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		if err := f.step(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return f.step()
		case <-ticker.C:
		}
	}
}

type follower struct {
	path   string
	out    io.Writer
	file   *os.File
	offset int64
}

func (f *follower) close() {
	if f.file != nil {
		_ = f.file.Close()
		f.file = nil
	}
}

// step copies what is new. Where the name leads to another file by now, the old one is read to its end first.
func (f *follower) step() error {
	if f.file == nil {
		file, err := os.Open(f.path)
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("following the log: %w", err)
		}
		f.file = file
	}
	if err := f.copy(); err != nil {
		return err
	}
	mine, err := f.file.Stat()
	if err != nil {
		return fmt.Errorf("following the log: %w", err)
	}
	named, err := os.Stat(f.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil // it is being put aside right now
	}
	if err != nil {
		return fmt.Errorf("following the log: %w", err)
	}
	if os.SameFile(mine, named) {
		return nil
	}
	if err := f.copy(); err != nil { // what came between the copy and the look
		return err
	}
	f.close()
	f.offset = 0
	return f.step()
}

func (f *follower) copy() error {
	info, err := f.file.Stat()
	if err != nil {
		return fmt.Errorf("following the log: %w", err)
	}
	if info.Size() < f.offset { // emptied
		f.offset = 0
	}
	n, err := io.Copy(f.out, io.NewSectionReader(f.file, f.offset, info.Size()-f.offset))
	f.offset += n
	if err != nil {
		return fmt.Errorf("following the log: %w", err)
	}
	return nil
}
