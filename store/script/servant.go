package script

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"runtime/debug"
	"slices"
	"time"
)

// servant is a child's side of the conversation.
type servant struct {
	in           *bufio.Reader
	out          *bufio.Writer
	dog          *watchdog
	limitProcess func(memory int64) error

	timeout time.Duration
	memory  int64
	output  int
	logged  int       // messages of this command
	engines []*engine // most recently used last
}

const (
	// maxEngines is how many design documents a child keeps compiled.
	maxEngines = 32
	// maxLogged and maxMessage bound what a function may log in one call.
	maxLogged  = 100
	maxMessage = 4 << 10
	// messagePrefix is what a message begins with, and no answer.
	messagePrefix = `["log",`
	// restAfter is how long a child is idle before it gives its memory back.
	restAfter = time.Second
)

func newServant(in io.Reader, out io.Writer, exit func(code int)) *servant {
	return &servant{
		in: bufio.NewReaderSize(in, 64<<10), out: bufio.NewWriterSize(out, 64<<10), dog: newWatchdog(exit),
		limitProcess: func(int64) error { return nil },
		timeout:      defaultTimeout, memory: defaultMemory, output: defaultOutput,
	}
}

// serve answers commands until there are no more. It gives the exit status.
func (s *servant) serve() int {
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		s.dog.run()
	}()
	defer func() {
		close(s.dog.wake)
		<-watched
	}()
	lines := make(chan []byte, 1)
	go s.read(lines)
	rest := time.NewTimer(restAfter)
	defer rest.Stop()
	for {
		select {
		case line, more := <-lines:
			if !more {
				return 0
			}
			if err := s.answer(line, len(lines) == 0); err != nil {
				return 1
			}
			rest.Reset(restAfter)
		case <-rest.C:
			debug.FreeOSMemory()
		}
	}
}

func (s *servant) read(lines chan<- []byte) {
	defer close(lines)
	for {
		line, err := s.in.ReadBytes('\n')
		if err != nil {
			s.dog.abandon()
			return
		}
		lines <- line
	}
}

// answer carries one command out.
func (s *servant) answer(line []byte, flush bool) error {
	s.logged = 0
	out, err := s.command(line)
	if err != nil {
		out = errorLine(err)
	}
	if bytes.HasPrefix(out, []byte(messagePrefix)) { // a function threw it; it would be taken for a message, and the next answer for this one
		out = errorLine(&FunctionError{nameUnknown, string(out)})
	}
	if len(out) > s.output {
		out = errorLine(tooLong())
	}
	if _, err := s.out.Write(append(out, '\n')); err != nil {
		return err
	}
	if flush {
		if err := s.out.Flush(); err != nil {
			return err
		}
	}
	s.tidy()
	return nil
}

// tidy forgets what was compiled where functions have left too much behind. What has just come is called first.
func (s *servant) tidy() {
	if n := len(s.engines); n > 0 && s.engines[n-1].calls == 0 {
		return
	}
	if heapSize() < uint64(s.memory)/2 { //nolint:gosec // it is positive
		return
	}
	debug.FreeOSMemory()
	if heapSize() >= uint64(s.memory)/2 { //nolint:gosec // it is positive
		s.engines = nil
		debug.FreeOSMemory()
	}
}

// errorLine is ["error", name, reason].
func errorLine(err error) []byte {
	f, ok := errors.AsType[*FunctionError](err)
	if !ok {
		f = &FunctionError{nameUnknown, err.Error()}
	}
	out, err := json.Marshal([]string{"error", f.Name, f.Reason})
	if err != nil {
		return []byte(`["error","unknown_error","the reason cannot be told"]`)
	}
	return out
}

func protocolError(reason string) error { return &FunctionError{nameProtocol, reason} }

func (s *servant) command(line []byte) ([]byte, error) {
	var args []json.RawMessage
	if err := json.Unmarshal(line, &args); err != nil || len(args) == 0 {
		return nil, protocolError("a command must be a JSON array")
	}
	var name string
	_ = json.Unmarshal(args[0], &name) // what is no string is no command
	switch {
	case name == "reset" && len(args) <= 2:
		return s.reset(args[1:])
	case name == "ddoc" && len(args) == 4:
		return s.ddoc(args[1:])
	}
	return nil, protocolError("unknown command " + name)
}

// config is what a reset may carry: CouchDB's timeout in milliseconds, and limits in bytes.
type config struct {
	Timeout int64 `json:"timeout"`
	Memory  int64 `json:"memory"`
	Output  int   `json:"output"`
}

func (s *servant) reset(args []json.RawMessage) ([]byte, error) {
	s.engines = nil
	if len(args) == 0 {
		return []byte("true"), nil
	}
	var c config
	if err := json.Unmarshal(args[0], &c); err != nil {
		return nil, protocolError("the configuration does not parse: " + err.Error())
	}
	if c.Timeout > 0 {
		s.timeout = time.Duration(c.Timeout) * time.Millisecond
	}
	if c.Output > 0 {
		s.output = c.Output
	}
	if c.Memory > 0 {
		s.memory = c.Memory
		s.dog.limit(c.Memory)
		debug.SetMemoryLimit(c.Memory)
		if err := s.limitProcess(c.Memory); err != nil {
			return nil, &FunctionError{nameProcess, "limiting the memory: " + err.Error()}
		}
	}
	return []byte("true"), nil
}

// ddoc is "new", key, document; or key, path of the function, arguments.
func (s *servant) ddoc(args []json.RawMessage) ([]byte, error) {
	var first, key string
	if err := json.Unmarshal(args[0], &first); err != nil {
		return nil, protocolError("a design document is named by a string")
	}
	if first == "new" {
		if err := json.Unmarshal(args[1], &key); err != nil {
			return nil, protocolError("a design document is named by a string")
		}
		return s.newDesign(key, args[2])
	}
	e := s.find(first)
	if e == nil {
		return nil, protocolError(uncached + first)
	}
	var path []string
	var values []json.RawMessage
	if json.Unmarshal(args[1], &path) != nil || len(path) == 0 || json.Unmarshal(args[2], &values) != nil {
		return nil, protocolError("a function is called with its path and a list of arguments")
	}
	out, err := s.call(e, path, values)
	if e.broken {
		s.drop(e)
	}
	return out, err
}

const uncached = "uncached design doc: "

func (s *servant) newDesign(key string, doc json.RawMessage) ([]byte, error) {
	if old := s.find(key); old != nil {
		s.drop(old)
	}
	if len(s.engines) >= maxEngines {
		s.engines = slices.Delete(s.engines, 0, 1)
	}
	e := newEngine(key, s.log)
	s.dog.begin(e.vm, s.timeout)
	defer s.dog.end()
	if err := e.load(doc); err != nil {
		return nil, err
	}
	s.engines = append(s.engines, e)
	return []byte("true"), nil
}

// find gives a compiled design document, and makes it the most recently used.
func (s *servant) find(key string) *engine {
	i := slices.IndexFunc(s.engines, func(e *engine) bool { return e.key == key })
	if i < 0 {
		return nil
	}
	e := s.engines[i]
	if i < len(s.engines)-1 {
		s.engines = append(slices.Delete(s.engines, i, i+1), e)
	}
	return e
}

func (s *servant) drop(e *engine) {
	s.engines = slices.DeleteFunc(s.engines, func(one *engine) bool { return one == e })
}

func (s *servant) call(e *engine, path []string, args []json.RawMessage) ([]byte, error) {
	e.calls++
	s.dog.begin(e.vm, s.timeout)
	defer s.dog.end()
	fn, err := e.function(path)
	if err != nil {
		return nil, err
	}
	next := func() { s.dog.begin(e.vm, s.timeout) }
	switch path[0] {
	case "validate_doc_update":
		return e.validate(fn, args)
	case "filters":
		return e.filter(fn, args, next)
	case "views":
		return e.filterView(fn, args, next)
	}
	return nil, protocolError("unknown ddoc command " + path[0])
}

// log sends what a function has to say.
func (s *servant) log(message string) {
	s.logged++
	if s.logged > maxLogged {
		return
	}
	if len(message) > maxMessage {
		message = message[:maxMessage] + "..."
	}
	if line, err := json.Marshal([]string{"log", message}); err == nil {
		_, _ = s.out.Write(append(line, '\n')) // the answer meets the same error
	}
}
