package script

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// process is a pool's side of one child. It serves one caller at a time.
type process struct {
	opts   Options
	cmd    *exec.Cmd
	in     io.WriteCloser
	writer *bufio.Writer
	out    *bufio.Reader
	errs   head
	known  map[string]bool // design documents that it was given, by key; some it may have dropped
	fresh  bool            // it has served nobody yet
	since  time.Time       // without work, while it is idle

	generation int // the pool's when it was started
}

// mostKnown bounds what is kept of a child: each version of a design document has a key of its own, and a child keeps the latest few.
const mostKnown = 2 * maxEngines

// grace is how much later than its own limit a child is ended that does not answer.
const grace = 2*patience + 2*time.Second

// startProcess starts a child and tells it its limits. It ends with ctx at the latest.
func startProcess(ctx context.Context, o Options) (*process, error) {
	cmd := o.Command(ctx)
	cmd.Env = environment()
	cmd.Dir = os.TempDir()
	cmd.WaitDelay = time.Second
	p := &process{opts: o, cmd: cmd, known: map[string]bool{}, fresh: true}
	cmd.Stderr = &p.errs
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("starting a child for design functions: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting a child for design functions: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting a child for design functions: %w", err)
	}
	p.in, p.writer, p.out = in, bufio.NewWriterSize(in, 64<<10), bufio.NewReaderSize(out, 64<<10)
	limits, err := json.Marshal(config{Timeout: max(o.Timeout.Milliseconds(), 1), Memory: o.Memory, Output: o.Output})
	if err == nil {
		err = p.ask([][]byte{fmt.Appendf(nil, `["reset",%s]`, limits)}, startUp, func(int, []byte) error { return nil })
	}
	if err != nil {
		p.kill()
		return nil, fmt.Errorf("starting a child for design functions: %w", err)
	}
	return p, nil
}

// startUp is how long a child may take to be there.
const startUp = 30 * time.Second

// environment is what a child gets of ours: what a system cannot do without, and the time zone. None of it is shown to functions.
func environment() []string {
	env := []string{"GOTRACEBACK=none"}
	for _, name := range []string{"TZ", "ZONEINFO", "SystemRoot", "TMPDIR", "TEMP", "TMP"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// brokenError is the end of a child in the middle of a command.
type brokenError struct {
	failure *FunctionError
	again   bool // another child may do better
}

func (b *brokenError) Error() string { return b.failure.Error() }

// teach gives the child a design document that it does not have yet.
func (p *process) teach(d *Design) error {
	if p.known[d.Key] {
		return nil
	}
	key, err := json.Marshal(d.Key)
	if err != nil {
		return err
	}
	line := append(append([]byte(`["ddoc","new",`), key...), ',')
	line = append(append(line, d.Doc...), ']')
	err = p.ask([][]byte{line}, p.opts.Timeout+grace, func(_ int, answer []byte) error { return asFailure(answer) })
	if err == nil {
		if len(p.known) >= mostKnown {
			clear(p.known) // those that it still has, it is given again
		}
		p.known[d.Key] = true
	}
	return err
}

// ask sends lines and hands their answers to take, in order. Each answer may take as long as limit. Where the child ends instead, the error is
// a *brokenError; an error of take ends the reading, and the child cannot be used any more unless it came with the last answer.
func (p *process) ask(lines [][]byte, limit time.Duration, take func(i int, answer []byte) error) error {
	var writing sync.WaitGroup
	defer writing.Wait()
	writing.Go(func() {
		for _, line := range lines {
			_, _ = p.writer.Write(line) // the reader meets the end of the child
			_ = p.writer.WriteByte('\n')
		}
		_ = p.writer.Flush()
	})
	timer := time.AfterFunc(limit, p.end)
	defer timer.Stop()
	for i := range lines {
		answer, err := p.next()
		if err != nil {
			stuck := !timer.Stop()
			p.end()
			writing.Wait()
			return p.autopsy(stuck, err)
		}
		if err := take(i, answer); err != nil {
			if i < len(lines)-1 {
				p.end()
			}
			return err
		}
		timer.Reset(limit)
	}
	return nil
}

// next reads an answer, passing on what functions log.
func (p *process) next() ([]byte, error) {
	for {
		line, err := p.line()
		if err != nil {
			return nil, err
		}
		if !bytes.HasPrefix(line, []byte(messagePrefix)) {
			return line, nil
		}
		var message []string
		if json.Unmarshal(line, &message) == nil && len(message) == 2 {
			p.opts.Log.WithField("design", "log").Info(message[1])
		}
	}
}

var errLongAnswer = errors.New("the answer of a child is too long")

// line reads one line, which is only valid until the next.
func (p *process) line() ([]byte, error) {
	line, err := p.out.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return bytes.TrimSuffix(line, []byte("\n")), err
	}
	long := bytes.Clone(line)
	for errors.Is(err, bufio.ErrBufferFull) {
		if len(long) > p.opts.Output+maxMessage {
			return nil, errLongAnswer
		}
		line, err = p.out.ReadSlice('\n')
		long = append(long, line...)
	}
	return bytes.TrimSuffix(long, []byte("\n")), err
}

// end ends the child at once. It is not waited for.
func (p *process) end() { _ = p.cmd.Process.Kill() } // it may have ended by itself

// kill ends the child at once and waits for its end.
func (p *process) kill() {
	p.end()
	_ = p.in.Close()
	_ = p.cmd.Wait() // how it ended is our doing
}

// dismiss lets an idle child end by itself, and sees to it that it does.
func (p *process) dismiss() {
	_ = p.in.Close()
	timer := time.AfterFunc(2*time.Second, p.end)
	defer timer.Stop()
	_ = p.cmd.Wait() // there is nothing left that could fail
}

// autopsy waits for the end of the child and says what it died of.
func (p *process) autopsy(stuck bool, reading error) error {
	_ = p.in.Close()
	waiting := p.cmd.Wait()
	said := p.errs.String()
	log := p.opts.Log.WithFields(logrus.Fields{"state": p.cmd.ProcessState.String(), "said": said})
	switch code := p.cmd.ProcessState.ExitCode(); {
	case stuck, code == exitTime:
		log.Warn("store: a design function did not end in time, and its process was ended")
		return &brokenError{failure: timedOut()}
	case code == exitMemory, refusedMemory(said):
		log.Warn("store: a design function ran out of memory, and its process was ended")
		return &brokenError{&FunctionError{nameProcess, fmt.Sprintf("The function needs more than %d MiB of memory.", p.opts.Memory>>20)}, true}
	case errors.Is(reading, errLongAnswer):
		return &brokenError{failure: tooLong()}
	case strings.Contains(said, "stack exceeds"):
		return &brokenError{&FunctionError{nameInternal, "stack overflow"}, true}
	}
	log.WithError(errors.Join(reading, waiting)).Warn("store: the process of design functions ended")
	return &brokenError{&FunctionError{nameProcess, "The process of the function ended: " + p.cmd.ProcessState.String() + "."}, true}
}

// refusedMemory tells whether a child ended since the kernel gave it no more memory, which Go's runtime does not always notice as such.
func refusedMemory(said string) bool {
	for _, words := range []string{"out of memory", "cannot allocate", "failed to allocate", "SIGSEGV"} {
		if strings.Contains(said, words) {
			return true
		}
	}
	return false
}

// head keeps the first that a child says on its standard error.
type head struct {
	mu   sync.Mutex
	text []byte
}

const maxHead = 1 << 10

func (h *head) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.text = append(h.text, b[:min(len(b), maxHead-len(h.text))]...)
	return len(b), nil
}

// String is the first line.
func (h *head) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	line, _, _ := strings.Cut(string(h.text), "\n")
	return line
}

// asFailure reads an answer that is an error: ["error", name, reason].
func asFailure(answer []byte) error {
	if !bytes.HasPrefix(answer, []byte(`["error",`)) {
		return nil
	}
	var parts []json.RawMessage
	if err := json.Unmarshal(answer, &parts); err != nil || len(parts) < 2 {
		return &FunctionError{nameUnknown, string(answer)}
	}
	f := &FunctionError{Name: textOf(parts[1])}
	if len(parts) > 2 {
		f.Reason = textOf(parts[2])
	}
	return f
}

// textOf is a JSON value for people: a string as it is, anything else as JSON.
func textOf(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil && len(raw) > 0 && raw[0] == '"' {
		return text
	}
	return string(raw)
}
