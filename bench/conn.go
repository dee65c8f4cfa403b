package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
)

// conn is one connection to a server, which sends requests that were made before and looks at no more of the answers than it must: what
// measures shares its processors with what is measured.
type conn struct {
	net.Conn

	read *bufio.Reader
	body bytes.Buffer
}

func dial(ctx context.Context, address string) (*conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, read: bufio.NewReaderSize(c, 64<<10)}, nil
}

// block has reads and writes block a thread of the system, rather than wait to be told by another one: for one connection that is faster, for many it
// is not.
func (c *conn) block() error {
	tcp, ok := c.Conn.(*net.TCPConn)
	if !ok {
		return errors.New("the connection is none of TCP")
	}
	file, err := tcp.File()
	if err != nil {
		return err
	}
	_ = file.Fd() // which makes it a file that blocks
	c.Conn = &blocking{tcp, file}
	c.read.Reset(c.Conn)
	return nil
}

// blocking is a connection whose calls block.
type blocking struct {
	net.Conn

	file *os.File
}

func (b *blocking) Read(p []byte) (int, error)  { return b.file.Read(p) }
func (b *blocking) Write(p []byte) (int, error) { return b.file.Write(p) }
func (b *blocking) Close() error                { return errors.Join(b.file.Close(), b.Conn.Close()) }

// do sends a request and gives the answer's body, which is valid until the next one. A status of 300 or more is an error.
func (c *conn) do(request []byte) ([]byte, error) {
	if _, err := c.Write(request); err != nil {
		return nil, err
	}
	return c.answer(request)
}

// answer gives the body of the answer to a request that was sent, which is valid until the next one.
func (c *conn) answer(request []byte) ([]byte, error) {
	answer, err := c.head(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	c.body.Reset()
	if _, err := c.body.ReadFrom(answer.Body); err != nil {
		return nil, err
	}
	return c.body.Bytes(), nil
}

// lines sends a request and counts the lines of the answer.
func (c *conn) lines(request []byte) (n int, err error) {
	answer, err := c.begin(request)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	block := make([]byte, 64<<10)
	for {
		size, err := answer.Body.Read(block)
		n += bytes.Count(block[:size], []byte{'\n'})
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// begin sends a request and reads the head of the answer.
func (c *conn) begin(request []byte) (*http.Response, error) {
	if _, err := c.Write(request); err != nil {
		return nil, err
	}
	return c.head(request)
}

// head reads the head of the answer to a request that was sent.
func (c *conn) head(request []byte) (*http.Response, error) {
	answer, err := http.ReadResponse(c.read, nil)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode < http.StatusMultipleChoices {
		return answer, nil
	}
	line, _, _ := bytes.Cut(request, []byte{'\r'})
	why, _ := io.ReadAll(io.LimitReader(answer.Body, 500))
	return nil, errors.Join(fmt.Errorf("%s: %s: %s", line, answer.Status, why), answer.Body.Close())
}
