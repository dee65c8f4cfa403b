package script

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

const (
	// maxLines and maxBytes bound what is sent to a child at once.
	maxLines = 64
	maxBytes = 1 << 20
	// filterDocs is how many documents are in one command of a filter.
	filterDocs = 16
)

// Validate asks the validation function of d about edits. user and security are JSON. The verdicts are in the order of the edits: nil accepts.
// Once the function did not end in time, the edits behind have the same verdict unasked. An error means that nothing is known; a *FunctionError named
// timeout, that others kept all children at work.
func (p *Pool) Validate(ctx context.Context, d *Design, user, security []byte, edits []Edit) ([]*FunctionError, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.busy.Done()
	places := []chan struct{}{p.validators}
	if p.suspect(d.Key) {
		places = []chan struct{}{p.guarded, p.validators}
	}
	for _, places := range places {
		if err := p.take(ctx, places); err != nil {
			return nil, err
		}
		defer func() { <-places }()
	}
	v := validation{prefix: prefix(d, "validate_doc_update"), suffix: suffix(user, security), verdicts: make([]*FunctionError, 0, len(edits)), edits: edits}
	for len(v.verdicts) < len(edits) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		err := p.with(d, v.chunk)
		failure, ok := errors.AsType[*FunctionError](err)
		switch {
		case ok:
			v.verdicts = append(v.verdicts, failure)
			v.stopped = v.stopped || failure.Name == nameProcess
		case errors.Is(err, errGiveUp):
			v.stopped = true
		case err != nil:
			return nil, err
		}
		for v.stopped && len(v.verdicts) < len(edits) {
			v.verdicts = append(v.verdicts, v.verdicts[len(v.verdicts)-1])
		}
	}
	if n := len(edits); n > 0 && v.verdicts[n-1] != nil && *v.verdicts[n-1] == *timedOut() {
		p.accuse(d.Key)
	}
	return v.verdicts, nil
}

func prefix(d *Design, path ...string) []byte {
	line, err := json.Marshal([]any{"ddoc", d.Key, path})
	if err != nil {
		return nil // strings always have JSON
	}
	return append(line[:len(line)-1], ",["...)
}

func suffix(args ...[]byte) []byte {
	var out []byte
	for _, arg := range args {
		out = append(append(out, ','), arg...)
	}
	return append(out, "]]"...)
}

// validation is one call of Validate.
type validation struct {
	prefix, suffix []byte
	edits          []Edit
	verdicts       []*FunctionError
	stopped        bool // no more is asked
}

// chunk asks about the next edits.
func (v *validation) chunk(child *process) error {
	var lines [][]byte
	for size, edits := 0, v.edits[len(v.verdicts):]; len(lines) < min(len(edits), maxLines) && size < maxBytes; {
		edit := &edits[len(lines)]
		old := edit.Old
		if old == nil {
			old = []byte("null")
		}
		line := make([]byte, 0, len(v.prefix)+len(edit.New)+1+len(old)+len(v.suffix))
		line = append(append(append(line, v.prefix...), edit.New...), ',')
		line = append(append(line, old...), v.suffix...)
		lines = append(lines, line)
		size += len(line)
	}
	var forgotten error
	err := child.ask(lines, child.opts.Timeout+grace, func(_ int, answer []byte) error {
		failure := verdict(answer)
		switch {
		case forgotten != nil:
		case failure != nil && failure.Name == nameProtocol:
			forgotten = failure
		default:
			v.verdicts = append(v.verdicts, failure)
			if failure != nil && *failure == *timedOut() {
				return errGiveUp
			}
		}
		return nil //nolint:nilerr // a refusal is an answer
	})
	return errors.Join(err, forgotten)
}

// verdict reads the answer of a validation function.
func verdict(answer []byte) *FunctionError {
	if string(answer) == "1" || string(answer) == "true" {
		return nil
	}
	if f, ok := errors.AsType[*FunctionError](asFailure(answer)); ok {
		return f
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(answer, &members) == nil && len(members) == 1 {
		for name, message := range members {
			if name == "forbidden" || name == "unauthorized" {
				return &FunctionError{name, textOf(message)}
			}
			return &FunctionError{nameUnknown, textOf(message)}
		}
	}
	return &FunctionError{nameUnknown, textOf(bytes.Clone(answer))}
}

// Filter asks the filter of d with that name about documents. request and docs are JSON.
func (p *Pool) Filter(ctx context.Context, d *Design, name string, request []byte, docs [][]byte) ([]bool, error) {
	return p.filter(ctx, d, filtering{prefix: prefix(d, "filters", name), suffix: suffix(request), docs: docs})
}

// FilterView tells of which documents the map function of a view of d emits anything.
func (p *Pool) FilterView(ctx context.Context, d *Design, name string, docs [][]byte) ([]bool, error) {
	return p.filter(ctx, d, filtering{prefix: prefix(d, "views", name, "map"), suffix: suffix(), docs: docs})
}

func (p *Pool) filter(ctx context.Context, d *Design, f filtering) ([]bool, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.busy.Done()
	if err := p.take(ctx, p.filters); err != nil {
		return nil, err
	}
	defer func() { <-p.filters }()
	f.passes = make([]bool, 0, len(f.docs))
	for len(f.passes) < len(f.docs) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := p.with(d, f.chunk); err != nil {
			return nil, err
		}
	}
	return f.passes, nil
}

// filtering is one call of Filter.
type filtering struct {
	prefix, suffix []byte
	docs           [][]byte
	passes         []bool
}

// chunk asks about the next documents.
func (f *filtering) chunk(child *process) error {
	line := append(bytes.Clone(f.prefix), '[')
	docs := f.docs[len(f.passes):]
	n := 0
	for n < min(len(docs), filterDocs) && (n == 0 || len(line)+len(docs[n]) < maxBytes) {
		if n > 0 {
			line = append(line, ',')
		}
		line = append(line, docs[n]...)
		n++
	}
	line = append(append(line, ']'), f.suffix...)
	return child.ask([][]byte{line}, child.opts.Timeout*filterDocs+grace, func(_ int, answer []byte) error {
		if err := asFailure(answer); err != nil {
			return err
		}
		var parts []json.RawMessage
		var passes []bool
		if json.Unmarshal(answer, &parts) != nil || len(parts) != 2 || json.Unmarshal(parts[1], &passes) != nil || len(passes) != n {
			return &FunctionError{nameUnknown, fmt.Sprintf("the filter answers %q", answer)}
		}
		f.passes = append(f.passes, passes...)
		return nil
	})
}
