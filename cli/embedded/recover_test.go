package embedded_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
	"github.com/tidwall/gjson"

	"github.com/adlayer/after/cli/embedded"
	"github.com/adlayer/after/store/storetest"
)

// hook gets a value when the store was opened anew.
type hook chan struct{}

func (hook) Levels() []logrus.Level { return []logrus.Level{logrus.InfoLevel} }

func (h hook) Fire(e *logrus.Entry) error {
	if strings.Contains(e.Message, "opened anew") {
		h <- struct{}{}
	}
	return nil
}

// TestFullDiskThatIsEmptied: while the disk is full writers are told so and the store is read; when there is room again it takes writes, and a feed
// that goes on from where it was gets all that was answered. It is the same where the log still has room, in files that it uses again, and all else has none.
func TestFullDiskThatIsEmptied(t *testing.T) {
	t.Parallel()
	for name, room := range map[string]string{"everything": "", "all but the log": ".log"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fillDisk(t, room)
		})
	}
}

// fillDisk runs a server whose files meet a full disk for a while, but for those with a suffix.
func fillDisk(t *testing.T, room string) {
	t.Helper()
	var full atomic.Bool
	o := options(t, "data", "127.0.0.1:0")
	log, _ := test.NewNullLogger()
	anew := make(hook, 1)
	log.AddHook(anew)
	o.Log = log
	o.FS = storetest.Faults(vfs.NewMem(), func(op errorfs.Op) error {
		if full.Load() && (room == "" || !strings.HasSuffix(op.Path, room)) && op.Kind.ReadOrWrite() == errorfs.OpIsWrite && op.Kind != errorfs.OpFileClose {
			return errors.New("no space left on device")
		}
		return nil
	})
	server, err := embedded.Serve(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	ask := asker(t, server.Address())
	ask("PUT", "/db", "")
	rows := follow(t, "http://"+server.Address()+"/db/_changes?feed=continuous&heartbeat=1000&since=")
	stuck := neverRead(t, server.Address())
	defer stuck.Close()
	if status, answer := ask("PUT", "/db/before", "{}"); status != 201 {
		t.Fatal(status, answer)
	}
	full.Store(true)
	answered := 0
	for {
		status, answer := ask("PUT", fmt.Sprintf("/db/filler-%d", answered), `{"pad":"`+strings.Repeat("x", 1<<20)+`"}`)
		if status != 201 {
			if status != 500 || gjson.Get(answer, "error").String() != "internal_server_error" || gjson.Get(answer, "reason").String() == "" {
				t.Error(status, answer)
			}
			break
		}
		answered++
	}
	if room == "" && answered > 0 {
		t.Errorf("%d writes were answered on a full disk", answered)
	}
	if status, answer := ask("GET", "/db/before", ""); status != 200 {
		t.Error("reading while the disk is full:", status, answer)
	}
	if status, _ := ask("GET", "/_up", ""); status != 503 {
		t.Error("the store says it is up")
	}
	full.Store(false)
	select {
	case <-anew:
	case <-time.After(2 * time.Minute):
		t.Fatal("the store is not opened again")
	}
	if status, answer := ask("PUT", "/db/after", "{}"); status != 201 {
		t.Error(status, answer)
	}
	for n := range answered {
		if status, answer := ask("GET", fmt.Sprintf("/db/filler-%d", n), ""); status != 200 {
			t.Errorf("filler-%d was answered and is lost: %d %s", n, status, answer)
		}
	}
	if _, feed := ask("GET", "/db/_changes?since=0", ""); !strings.Contains(feed, `"before"`) || !strings.Contains(feed, `"after"`) {
		t.Error(feed)
	}
	// Whoever follows the feed has each row once, but for one that was not answered, which may be there or not.
	for _, want := range []string{"before", "after"} {
		for id := range rows {
			if id == want {
				break
			}
			if !strings.HasPrefix(id, "filler-") && id != "before_it" {
				t.Errorf("the feed gives %q before %q", id, want)
			}
		}
	}
}

// asker gives what asks a server and returns its status and its answer.
func asker(t *testing.T, address string) func(method, path, body string) (int, string) {
	t.Helper()
	return func(method, path, body string) (int, string) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, "http://"+address+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.SetBasicAuth("a", "b")
		request.Close = true
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		raw, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(raw)
	}
}

// follow follows a continuous feed as clients do, asking again from the last sequence where it ends, and gives the ids of its rows.
func follow(t *testing.T, url string) <-chan string {
	t.Helper()
	ids := make(chan string, 100)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	go func() {
		defer close(ended)
		for since := "0"; ctx.Err() == nil; {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+since, nil)
			if err != nil {
				t.Error(err)
				return
			}
			request.SetBasicAuth("a", "b")
			request.Close = true
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				continue
			}
			lines := bufio.NewScanner(response.Body)
			for lines.Scan() {
				if id := gjson.Get(lines.Text(), "id").String(); id != "" {
					since = gjson.Get(lines.Text(), "seq").String()
					ids <- id
				}
			}
			_ = response.Body.Close()
		}
	}()
	return ids
}

// neverRead asks for a large answer and does not read it.
func neverRead(t *testing.T, address string) net.Conn {
	t.Helper()
	send := func(text string) net.Conn {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
		if err == nil {
			_, err = io.WriteString(conn, text)
		}
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	const size = 20 << 20
	head := fmt.Sprintf(" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Basic YTpi\r\nContent-Type: x/y\r\nContent-Length: %d\r\n\r\n", size)
	conn := send("PUT /db/before_it/file" + head + strings.Repeat("x", size))
	answer, err := io.ReadAll(conn)
	if err := errors.Join(err, conn.Close()); err != nil || !strings.Contains(string(answer), " 201 ") {
		t.Fatalf("%s: %v", answer, err)
	}
	return send("GET /db/before_it/file HTTP/1.1\r\nHost: x\r\nAuthorization: Basic YTpi\r\n\r\n")
}
