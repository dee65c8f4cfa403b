package httpd_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adlayer/after/store/httpd"
)

// pipes is a listener of connections in memory, whose deadlines are those of a test's own time.
type pipes struct {
	conns chan net.Conn
	ended chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.ended:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.ended); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// pacedServer serves a handler within limits, in the test's own time, and gives a connection to it.
func pacedServer(t *testing.T, limits httpd.Limits, handler http.HandlerFunc) net.Conn {
	t.Helper()
	l := &pipes{make(chan net.Conn), make(chan struct{})}
	server := limits.HTTPServer(httpd.Paced(limits, handler))
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	ours, theirs := net.Pipe()
	t.Cleanup(func() {
		_ = ours.Close()
		_ = server.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	l.conns <- theirs
	return ours
}

// readAll tells how a body ended.
func readAll(w http.ResponseWriter, r *http.Request) {
	n, err := io.Copy(io.Discard, r.Body)
	fmt.Fprintf(w, "%d bytes, %v", n, err)
}

func answerOf(t *testing.T, conn net.Conn) (status int, closed bool, body string) {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Close, string(raw)
}

// TestBodyPace sends bodies of a thousand bytes in various ways, and tells how they fare.
func TestBodyPace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		rate   int64
		pieces []int           // bytes
		pauses []time.Duration // before each; the last one again and again
		want   string
	}{
		{"at once", 1, []int{1000}, []time.Duration{0}, "1000 bytes, <nil>"},
		{"slowly", 1, repeat(50, 20), []time.Duration{49 * time.Second}, "1000 bytes, <nil>"}, // a quarter of an hour
		{"with a pause", 1, []int{999, 1}, []time.Duration{0, 59 * time.Second}, "1000 bytes, <nil>"},
		{"with too long a pause", 1, []int{999, 1}, []time.Duration{0, 61 * time.Second}, "999 bytes, timeout: The request body did not arrive in time."},
		{"nothing", 1, []int{1}, []time.Duration{61 * time.Second}, "0 bytes, timeout: The request body did not arrive in time."},
		{"too slowly", 10, repeat(1, 1000), []time.Duration{6500 * time.Millisecond}, "9 bytes, timeout: The request body did not arrive in time."},
	} {
		for _, chunked := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, chunked %v", c.name, chunked), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					conn := pacedServer(t, httpd.Limits{Rate: c.rate}, readAll)
					sent := make(chan struct{})
					go func() {
						defer close(sent)
						head, end := "Content-Length: 1000\r\n\r\n", ""
						if chunked {
							head, end = "Transfer-Encoding: chunked\r\n\r\n", "0\r\n\r\n"
						}
						_, err := io.WriteString(conn, "PUT / HTTP/1.1\r\nHost: a\r\n"+head)
						for i, n := range c.pieces {
							time.Sleep(c.pauses[min(i, len(c.pauses)-1)])
							text := strings.Repeat("x", n)
							if chunked {
								text = fmt.Sprintf("%x\r\n%s\r\n", n, text)
							}
							if err == nil {
								_, err = io.WriteString(conn, text)
							}
						}
						if err == nil {
							_, _ = io.WriteString(conn, end)
						}
					}()
					if _, _, got := answerOf(t, conn); got != c.want {
						t.Errorf("%q instead of %q", got, c.want)
					}
					_ = conn.Close()
					<-sent
				})
			})
		}
	}
}

func repeat(n, times int) []int {
	list := make([]int, times)
	for i := range list {
		list[i] = n
	}
	return list
}

// TestUnwantedBody: a body that nobody reads, and that never comes, does not hold up the answer for ever, nor does it stay behind one.
func TestUnwantedBody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		conn := pacedServer(t, httpd.Limits{}, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
		go func() { _, _ = io.WriteString(conn, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n") }()
		began := time.Now()
		status, closed, _ := answerOf(t, conn)
		if took := time.Since(began); status != http.StatusUnauthorized || !closed || took > 2*time.Minute {
			t.Errorf("%d, closed %v, after %v", status, closed, took)
		}
	})
}

// TestAfterTheBody: the deadline of a body does not end a handler that works on when the body is there.
func TestAfterTheBody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		conn := pacedServer(t, httpd.Limits{}, func(w http.ResponseWriter, r *http.Request) {
			readAll(w, r)
			select {
			case <-time.After(time.Hour):
				fmt.Fprint(w, ", an hour")
			case <-r.Context().Done():
				fmt.Fprint(w, ", given up")
			}
		})
		for range 2 { // the second one on the same connection, after a long rest
			go func() {
				_, _ = io.WriteString(conn, "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx")
			}()
			r := bufio.NewReader(conn)
			if line, err := r.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
				t.Fatal(line, err)
			}
			if line, err := r.ReadString('\n'); err != nil || line != "\r\n" {
				t.Fatal(line, err)
			}
			res, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			if string(body) != "1 bytes, <nil>, an hour" {
				t.Errorf("%s %v", body, err)
			}
			time.Sleep(4 * time.Minute)
		}
	})
}

// TestAnswerPace reads answers slowly, and not at all.
func TestAnswerPace(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	for _, c := range []struct {
		name  string
		pause time.Duration // before each 64 KiB
		whole bool
	}{{"slowly", 25 * time.Second, true}, {"not at all", 3 * time.Minute, false}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ended := make(chan error, 1)
				conn := pacedServer(t, httpd.Limits{}, func(w http.ResponseWriter, _ *http.Request) {
					_, err := w.Write(bytes.Repeat([]byte{'x'}, size)) // in one go
					ended <- err
				})
				go func() { _, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n") }()
				got, buffer := 0, make([]byte, 64<<10)
				for got < size {
					time.Sleep(c.pause)
					n, err := io.ReadFull(conn, buffer)
					if got += n; err != nil {
						break
					}
				}
				if c.whole {
					go func() { _, _ = io.Copy(io.Discard, conn) }() // what the head took of the last piece
				}
				if err := <-ended; (err == nil) != c.whole || (got >= size) != c.whole {
					t.Errorf("%d bytes, %v", got, err)
				}
			})
		})
	}
}

// TestQuietFeed: a feed that beats now and then lasts, however long it is, as long as somebody reads.
func TestQuietFeed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		conn := pacedServer(t, httpd.Limits{}, func(w http.ResponseWriter, r *http.Request) {
			ctl := http.NewResponseController(w)
			for range 100 {
				select {
				case <-time.After(10 * time.Minute):
				case <-r.Context().Done():
					return
				}
				fmt.Fprintln(w)
				if err := ctl.Flush(); err != nil {
					return
				}
			}
			fmt.Fprint(w, "done")
		})
		go func() { _, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n") }()
		if _, _, got := answerOf(t, conn); got != strings.Repeat("\n", 100)+"done" {
			t.Errorf("%q", got)
		}
	})
}
