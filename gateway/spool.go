package gateway

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"time"
)

// inMemory is how much of a body that is handed over is in memory: a longer one lies in a file until it is in the database, so that what many
// requests bring at once is bounded by the disk.
const inMemory = 32 << 10

// payload is a body that was handed over, complete. It can be read several times.
type payload struct {
	memory []byte
	file   *os.File // instead of memory
	path   string   // of the file, where it still has a name
	size   int64
	sum    []byte // SHA-256
}

// open reads it from its beginning.
func (p *payload) open() io.Reader {
	if p.file == nil {
		return bytes.NewReader(p.memory)
	}
	return io.NewSectionReader(p.file, 0, p.size)
}

// spool reads the body of a request to its end, within the limits. release gives what it takes back, and is never nil.
func (x *exchange) spool() (p *payload, release func(), err error) {
	if x.r.ContentLength > x.opts.MaxBody {
		return nil, func() {}, &http.MaxBytesError{Limit: x.opts.MaxBody}
	}
	limited := http.MaxBytesReader(x.w, x.r.Body, x.opts.MaxBody)
	counted := &metered{Reader: limited, counter: &x.held, most: x.opts.BodyMemory}
	sum := sha256.New()
	p = &payload{}
	p.memory, err = io.ReadAll(io.TeeReader(io.LimitReader(counted, inMemory+1), sum))
	p.size, release = int64(len(p.memory)), counted.release
	if err == nil && p.size > inMemory {
		kept := &metered{Reader: limited, counter: &x.spooled, most: x.opts.BodyDisk}
		err = x.spill(p, kept, sum)
		counted.release()
		release = func() { p.drop(); kept.release() }
	}
	// From here on the connection is watched for the client's going, which must not run into a deadline. What cannot be set has none.
	_ = http.NewResponseController(x.w).SetReadDeadline(time.Time{})
	if err != nil {
		release()
		return nil, func() {}, unread(err)
	}
	p.sum = sum.Sum(nil)
	return p, release, nil
}

// spill has a body go on into a file, which has no name where the system lets files be without one: it goes when the process does.
func (x *exchange) spill(p *payload, rest io.Reader, sum hash.Hash) (err error) {
	if p.file, err = os.CreateTemp(x.opts.Folder, "after-body-*"); err != nil {
		return x.unkept(err)
	}
	if os.Remove(p.file.Name()) != nil {
		p.path = p.file.Name()
	}
	if _, err := p.file.Write(p.memory); err != nil {
		return x.unkept(err)
	}
	p.memory = nil
	into := &disk{file: p.file}
	n, err := io.Copy(into, io.TeeReader(rest, sum))
	if p.size += n; into.err != nil {
		return x.unkept(into.err)
	}
	return err
}

// disk remembers that a file could not be written, which is another thing than that a body could not be read.
type disk struct {
	file *os.File
	err  error
}

func (d *disk) Write(b []byte) (n int, err error) {
	n, err = d.file.Write(b)
	d.err = err
	return n, err
}

func (x *exchange) unkept(err error) error {
	x.log.WithError(err).Error("gateway: a body cannot be kept on this machine's disk")
	return busy("the body cannot be kept at the moment; try again")
}

// drop gives the file back.
func (p *payload) drop() {
	if p.file == nil {
		return
	}
	_ = p.file.Close() // it was only for the time being
	if p.path != "" {
		_ = os.Remove(p.path)
	}
}

// attachment is how a document has a body that comes behind it.
func (p *payload) attachment() []byte {
	return fmt.Appendf(nil, `{%q:{"content_type":"application/octet-stream","follows":true,"length":%d}}`, bodyName, p.size)
}
