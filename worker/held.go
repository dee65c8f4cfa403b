package worker

import (
	"time"

	"github.com/adlayer/after/task"
)

// document is the document of a task in memory: decoded while it is worked with, as its bytes alone where it sleeps between two firings. With
// its history and its last result a repeat has grown by then, and of ten thousand that are called every ten seconds all are in memory.
type document struct {
	decoded *task.Task
	packed  task.Packed // instead
}

// packedBeyond is how long a repeat must sleep for being packed to be worth its time.
const packedBeyond = time.Second

// pack puts the document of a repeat aside. One that runs but once has neither history nor result, and thousands of them that come due on one
// second must not be decoded then.
func (e *entry) pack() {
	if e.doc == nil || e.doc.decoded == nil || e.doc.decoded.Repeat == nil {
		return
	}
	if packed, ok := e.doc.decoded.Pack(); ok {
		*e.doc = document{packed: packed}
	}
}

// task gives an entry's document, decoded from now on; nil where it is not in memory.
func (e *entry) task() *task.Task {
	if e.doc == nil {
		return nil
	}
	if e.doc.decoded == nil {
		*e.doc = document{decoded: e.doc.packed.Unpack()}
	}
	return e.doc.decoded
}

// hold gives an entry its document, or takes it away with nil.
func (l *loop) hold(e *entry, t *task.Task) {
	l.count(e, -1)
	switch {
	case t == nil && e.doc != nil:
		l.held--
		e.doc = nil
	case t == nil:
	case e.doc == nil:
		l.held++
		e.doc = &document{decoded: t}
	default:
		*e.doc = document{decoded: t}
	}
	l.count(e, 1)
}
