package httpd_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/httpd"
	"github.com/adlayer/after/store/script"
)

// childFolder makes this test binary serve the folder it names instead of running tests.
const childFolder = "AFTER_TEST_SERVE"

func TestMain(m *testing.M) {
	script.Main()
	if dir := os.Getenv(childFolder); dir != "" {
		fmt.Fprintln(os.Stderr, serveChild(dir))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// serveChild serves until it is killed, and tells its address on standard output.
func serveChild(dir string) error {
	st, err := store.Open(dir, store.Options{MemTableSize: 256 << 10, CompactAfter: 200})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	return httpd.New(st, httpd.Options{Admins: map[string]string{"admin": "secret"}}).HTTPServer().Serve(l)
}

// child is a serving process.
type child struct {
	cmd *exec.Cmd
	url string
}

func startChild(t *testing.T, dir string) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childFolder+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		_ = cmd.Process.Kill()
		t.Fatal("the child did not start: ", err)
	}
	return &child{cmd, "http://" + strings.TrimSpace(line)}
}

// kill ends the process as kill -9 does.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}

// TestKilled kills a real serving process under concurrent writers, again and again, and looks for all that it had answered.
func TestKilled(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	n := 4
	if f, err := strconv.Atoi(os.Getenv("AFTER_TORTURE")); err == nil && f > 0 {
		n *= f
	}
	dir := t.TempDir()
	answered := map[string]string{}
	for round := range n {
		c := startChild(t, dir)
		web := &http.Client{Transport: &http.Transport{}}
		if round == 0 {
			if status, _, err := ask(web, "PUT", c.url+"/db", ""); err != nil || status != 201 {
				c.kill()
				t.Fatal(status, err)
			}
		}
		lookFor(t, web, c.url, answered)
		writeAndKill(c, web, round, 200+r.IntN(400), answered)
		web.CloseIdleConnections()
	}
	c := startChild(t, dir)
	web := &http.Client{Transport: &http.Transport{}}
	lookFor(t, web, c.url, answered)
	web.CloseIdleConnections()
	c.kill()
	st, err := store.OpenReadOnly(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	if err := st.Check(t.Context(), func(p store.Problem) { t.Errorf("the check says: %s", p) }); err != nil {
		t.Error(err)
	}
}

// writeAndKill writes from several clients and kills the server once it has answered enough.
func writeAndKill(c *child, web *http.Client, round, enough int, answered map[string]string) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	var once sync.Once
	count := 0
	for w := range 4 {
		wg.Go(func() {
			for n := 0; ; n++ {
				body := []string{}
				for i := range 5 {
					body = append(body, fmt.Sprintf(`{"_id":"%d-%d-%d-%d","pad":%q}`, round, w, n, i, strings.Repeat("x", 300)))
				}
				status, answer, err := ask(web, "POST", c.url+"/db/_bulk_docs", `{"docs":[`+strings.Join(body, ",")+`]}`)
				if err != nil || status != 201 {
					return // killed
				}
				var rows []struct{ ID, Rev string }
				if json.Unmarshal(answer, &rows) != nil {
					return
				}
				mu.Lock()
				for _, row := range rows {
					answered[row.ID] = row.Rev
				}
				count += len(rows)
				reached := count >= enough
				mu.Unlock()
				if reached {
					once.Do(c.kill)
				}
			}
		})
	}
	wg.Wait()
}

// lookFor checks that everything answered is there, document by document and in the feed.
func lookFor(t *testing.T, web *http.Client, url string, answered map[string]string) {
	t.Helper()
	_, raw, err := ask(web, "GET", url+"/db/_changes?include_docs=true", "")
	var feed struct {
		Results []struct {
			ID      string
			Changes []struct{ Rev string }
			Doc     struct{ Pad string }
		}
	}
	if err == nil {
		err = json.Unmarshal(raw, &feed)
	}
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]string{}
	for _, row := range feed.Results {
		there[row.ID] = row.Changes[0].Rev
		if len(row.Doc.Pad) != 300 {
			t.Fatalf("%s is there without its body", row.ID)
		}
	}
	for id, rev := range answered {
		if there[id] != rev {
			t.Fatalf("%s was answered as %s and is %q", id, rev, there[id])
		}
	}
}

func ask(web *http.Client, method, url, body string) (int, []byte, error) {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.SetBasicAuth("admin", "secret")
	req.Header.Set("Content-Type", "application/json")
	res, err := web.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	return res.StatusCode, raw, err
}

// TestHeldFolder opens a folder that another process holds.
func TestHeldFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := startChild(t, dir)
	defer c.kill()
	_, err := store.Open(dir, store.Options{})
	var held *store.HeldError
	if !errors.As(err, &held) || held.Owner.PID != c.cmd.Process.Pid || !strings.Contains(err.Error(), strconv.Itoa(held.Owner.PID)) {
		t.Fatalf("the error does not say who holds the folder: %v", err)
	}
	c.kill()
	st, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatalf("the folder of a process that was killed cannot be opened: %v", err)
	}
	if _, err := store.Open(dir, store.Options{}); !errors.As(err, &held) || held.Owner.PID != os.Getpid() {
		t.Errorf("a second open in the same process: %v", err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
}
