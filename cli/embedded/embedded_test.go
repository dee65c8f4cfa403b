package embedded_test

import (
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
	"github.com/tidwall/gjson"
	"go.uber.org/goleak"

	"github.com/adlayer/after/cli/embedded"
	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/httpd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMeansListener(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		address, listen string
		want            bool
	}{
		{"http://127.0.0.1:5984", "127.0.0.1:5984", true},
		{"http://127.0.0.1:5984/", "127.0.0.1:5984", true},
		{"http://localhost:5984", "127.0.0.1:5984", true},
		{"http://127.0.0.1:5984", "localhost:5984", true},
		{"http://[::1]:5984", "[::1]:5984", true},
		{"http://127.0.0.1:5984", "0.0.0.0:5984", true},
		{"http://127.0.0.1:5984", ":5984", true},
		{"http://127.0.0.1", "127.0.0.1:80", true},
		{"http://127.0.0.1:5984", "127.0.0.1:5985", false},
		{"https://127.0.0.1:5984", "127.0.0.1:5984", false},
		{"http://127.0.0.1:5984/couch", "127.0.0.1:5984", false},
		{"http://couch.example.org:5984", "0.0.0.0:5984", false},
		{"http://[::1]:5984", "127.0.0.1:5984", false},
		{"http://192.0.2.1:5984", "192.0.2.1:5984", true},
	} {
		if got := embedded.MeansListener(test.address, test.listen, false); got != test.want {
			t.Errorf("%s and %s: %v", test.address, test.listen, got)
		}
		other := strings.Replace(strings.Replace(test.address, "http", "https", 1), "httpss", "http", 1)
		if got := embedded.MeansListener(other, strings.Replace(test.listen, ":80", ":443", 1), true); got != test.want {
			t.Errorf("%s and %s: %v", other, test.listen, got)
		}
	}
}

func TestCheckListen(t *testing.T) {
	t.Parallel()
	for listen, fine := range map[string]bool{
		"127.0.0.1:1": true, "[::1]:1": true, "localhost:1": true, "127.8.8.8:1": true,
		"0.0.0.0:1": false, ":1": false, "[::]:1": false, "192.0.2.1:1": false, "example.org:1": false,
	} {
		err := embedded.CheckListen(listen, []string{"after"})
		if (err == nil) != fine || (err != nil && !strings.Contains(err.Error(), "after has the default password")) {
			t.Errorf("%s: %v", listen, err)
		}
		if err := embedded.CheckListen(listen, nil); err != nil {
			t.Errorf("%s with good passwords: %v", listen, err)
		}
	}
}

func options(t *testing.T, data, listen string) embedded.Options {
	t.Helper()
	log, _ := test.NewNullLogger()
	return embedded.Options{Listen: listen, Data: data, Admins: map[string]string{"a": "b"}, Log: logrus.FieldLogger(log), HTTP: httpd.Options{HashRounds: 10}}
}

func uuidOf(t *testing.T, address string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/", nil)
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
	if response.StatusCode != http.StatusOK {
		t.Fatalf("the greeting answers %s", response.Status)
	}
	var body strings.Builder
	if err := response.Write(&body); err != nil {
		t.Fatal(err)
	}
	text := body.String()
	return gjson.Get(text[strings.Index(text, "{"):], "uuid").String()
}

// TestReplicationsEnd: what _replicate started ends with the server.
func TestReplicationsEnd(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	server, err := embedded.Serve(ctx, options(t, filepath.Join(t.TempDir(), "data"), "127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	for _, ask := range []struct{ method, path, body string }{
		{http.MethodPut, "/x", ""}, {http.MethodPost, "/_replicate", `{"source":"x","target":"y","create_target":true,"continuous":true}`},
	} {
		request, err := http.NewRequestWithContext(ctx, ask.method, "http://"+server.Address()+ask.path, strings.NewReader(ask.body))
		if err != nil {
			t.Fatal(err)
		}
		request.SetBasicAuth("a", "b")
		request.Header.Set("Content-Type", "application/json")
		request.Close = true
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		if _ = response.Body.Close(); response.StatusCode >= http.StatusBadRequest {
			t.Fatalf("%s answers %s", ask.path, response.Status)
		}
	}
	if err := server.Close(ctx); err != nil {
		t.Error(err) // and goleak finds a replication that goes on
	}
}

// TestKeeperServesOn: when the server ends, the keeper has its address and its folder.
func TestKeeperServesOn(t *testing.T) {
	t.Parallel()
	ctx, data := t.Context(), filepath.Join(t.TempDir(), "data")
	first, err := embedded.Serve(ctx, options(t, data, "127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	address := first.Address()
	uuid := uuidOf(t, address)
	if !embedded.Holds(data, uuid) || embedded.Holds(data, "x") || embedded.Holds(t.TempDir(), uuid) || embedded.Holds(data, "") {
		t.Error("the folder is not told by its uuid")
	}
	if _, err := embedded.Serve(ctx, options(t, data, "127.0.0.1:0")); !isHeld(err) {
		t.Errorf("the same folder again: %v", err)
	}
	if _, err := embedded.Serve(ctx, options(t, filepath.Join(t.TempDir(), "other"), address)); err == nil {
		t.Error("the same address again")
	}

	took := make(chan *embedded.Server, 1)
	keeper := embedded.Keep(ctx, options(t, data, address), func(s *embedded.Server) { took <- s })
	if err := first.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-first.Failed(); err != nil {
		t.Errorf("the first one ended with %v", err)
	}
	select {
	case second := <-took:
		if second.Address() != address || uuidOf(t, address) != uuid {
			t.Errorf("at %s, want the same store at %s", second.Address(), address)
		}
	case <-time.After(time.Minute):
		t.Error("the keeper never took over")
	}
	if err := keeper.Close(); err != nil {
		t.Error(err)
	}
	if third, err := embedded.Serve(ctx, options(t, data, address)); err != nil {
		t.Errorf("after the keeper: %v", err)
	} else if err := third.Close(ctx); err != nil {
		t.Error(err)
	}
}

func isHeld(err error) bool {
	_, held := errors.AsType[*store.HeldError](err)
	return held
}
