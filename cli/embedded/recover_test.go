package embedded_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"

	"github.com/adlayer/after/cli/embedded"
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

// TestFullDiskThatIsEmptied: while the disk is full the store is read; when there is room again it takes writes, and a feed that goes on from where
// it was gets all that was answered.
func TestFullDiskThatIsEmptied(t *testing.T) {
	t.Parallel()
	var full atomic.Bool
	o := options(t, "data", "127.0.0.1:0")
	log, _ := test.NewNullLogger()
	anew := make(hook, 1)
	log.AddHook(anew)
	o.Log = log
	o.FS = errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite && op.Kind != errorfs.OpFileClose {
			return errors.New("no space left on device")
		}
		return nil
	}))
	server, err := embedded.Serve(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	ask := func(method, path, body string) (int, string) {
		request, err := http.NewRequestWithContext(t.Context(), method, "http://"+server.Address()+path, strings.NewReader(body))
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
	ask("PUT", "/db", "")
	if status, answer := ask("PUT", "/db/before", "{}"); status != 201 {
		t.Fatal(status, answer)
	}
	full.Store(true)
	if status, answer := ask("PUT", "/db/refused", "{}"); status != 500 {
		t.Error(status, answer)
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
	if _, feed := ask("GET", "/db/_changes?since=0", ""); !strings.Contains(feed, `"before"`) || !strings.Contains(feed, `"after"`) {
		t.Error(feed)
	}
}
