package cli

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/sirupsen/logrus"

	"github.com/adlayer/after/cli/logfile"
	"github.com/adlayer/after/config"
)

// logger writes the lines of a process to its screen and to the log file of each of its workers. A line that belongs to
// one worker (its field "worker") goes to that one's file alone.
type logger struct {
	*logrus.Logger

	files map[string]*logfile.Writer

	mu        sync.Mutex
	formatter logrus.Formatter // of the files
	// held are lines that wait until it is clear that the files are ours; nil where they do not wait.
	held []heldLine
}

// heldLine is a line for the file of one worker, or for all files.
type heldLine struct {
	worker string
	line   []byte
}

// hold keeps the lines for the files in memory until release. Another process of this machine writes to those files, and what is
// refused because of it has nothing to say there.
func (l *logger) hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = make([]heldLine, 0, 8)
}

// release writes what was held, and all that follows, to the files.
func (l *logger) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	waiting := l.held
	l.held = nil
	for _, h := range waiting {
		_ = l.write(h.worker, h.line) // logrus tells of such errors on the standard error; this happens to the first lines only
	}
}

// newLogger opens the log files; screen is io.Discard in the background.
func newLogger(c *config.Config, state string, names []string, screen io.Writer, coloured bool) (*logger, error) {
	l := &logger{Logger: logrus.New(), files: map[string]*logfile.Writer{}}
	l.SetOutput(screen)
	l.configure(c.Log, coloured)
	for _, name := range names {
		w, err := logfile.Open(logfile.Path(state, name), c.Log.Size, c.Log.Keep)
		if err != nil {
			return nil, errors.Join(err, l.close())
		}
		l.files[name] = w
	}
	l.AddHook(l)
	return l, nil
}

// configure takes level and format; it may be called while lines are written.
func (l *logger) configure(c config.Log, coloured bool) {
	level, err := logrus.ParseLevel(c.Level)
	if err != nil {
		level = logrus.InfoLevel // the configuration has checked it
	}
	l.SetLevel(level)
	const stamp = "2006-01-02T15:04:05.000Z07:00"
	var screen, file logrus.Formatter = &jsonFormatter{logrus.JSONFormatter{TimestampFormat: stamp}}, &jsonFormatter{logrus.JSONFormatter{TimestampFormat: stamp}}
	if c.Format == "text" {
		screen = &screenFormatter{logrus.TextFormatter{ForceColors: coloured, DisableColors: !coloured, FullTimestamp: true, TimestampFormat: stamp}}
		file = &logrus.TextFormatter{DisableColors: true, FullTimestamp: true, TimestampFormat: stamp}
	}
	l.SetFormatter(screen)
	l.mu.Lock()
	l.formatter = file
	l.mu.Unlock()
}

// screenFormatter keeps what endpoints and documents say in a message from steering the terminal: in colour, the message is not quoted.
type screenFormatter struct{ logrus.TextFormatter }

func (f *screenFormatter) Format(entry *logrus.Entry) ([]byte, error) {
	own := *entry
	own.Message = oneLine(entry.Message)
	return f.TextFormatter.Format(&own)
}

// jsonFormatter does the same for lines in JSON, those of the files too: after log shows them as they are.
type jsonFormatter struct{ logrus.JSONFormatter }

func (f *jsonFormatter) Format(entry *logrus.Entry) ([]byte, error) {
	line, err := f.JSONFormatter.Format(entry)
	return []byte(steerless(string(line))), err
}

// Levels makes the logger a hook for all lines that its level lets through.
func (l *logger) Levels() []logrus.Level { return logrus.AllLevels }

// Fire writes a line to the files.
func (l *logger) Fire(entry *logrus.Entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	own := *entry
	own.Buffer = nil // the screen's
	line, err := l.formatter.Format(&own)
	if err != nil {
		return fmt.Errorf("formatting a line of the log: %w", err)
	}
	name, _ := entry.Data["worker"].(string)
	if l.held != nil {
		l.held = append(l.held, heldLine{worker: name, line: line})
		return nil
	}
	return l.write(name, line)
}

// write writes a line to the file of its worker, or to all.
func (l *logger) write(name string, line []byte) error {
	if w, ok := l.files[name]; ok {
		_, err := w.Write(line)
		return err
	}
	var errs []error
	for _, w := range l.files {
		if _, err := w.Write(line); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (l *logger) close() error {
	var errs []error
	for _, w := range l.files {
		errs = append(errs, w.Close())
	}
	return errors.Join(errs...)
}
