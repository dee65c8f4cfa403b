package httpd_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/httpd"
	"github.com/adlayer/after/store/storetest"
)

// handler is a server on a store of its own, called without a socket.
func handler(t *testing.T, st *store.Store) *httpd.Server {
	t.Helper()
	h := httpd.New(st, httpd.Options{Admins: map[string]string{"admin": "secret"}, HashRounds: 10})
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func memory(t *testing.T) *store.Store {
	t.Helper()
	st, err := store.Open("data", store.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { storetest.End(t, st) })
	return st
}

// request sends a request from an address, as a name with a password or with a cookie, and gives the answer.
func request(t *testing.T, h http.Handler, from, who, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.RemoteAddr = from + ":4711"
	if name, password, ok := strings.Cut(who, ":"); ok {
		r.SetBasicAuth(name, password)
	} else if who != "" {
		r.Header.Set("Cookie", who)
	}
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

const user = `{"_id":"org.couchdb.user:ann","name":"ann","password":%q,"type":"user","roles":[]}`

func TestLockout(t *testing.T) {
	t.Parallel()
	h := handler(t, memory(t))
	var mu sync.Mutex
	now := time.Now()
	h.SetLockoutClock(func() time.Time { mu.Lock(); defer mu.Unlock(); return now })
	want := func(from, who string, status int) {
		t.Helper()
		if w := request(t, h, from, who, http.MethodGet, "/_session", ""); w.Code != status {
			t.Errorf("%s from %s: %d instead of %d: %s", who, from, w.Code, status, w.Body)
		}
	}
	request(t, h, "10.0.0.1", "admin:secret", http.MethodPut, "/_users", "")
	request(t, h, "10.0.0.1", "admin:secret", http.MethodPost, "/_users", fmt.Sprintf(user, "pw"))
	for range 4 {
		want("10.0.0.1", "ann:wrong", 401)
	}
	want("10.0.0.1", "ann:pw", 200) // which forgets the four
	for range 5 {
		want("10.0.0.1", "ann:wrong", 401)
	}
	want("10.0.0.1", "ann:pw", 403)
	if w := request(t, h, "10.0.0.1", "", http.MethodPost, "/_session", `{"name":"ann","password":"pw"}`); w.Code != 403 {
		t.Errorf("logging in: %d %s", w.Code, w.Body)
	}
	want("10.0.0.2", "ann:pw", 200)
	mu.Lock()
	now = now.Add(5*time.Minute + time.Second)
	mu.Unlock()
	want("10.0.0.1", "ann:pw", 200)

	for range 6 {
		request(t, h, "10.0.0.1", "admin:wrong", http.MethodGet, "/_session", "")
	}
	want("10.0.0.1", "admin:secret", 200) // it was right before: a wrong client beside it does not turn it away
	want("10.0.0.1", "admin:wrong", 403)
}

func TestSessions(t *testing.T) {
	t.Parallel()
	st := memory(t)
	h := handler(t, st)
	logIn := func(name, password string) string {
		t.Helper()
		w := request(t, h, "10.0.0.1", "", http.MethodPost, "/_session", fmt.Sprintf(`{"name":%q,"password":%q}`, name, password))
		if w.Code != 200 {
			t.Fatalf("logging in: %d %s", w.Code, w.Body)
		}
		cookie, _, _ := strings.Cut(w.Header().Get("Set-Cookie"), ";")
		return cookie
	}
	is := func(h http.Handler, cookie, name string) *httptest.ResponseRecorder {
		t.Helper()
		w := request(t, h, "10.0.0.1", cookie, http.MethodGet, "/_session", "")
		if want := `"name":` + name; !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s is not in %d %s", want, w.Code, w.Body)
		}
		return w
	}
	request(t, h, "10.0.0.1", "admin:secret", http.MethodPut, "/_users", "")
	w := request(t, h, "10.0.0.1", "admin:secret", http.MethodPost, "/_users", fmt.Sprintf(user, "pw"))
	_, rev, _ := strings.Cut(strings.TrimSpace(w.Body.String()), `"rev":"`)
	cookie, admin := logIn("ann", "pw"), logIn("admin", "secret")
	if w := is(h, cookie, `"ann"`); w.Header().Get("Set-Cookie") != "" {
		t.Error("a new cookie was renewed")
	}
	is(handler(t, st), cookie, `"ann"`) // another process on the same store
	is(handler(t, st), admin, `"admin"`)

	last := cookie[len(cookie)-2]
	for _, c := range "AQgw" { // these differ in the bits that count
		if byte(c) != last {
			is(h, cookie[:len(cookie)-2]+string(c)+cookie[len(cookie)-1:], "null")
		}
	}
	// That of a CouchDB which signs with SHA-1: browsers send it to all servers of a machine.
	is(h, "AuthSession="+base64.RawURLEncoding.EncodeToString([]byte("ann:6B032B4F:"+strings.Repeat("\xa7", 20))), "null")
	old, err := h.CookieAt("ann", time.Now().Add(-5*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	renewed, _, _ := strings.Cut(is(h, old, `"ann"`).Header().Get("Set-Cookie"), ";")
	is(h, renewed, `"ann"`)
	if old, err = h.CookieAt("ann", time.Now().Add(-11*time.Minute)); err != nil {
		t.Fatal(err)
	}
	is(h, old, "null")
	if future, err := h.CookieAt("ann", time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	} else {
		is(h, future, "null")
	}

	w = request(t, h, "10.0.0.1", "admin:secret", http.MethodPut, "/_users/org.couchdb.user:ann?rev="+strings.TrimSuffix(rev, `"}`), fmt.Sprintf(user, "new"))
	if w.Code != 201 {
		t.Fatal(w.Body)
	}
	is(h, cookie, "null")
	is(h, logIn("ann", "new"), `"ann"`)
}

// FuzzCookie: no cookie but one that the server made is anybody's, and none ends it.
func FuzzCookie(f *testing.F) {
	_, h := served(f)
	for _, seed := range []string{"", "YWRtaW46NjU5NDg2QjU6", "%%%", "YTpiOmM6ZA", strings.Repeat("A", 100), "OjowOjo"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		r := httptest.NewRequest(http.MethodGet, "/_session", http.NoBody)
		r.Header["Cookie"] = []string{"AuthSession=" + value}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 400 && !strings.Contains(w.Body.String(), `"name":null`) {
			t.Errorf("%q: %d %s", value, w.Code, w.Body)
		}
	})
}

// FuzzAuthorization: the same of Basic credentials.
func FuzzAuthorization(f *testing.F) {
	_, h := served(f)
	for _, seed := range []string{"", "Basic", "Basic YWRtaW46c2VjcmV0", "basic  YWRtaW46d3Jvbmc=", "Bearer x", "Basic Og==", "Basic !"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		r := httptest.NewRequest(http.MethodGet, "/_session", http.NoBody)
		r.Header["Authorization"] = []string{value}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		name, password, _ := r.BasicAuth()
		switch right := name == "admin" && password == "secret"; {
		case w.Code >= 500:
			t.Errorf("%q: %d %s", value, w.Code, w.Body)
		case w.Code == 200 && !right && !strings.Contains(w.Body.String(), `"name":null`):
			t.Errorf("%q lets in: %s", value, w.Body)
		}
	})
}
