package httpd_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/httpd"
)

// open is a server on a socket, as a program would have it.
type open struct {
	t       *testing.T
	h       *httpd.Server
	address string
}

func onSocket(t *testing.T, o httpd.Options) *open {
	t.Helper()
	o.Admins, o.HashRounds = map[string]string{"admin": "secret"}, 10
	st, err := store.Open("data", store.Options{FS: vfs.NewMem(), MaxDocument: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	h := httpd.New(st, o)
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := h.HTTPServer()
	served := make(chan error, 1)
	go func() { served <- server.Serve(o.Limits.Listener(inner)) }()
	t.Cleanup(func() {
		err := errors.Join(h.Close(), server.Close())
		if ended := <-served; !errors.Is(ended, http.ErrServerClosed) {
			err = errors.Join(err, ended)
		}
		if err != nil {
			t.Error(err)
		}
	})
	s := &open{t, h, inner.Addr().String()}
	s.want("PUT /db HTTP/1.1\r\n"+asAdmin+"\r\n", 201)
	return s
}

const asAdmin = "Host: a\r\nAuthorization: Basic YWRtaW46c2VjcmV0\r\n"

func (s *open) dial() *net.TCPConn {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	tcp, _ := conn.(*net.TCPConn)
	return tcp
}

// send writes text on a connection of its own, closes the sending side if that is asked for, and gives the answer's status and body; 0 if the
// server only closes.
func (s *open) send(text string, half bool) (int, string) {
	s.t.Helper()
	conn := s.dial()
	defer conn.Close()
	go func() { // ends with the connection
		_, _ = io.WriteString(conn, text)
		if half {
			_ = conn.CloseWrite()
		}
	}()
	return read(bufio.NewReader(conn))
}

func read(r *bufio.Reader) (int, string) {
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body) // who sends on after a refusal may lose the rest of the answer
	return res.StatusCode, string(body)
}

func (s *open) want(text string, status int) string {
	s.t.Helper()
	got, body := s.send(text, false)
	if got != status {
		s.t.Errorf("%.200q: %d instead of %d: %s", text, got, status, body)
	}
	return body
}

// TestTricks sends what no client should. Each has its answer, and the server goes on.
func TestTricks(t *testing.T) {
	t.Parallel()
	s := onSocket(t, httpd.Options{MaxRequest: 1 << 20})
	put := "PUT /db/x HTTP/1.1\r\n" + asAdmin
	get := func(path string) string { return "GET " + path + " HTTP/1.1\r\n" + asAdmin + "\r\n" }
	for _, c := range []struct {
		name, text string
		status     int
	}{
		{"no host", "GET / HTTP/1.1\r\n\r\n", 400},
		{"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
		{"a host with a slash", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
		{"no version", "GET /\r\n\r\n", 400},
		{"a version of the future", "GET / HTTP/9.9\r\nHost: a\r\n\r\n", 505},
		{"HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", 200},
		{"TLS on a plain port", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400},
		{"an address as path", "GET http://elsewhere/db HTTP/1.1\r\n" + asAdmin + "\r\n", 200},
		{"a method in small letters", "get / HTTP/1.1\r\nHost: a\r\n\r\n", 405},
		{"a method that is none", "G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"a method of ours that is none", "BREW /db HTTP/1.1\r\n" + asAdmin + "\r\n", 405},
		{"a star", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 200},
		{"a long path", get("/" + strings.Repeat("a", 100<<10)), 431},
		{"a large header", "GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("a", 100<<10) + "\r\n\r\n", 431},
		{"many headers", "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: a\r\n", 20_000) + "\r\n", 431},
		{"not so large a header", "GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("a", 50<<10) + "\r\n\r\n", 200},
		{"a header without a colon", "GET / HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n", 400},
		{"a space before the colon", put + "Content-Length : 2\r\n\r\n{}", 400},
		{"a zero in a header", "GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n", 400},
		{"lengths that differ", put + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ", 400},
		{"a length with a sign", put + "Content-Length: +2\r\n\r\n{}", 400},
		{"a negative length", put + "Content-Length: -1\r\n\r\n{}", 400},
		{"a length in hexadecimal", put + "Content-Length: 0x2\r\n\r\n{}", 400},
		{"a length beyond numbers", put + "Content-Length: 99999999999999999999\r\n\r\n{}", 400},
		{"a length beyond the limit", put + "Content-Length: 99999999999999\r\n\r\n{}", 413},
		{"a length beyond the limit, expected", put + "Expect: 100-continue\r\nContent-Length: 99999999999999\r\n\r\n", 413},
		{"another expectation", put + "Expect: a miracle\r\nContent-Length: 2\r\n\r\n{}", 417},
		{"an encoding that is none", put + "Transfer-Encoding: nonsense\r\n\r\n", 501},
		{"two encodings", put + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
		{"a chunk without a size", put + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", 400},
		{"a chunk beyond numbers", put + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}\r\n0\r\n\r\n", 400},
		{"a chunk longer than it says", put + "Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n", 400},
		{"chunks beyond the limit", put + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("10000\r\n"+strings.Repeat(" ", 65536)+"\r\n", 17) + "0\r\n\r\n", 413},
		{"an escape that is none", get("/db/%zz"), 400},
		{"a zero in a path", get("/db/%00"), 404},
		{"up and away", get("/db/../../etc/passwd"), 404},
		{"up and away, escaped", get("/db/%2e%2e%2f%2e%2e%2fetc%2fpasswd"), 404},
		{"a path that is no text", get("/db/%ff%fe"), 404},
		{"a database that is none", get("/..%2f..%2fdata"), 404},
		{"credentials that are none", "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic !\r\n\r\n", 400},
		{"a cookie that is none", "GET / HTTP/1.1\r\nHost: a\r\nCookie: AuthSession=!\r\n\r\n", 400},
	} {
		if status, body := s.send(c.text, false); status != c.status {
			t.Errorf("%s: %d instead of %d: %s", c.name, status, c.status, body)
		}
	}
	if got := s.want(get("/db"), 200); !strings.Contains(got, `"doc_count":0,`) {
		t.Errorf("something was written: %s", got)
	}
}

// TestHalfClosed: who says that nothing more will come gets the answer all the same, and half a body writes nothing.
func TestHalfClosed(t *testing.T) {
	t.Parallel()
	s := onSocket(t, httpd.Options{})
	post := "Content-Type: application/json\r\nContent-Length: "
	for i, c := range []struct {
		text   string
		status int
	}{
		{"GET /db HTTP/1.1\r\n" + asAdmin + "\r\n", 200},
		{"PUT /db/a HTTP/1.1\r\n" + asAdmin + "Content-Length: 2\r\n\r\n{}", 201},
		{"PUT /db/att/a HTTP/1.1\r\n" + asAdmin + "Content-Length: 2\r\n\r\nxy", 201},
		{"POST /db/_bulk_docs HTTP/1.1\r\n" + asAdmin + post + "22\r\n\r\n" + `{"docs":[{"_id":"b"}]}`, 201},
		{"PUT /db2 HTTP/1.1\r\n" + asAdmin + "\r\n", 201},
		{"GET /db/_all_docs HTTP/1.1\r\n" + asAdmin + "\r\n", 200},
		{"GET /db/_changes HTTP/1.1\r\n" + asAdmin + "\r\n", 200},
		{"PUT /db/half HTTP/1.1\r\n" + asAdmin + "Content-Length: 3\r\n\r\n{}", 400},
		{"PUT /db/half HTTP/1.1\r\n" + asAdmin + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", 400},
		{"PUT /db/half/a HTTP/1.1\r\n" + asAdmin + "Content-Length: 3\r\n\r\nxy", 400},
		{"POST /db/_bulk_docs HTTP/1.1\r\n" + asAdmin + post + "30\r\n\r\n" + `{"docs":[{"_id":"half"}]}`, 400},
		{"GET /db HTTP/1.1\r\nHo", 400},
	} {
		if status, body := s.send(c.text, true); status != c.status {
			t.Errorf("%d: %d instead of %d: %s", i, status, c.status, body)
		}
	}
	if got := s.want("GET /db HTTP/1.1\r\n"+asAdmin+"\r\n", 200); !strings.Contains(got, `"doc_count":3,`) {
		t.Errorf("not what was written whole: %s", got)
	}
}

// TestStalled: clients that stop in the middle of a body are ended, with an answer unless the machine is too slow to send it in so short a time
// (TestBodyPace has its own time), and hold nothing.
func TestStalled(t *testing.T) {
	t.Parallel()
	s := onSocket(t, httpd.Options{Limits: httpd.Limits{Stall: 50 * time.Millisecond}})
	for _, c := range []struct {
		head   string
		status int
	}{
		{"PUT /db/a HTTP/1.1\r\n" + asAdmin, 408},
		{"POST /db/_bulk_docs HTTP/1.1\r\nContent-Type: application/json\r\n" + asAdmin, 408},
		{"PUT /db/a/file HTTP/1.1\r\n" + asAdmin, 408},
		{"PUT /db/a HTTP/1.1\r\nContent-Type: multipart/related; boundary=x\r\n" + asAdmin, 408},
		{"POST /_session HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n", 408},
		{"PUT /db/a HTTP/1.1\r\nHost: a\r\n", 401},
	} {
		for _, length := range []string{"Content-Length: 1000\r\n\r\n{", "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"} {
			if status, body := s.send(c.head+length, false); status != c.status && status != 0 {
				t.Errorf("%q: %d instead of %d: %s", c.head+length, status, c.status, body)
			}
		}
	}
	for s.h.Held() != 0 {
		runtime.Gosched() // an answer that was lost can be before the end of its handler
	}
	if status, body := s.send("GET /db HTTP/1.1\r\n"+asAdmin+"\r\n", false); status != 200 && status != 0 {
		t.Errorf("%d: %s", status, body)
	}
}

// TestMemoryOfBodies: more bytes of bodies at once than the limit are refused, whoever brings them. It measures memory, and runs beside no other test.
func TestMemoryOfBodies(t *testing.T) { //nolint:paralleltest // see above
	const most = 8 << 20
	s := onSocket(t, httpd.Options{Limits: httpd.Limits{BodyMemory: most}})
	doc := func(n int) string { return `{"a":"` + strings.Repeat("x", n-8) + `"}` }
	put := func(name, rest string) string { return "PUT /db/" + name + " HTTP/1.1\r\n" + asAdmin + rest }
	// A first one takes most of it, and waits.
	first := s.dial()
	large := doc(most - 1000)
	fmt.Fprint(first, put("a", fmt.Sprintf("Content-Length: %d\r\n\r\n", len(large)))+large[:len(large)-1])
	for s.h.Held() < int64(len(large)-1) {
		runtime.Gosched() // nobody tells that bytes were read
	}
	if got := s.want(put("b", "Content-Length: 2000\r\n\r\n")+doc(2000), 503); !strings.Contains(got, "service_unavailable") {
		t.Error(got)
	}
	s.want(put("c", "Content-Length: 500\r\n\r\n")+doc(500), 201)
	s.flood()
	fmt.Fprint(first, large[len(large)-1:])
	if status, body := read(bufio.NewReader(first)); status != 201 {
		t.Errorf("%d %s", status, body)
	}
	if held := s.h.Held(); held != 0 {
		t.Errorf("%d bytes are still held", held)
	}
}

// flood sends 256 MB by many clients at once, of which the server must set aside little.
func (s *open) flood() {
	s.t.Helper()
	chunks := []byte(strings.Repeat("100000\r\n"+strings.Repeat(" ", 1<<20)+"\r\n", 16))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	refused := make(chan int)
	for range 16 {
		conn := s.dial()
		go func() { // ends with the connection
			fmt.Fprint(conn, "PUT /db/flood HTTP/1.1\r\n"+asAdmin+"Transfer-Encoding: chunked\r\n\r\n")
			_, _ = conn.Write(chunks)
		}()
		go func() {
			status, _ := read(bufio.NewReader(conn))
			refused <- status
		}()
	}
	for range 16 {
		if status := <-refused; status != 503 && status != 0 { // 0: the server ended the connection, and its answer was lost
			s.t.Error(status)
		}
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<20 {
		s.t.Errorf("%d bytes were set aside", grown)
	}
}

// TestConnections: there are as many as the limit says; one without a request makes room, one with a request does not.
func TestConnections(t *testing.T) {
	t.Parallel()
	s := onSocket(t, httpd.Options{Limits: httpd.Limits{Connections: 3}})
	feed := "GET /db/_changes?feed=continuous&since=now&heartbeat=10 HTTP/1.1\r\n" + asAdmin + "\r\n"
	begin := func() *net.TCPConn {
		conn := s.dial()
		fmt.Fprint(conn, feed)
		r := bufio.NewReader(conn)
		if line, err := r.ReadString('\n'); err != nil || !strings.Contains(line, "200") {
			t.Fatal(line, err)
		}
		return conn
	}
	first := begin()
	begin()
	idle := s.dial()
	fmt.Fprint(idle, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	idly := bufio.NewReader(idle)
	if status, _ := read(idly); status != 200 {
		t.Fatal(status)
	}
	begin() // in the place of the idle one
	if _, err := idly.ReadByte(); !errors.Is(err, io.EOF) && !isReset(err) {
		t.Errorf("the idle connection: %v", err)
	}

	next := s.dial()
	fmt.Fprint(next, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	nextly := bufio.NewReader(next)
	if err := next.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := nextly.Peek(1); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a connection beyond the limit was served: %v", err)
	}
	if err := errors.Join(next.SetReadDeadline(time.Time{}), first.Close()); err != nil {
		t.Fatal(err)
	}
	if status, body := read(nextly); status != 200 {
		t.Errorf("%d %s", status, body)
	}
}

func isReset(err error) bool {
	_, ok := errors.AsType[*net.OpError](err)
	return ok
}
