package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"time"
)

// host is a server that speaks the protocol: the store, or the CouchDB beside it.
type host struct {
	address string
	prefix  string // of the names of its databases, so that a server that others use is left as it was
	auth    string // a line of the head
	bed     *bed   // nil for the CouchDB
	million *database
}

// hostAt is the server at http://name:password@host:port.
func hostAt(address string) (*host, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "http" || u.Port() == "" {
		return nil, fmt.Errorf("the address %s is not http://name:password@host:port", u.Redacted())
	}
	password, _ := u.User.Password()
	basic := base64.StdEncoding.EncodeToString([]byte(u.User.Username() + ":" + password))
	return &host{address: u.Host, auth: "Authorization: Basic " + basic + "\r\n"}, nil
}

// request makes a request, whole.
func (h *host) request(method, path string, body []byte) []byte {
	head := fmt.Appendf(make([]byte, 0, len(body)+300), "%s %s HTTP/1.1\r\nHost: %s\r\n%sAccept: application/json\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n", method, path, h.address, h.auth, len(body))
	return append(head, body...)
}

// once sends a request over a connection of its own.
func (h *host) once(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	c, err := dial(ctx, h.address)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.do(h.request(method, path, body))
}

// database is one on a host. Its documents are those of document(i).
type database struct {
	*host

	path string
}

func (h *host) create(ctx context.Context, name string) (*database, error) {
	path := "/" + h.prefix + name
	_, err := h.once(ctx, "PUT", path, nil)
	return &database{h, path}, err
}

func (d *database) drop(ctx context.Context) error {
	_, err := d.once(context.WithoutCancel(ctx), "DELETE", d.path, nil)
	return err
}

// each sends requests over several connections, which share them, and tells how long it took. took hears of each answer, from one goroutine
// for each connection.
func (h *host) each(ctx context.Context, clients int, requests [][]byte, took func(i int, answer []byte) error) (time.Duration, error) {
	conns := make([]*conn, clients)
	for i := range conns {
		c, err := dial(ctx, h.address)
		if err != nil {
			return 0, err
		}
		defer c.Close()
		conns[i] = c
	}
	next := make(chan *conn, clients) // so that each goroutine of spread has a connection at a time
	for _, c := range conns {
		next <- c
	}
	began := time.Now()
	err := spread(ctx, len(requests), 1, clients, func(_ context.Context, i, _ int) error {
		c := <-next
		defer func() { next <- c }()
		answer, err := c.do(requests[i])
		if err != nil {
			return err
		}
		return took(i, answer)
	})
	return time.Since(began), err
}

// document is a document of 300 bytes, with its id and without a revision. Of a thousand one has a given group.
func document(i int) []byte { return documentAt(i, "", i%7) }

const documentSize = 300

func documentID(i int) string { return fmt.Sprintf("doc-%08d", i) }

func documentAt(i int, rev string, state int) []byte {
	b := fmt.Appendf(make([]byte, 0, documentSize+60), `{"_id":"%s",`, documentID(i))
	size := documentSize
	if rev != "" {
		before := len(b)
		b = fmt.Appendf(b, `"_rev":"%s",`, rev)
		size += len(b) - before
	}
	b = fmt.Appendf(b, `"type":"order","group":"g%d","state":%d,"customer":{"number":%d,"city":"%s"},"at":"2026-%02d-%02dT%02d:%02d:00Z","note":"`,
		i%1000, state, i*7919%1_000_003, words[i*31%len(words)], 1+i%12, 1+i%28, i%24, i%60)
	// A text that compresses as texts do.
	for k := i; len(b) < size-2; k = k*1_103_515_245 + 12_345 {
		b = append(append(b, words[uint(k)>>16%uint(len(words))]...), ' ')
	}
	return append(b[:size-2], `"}`...)
}

var words = []string{
	"anchor", "barrel", "cable", "deck", "engine", "ferry", "galley", "harbour", "island", "jetty", "keel", "lantern", "mast", "north",
	"oar", "pilot", "quay", "rudder", "sail", "tide", "unload", "vessel", "winch", "yard", "zenith", "compass", "draught", "ebb", "fathom",
	"gale", "hull", "knot",
}

// bulkBody is a body of _bulk_docs.
func bulkBody(first, end int, doc func(i int) []byte) []byte {
	body := append(make([]byte, 0, (end-first)*(documentSize+60)+20), `{"docs":[`...)
	for i := first; i < end; i++ {
		if i > first {
			body = append(body, ',')
		}
		body = append(body, doc(i)...)
	}
	return append(body, "]}"...)
}

// revsOf reads the revisions of an answer of _bulk_docs.
func revsOf(answer []byte, revs []string) error {
	mark := []byte(`"rev":"`)
	for i := range revs {
		at := bytes.Index(answer, mark)
		if at < 0 {
			return errors.New("a document was not written")
		}
		answer = answer[at+len(mark):]
		revs[i] = string(answer[:bytes.IndexByte(answer, '"')])
	}
	return nil
}
