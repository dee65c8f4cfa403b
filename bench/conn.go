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

// do sends a request and gives the answer's body, which is valid until the next one. A status of 300 or more is an error.
func (c *conn) do(request []byte) ([]byte, error) {
	answer, err := c.begin(request)
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
