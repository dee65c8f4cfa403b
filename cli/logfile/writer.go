package logfile

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	"gopkg.in/natefinch/lumberjack.v2"
)

// Path is the log file of a worker. A name that could leave the folder is escaped.
func Path(state, name string) string {
	return filepath.Join(state, "log", url.PathEscape(name)+".log")
}

// Writer appends to a log file and puts it aside when it has grown to its size. Safe for concurrent use.
type Writer struct {
	mu      sync.Mutex
	file    *lumberjack.Logger
	size    int64 // when to rotate, bytes
	written int64 // into the file that is open
}

// never is more than any file will have: rotation is decided here, not by lumberjack. See Write.
const never = 1 << 30

// Open prepares a log file of at most size megabytes, of which keep are kept after being put aside.
func Open(path string, size, keep int) (*Writer, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of the log: %w", err)
	}
	// lumberjack opens a file that exists for appending, one that it creates not: with the file emptied by
	// `after clean`, it would go on writing at its old place and leave a hole before it. So the file exists first.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600) //nolint:gosec // our own state folder
	if err != nil {
		return nil, fmt.Errorf("opening the log: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("opening the log: %w", err)
	}
	w := &Writer{size: int64(size) << 20, written: info.Size()}
	w.file = &lumberjack.Logger{Filename: path, MaxSize: never, MaxBackups: keep}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("opening the log: %w", err)
	}
	return w, nil
}

// Write appends one line, or several; they stay in one file.
func (w *Writer) Write(lines []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.written+int64(len(lines)) > w.size && w.written > 0 {
		if err := w.rotate(); err != nil {
			return 0, err
		}
	}
	n, err := w.file.Write(lines)
	w.written += int64(n)
	if err != nil {
		return n, fmt.Errorf("writing the log: %w", err)
	}
	return n, nil
}

func (w *Writer) rotate() error {
	info, err := os.Stat(w.file.Filename)
	if err == nil && info.Size()+1 < w.written { // emptied meanwhile: there is room again
		w.written = info.Size()
		return nil
	}
	if err := w.file.Rotate(); err != nil {
		return fmt.Errorf("putting the log aside: %w", err)
	}
	if err := w.file.Close(); err != nil { // the next write opens it again, for appending
		return fmt.Errorf("putting the log aside: %w", err)
	}
	w.written = 0
	return nil
}

// Close closes the file.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.file.Close()
}

// Clean empties a log file and removes those put aside. Who writes to it goes on writing.
func Clean(path string) error {
	if err := os.Truncate(path, 0); err != nil {
		return fmt.Errorf("emptying the log: %w", err)
	}
	aside, err := Aside(path)
	if err != nil {
		return err
	}
	for _, old := range aside {
		if err := os.Remove(old); err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("removing an old log: %w", err)
		}
	}
	return nil
}
