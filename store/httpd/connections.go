package httpd

import (
	"container/list"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// Listener bounds the connections of a listener, for a server of [Limits.HTTPServer]. A listener that only counts would leave new clients waiting
// behind those that keep a connection and ask nothing; this one ends the latter.
func (l Limits) Listener(inner net.Listener) net.Listener {
	most := l.withDefaults().Connections
	return &listener{Listener: inner, places: make(chan struct{}, most), ended: make(chan struct{})}
}

type listener struct {
	net.Listener

	places chan struct{} // one for each connection
	ended  chan struct{}
	once   sync.Once

	mu     sync.Mutex
	wanted bool      // a client waits for a place
	idle   list.List // of *connection, the longest idle first
}

func (l *listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if !l.place() {
		_ = conn.Close() // nobody serves any more
		return nil, net.ErrClosed
	}
	return &connection{Conn: conn, of: l}, nil
}

// place takes a place, that of an idle connection if there is no other. It tells whether there is one: not once the listener is closed.
func (l *listener) place() bool {
	select {
	case l.places <- struct{}{}:
		return true
	default:
	}
	l.want(true)
	defer l.want(false)
	select {
	case l.places <- struct{}{}:
		return true
	case <-l.ended:
		return false
	}
}

// want ends the connection that has been idle for the longest time, or the next one that will be.
func (l *listener) want(wanted bool) {
	l.mu.Lock()
	l.wanted = wanted
	oldest := l.idle.Front()
	l.mu.Unlock()
	if wanted && oldest != nil {
		c, _ := oldest.Value.(*connection)
		_ = c.Close() // its server gives it up
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.ended) })
	return l.Listener.Close()
}

// connection is one that has a place.
type connection struct {
	net.Conn

	of   *listener
	once sync.Once
	at   *list.Element // in of.idle, nil while a request is under way; of.mu guards it
}

func (c *connection) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() {
		c.record(false)
		<-c.of.places
	})
	return err
}

func (c *connection) note(idle bool) {
	if c.record(idle) {
		_ = c.Close() // as above
	}
}

// record tells whether the connection has to go.
func (c *connection) record(idle bool) bool {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	switch {
	case idle && c.of.wanted:
		c.of.wanted = false
		return true
	case idle && c.at == nil:
		c.at = c.of.idle.PushBack(c)
	case !idle && c.at != nil:
		c.of.idle.Remove(c.at)
		c.at = nil
	}
	return false
}

// noteIdle is told by net/http what its connections do.
func noteIdle(conn net.Conn, state http.ConnState) {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	if c, ok := conn.(*connection); ok {
		c.note(state == http.StateIdle)
	}
}
