package couchtest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"sort"
	"strconv"
	"strings"
	"time"
)

// answer is what came back.
type answer struct {
	status  int
	headers http.Header
	body    []byte
	ended   bool // the server ended the body; false where the reader left first
}

// exchange writes a request to the wire exactly as it was recorded, illegal escapes and all, on a connection of its own.
type exchange struct {
	hostport string
	method   string
	path     string
	auth     string // user:password
	headers  map[string]string
	body     []byte
}

func (e exchange) bytes() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", e.method, e.path, e.hostport)
	if e.auth != "" {
		fmt.Fprintf(&b, "Authorization: Basic %s\r\n", base64.StdEncoding.EncodeToString([]byte(e.auth)))
	}
	names := make([]string, 0, len(e.headers))
	for name := range e.headers {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Fprintf(&b, "%s: %s\r\n", name, e.headers[name])
	}
	if e.body != nil || e.method == http.MethodPut || e.method == http.MethodPost {
		b.WriteString("Content-Length: " + strconv.Itoa(len(e.body)) + "\r\n")
	}
	b.WriteString("\r\n")
	b.Write(e.body)
	return b.Bytes()
}

// open sends the request. The answer's head has not been read yet.
func (e exchange) open() (net.Conn, error) {
	dialer := net.Dialer{Timeout: patience}
	conn, err := dialer.DialContext(context.Background(), "tcp", e.hostport)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil { //nolint:forbidigo // a deadline of the network's
		return nil, err
	}
	if _, err := conn.Write(e.bytes()); err != nil && len(e.body) == 0 {
		_ = conn.Close()
		return nil, err // a body that the server does not want to read to its end is no failure: the answer says why
	}
	return conn, nil
}

func (e exchange) do() (*answer, error) {
	conn, err := e.open()
	if err != nil {
		return nil, err
	}
	defer conn.Close() //nolint:errcheck // the answer was read
	return e.read(conn)
}

// read reads the answer. Where a deadline ends the reading, it is what came until then.
func (e exchange) read(conn net.Conn) (*answer, error) {
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, &http.Request{Method: e.method})
	for err == nil && response.StatusCode == http.StatusContinue {
		response, err = http.ReadResponse(reader, &http.Request{Method: e.method})
	}
	if err != nil {
		return nil, fmt.Errorf("no answer: %w", err)
	}
	defer response.Body.Close() //nolint:errcheck // the answer was read
	a := &answer{status: response.StatusCode, headers: response.Header}
	a.body, err = io.ReadAll(response.Body)
	a.ended = err == nil
	if err != nil && !isTimeout(err) {
		return a, fmt.Errorf("the answer was cut: %w", err)
	}
	return a, nil
}

func isTimeout(err error) bool {
	timeout, ok := err.(net.Error) //nolint:errorlint // net returns it bare, and http passes it on
	return ok && timeout.Timeout()
}

// String is how an exchange is named in messages.
func (e exchange) String() string {
	text := e.method + " " + e.path
	if e.auth != "" {
		user, _, _ := strings.Cut(e.auth, ":")
		text += " as " + user
	}
	if len(e.body) > 0 {
		text += " with " + shorten(string(e.body), 160)
	}
	return text
}

func shorten(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return fmt.Sprintf("%s... (%d bytes)", text[:most], len(text))
}
