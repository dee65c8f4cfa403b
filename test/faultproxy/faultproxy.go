// Package faultproxy is a TCP proxy that breaks connections in the ways that networks do, switched while it runs. Tests put
// it between a client and a server.
package faultproxy

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// Proxy forwards connections to one server. All its methods may be called at any time from any goroutine.
type Proxy struct {
	target   string
	listener net.Listener
	tasks    sync.WaitGroup

	mutex    sync.Mutex
	changed  chan struct{} // closed and replaced whenever a fault is switched
	links    map[*link]struct{}
	closed   bool
	refusing bool
	stalled  bool
	muted    bool
	budget   int64 // bytes that the server may yet send before its connection is cut; < 0: no bound
	accepted int
	up, down int64
}

// T is what a proxy needs of a test or a benchmark.
type T interface {
	Helper()
	Cleanup(end func())
	Fatalf(format string, args ...any)
}

// New starts a proxy to target, a host:port, on a free port of the loopback interface. It ends with the test.
func New(tb T, target string) *Proxy {
	tb.Helper()
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("the fault proxy cannot listen: %v", err)
	}
	p := &Proxy{target: target, listener: listener, changed: make(chan struct{}), links: map[*link]struct{}{}, budget: -1}
	p.tasks.Go(p.accept)
	tb.Cleanup(p.Close)
	return p
}

// Addr is the host:port to connect to.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Close ends the proxy and all its connections, and returns once nothing of it is left.
func (p *Proxy) Close() {
	p.set(func() { p.closed = true })
	_ = p.listener.Close()
	p.Cut()
	p.tasks.Wait()
}

// SetTarget sends new connections to another server.
func (p *Proxy) SetTarget(target string) { p.set(func() { p.target = target }) }

// Cut ends all connections at once, in both directions.
func (p *Proxy) Cut() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for l := range p.links {
		l.cut()
	}
}

// CutAfter ends the connection on which the server sends the n-th byte from now on, counted over all connections: what comes
// before is forwarded, so that a row or an answer can be cut in its middle. It happens once.
func (p *Proxy) CutAfter(n int64) { p.set(func() { p.budget = n }) }

// Refuse closes new connections at once, as a server does that is not there; connections that are open live on.
func (p *Proxy) Refuse(on bool) { p.set(func() { p.refusing = on }) }

// Stall forwards nothing in either direction while it is on, and closes nothing.
func (p *Proxy) Stall(on bool) { p.set(func() { p.stalled = on }) }

// DropAnswers forwards what clients send, but cuts the connection as soon as the server answers: the request was served, and
// nobody hears of it.
func (p *Proxy) DropAnswers(on bool) { p.set(func() { p.muted = on }) }

// Heal switches all faults off.
func (p *Proxy) Heal() {
	p.set(func() { p.refusing, p.stalled, p.muted, p.budget = false, false, false, -1 })
}

// Open is how many connections are open.
func (p *Proxy) Open() int {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return len(p.links)
}

// Accepted is how many connections were ever accepted, the refused ones included.
func (p *Proxy) Accepted() int {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.accepted
}

// Forwarded is how many bytes went to the server (up) and came from it (down).
func (p *Proxy) Forwarded() (up, down int64) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.up, p.down
}

func (p *Proxy) set(change func()) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	change()
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mutex.Lock()
		p.accepted++
		refuse, target := p.refusing || p.closed, p.target
		p.mutex.Unlock()
		if refuse {
			reset(client)
			continue
		}
		p.tasks.Go(func() { p.serve(client, target) })
	}
}

// reset closes a connection in the way that the other side sees as an error, not as an end.
func reset(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}

// link is one client's connection and its way on to the server.
type link struct {
	client, server net.Conn
	gone           chan struct{}
	once           sync.Once
}

func (l *link) cut() {
	l.once.Do(func() {
		close(l.gone)
		reset(l.client)
		reset(l.server)
	})
}

func (p *Proxy) serve(client net.Conn, target string) {
	dialer := net.Dialer{Timeout: 10 * time.Second}
	server, err := dialer.DialContext(context.Background(), "tcp", target)
	if err != nil {
		reset(client)
		return
	}
	l := &link{client: client, server: server, gone: make(chan struct{})}
	p.mutex.Lock()
	p.links[l] = struct{}{}
	closed := p.closed
	p.mutex.Unlock()
	if closed {
		l.cut()
	}
	var both sync.WaitGroup
	both.Go(func() { p.forward(l, server, client, false) })
	both.Go(func() { p.forward(l, client, server, true) })
	both.Wait()
	l.cut()
	p.mutex.Lock()
	delete(p.links, l)
	p.mutex.Unlock()
}

var errCut = errors.New("cut")

// forward copies one direction until it ends, and lets the other side's end pass in good order.
func (p *Proxy) forward(l *link, to, from net.Conn, answer bool) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if p.pass(l, to, buffer[:n], answer) != nil {
				l.cut()
				return
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			if t, ok := to.(*net.TCPConn); ok {
				_ = t.CloseWrite()
			}
			return
		case err != nil:
			l.cut()
			return
		}
	}
}

// pass forwards bytes under the faults in force.
func (p *Proxy) pass(l *link, to net.Conn, bytes []byte, answer bool) error {
	if err := p.hold(l); err != nil {
		return err
	}
	p.mutex.Lock()
	cut := false
	if answer && p.muted {
		bytes, cut = nil, true
	}
	if answer && p.budget >= 0 {
		if int64(len(bytes)) >= p.budget {
			bytes, cut, p.budget = bytes[:p.budget], true, -1
		} else {
			p.budget -= int64(len(bytes))
		}
	}
	if answer {
		p.down += int64(len(bytes))
	} else {
		p.up += int64(len(bytes))
	}
	p.mutex.Unlock()
	if _, err := to.Write(bytes); err != nil {
		return err
	}
	if cut {
		// In good order, so that what was forwarded arrives: a reset may overtake it.
		if t, ok := to.(*net.TCPConn); ok {
			_ = t.CloseWrite()
			_ = t.Close()
		}
		return errCut
	}
	return nil
}

// hold waits as long as the faults in force say.
func (p *Proxy) hold(l *link) error {
	for {
		p.mutex.Lock()
		stalled, changed := p.stalled, p.changed
		p.mutex.Unlock()
		if !stalled {
			return nil
		}
		select {
		case <-changed:
		case <-l.gone:
			return errCut
		}
	}
}
