package httpd_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/adlayer/after/store/httpd"
)

// TestCORS asks as browsers do for pages of other origins.
func TestCORS(t *testing.T) {
	t.Parallel()
	const page, other = "https://app.example", "https://evil.example"
	list := httpd.CORS{Origins: []string{page, "http://localhost:3000"}}
	all := httpd.CORS{Origins: []string{"*"}}
	with := func(o httpd.CORS, change func(*httpd.CORS)) httpd.CORS { change(&o); return o }
	credentials := func(o *httpd.CORS) { o.Credentials = true }
	for _, c := range []struct {
		name    string
		cors    httpd.CORS
		method  string
		headers string // name: value, with line feeds between
		status  int
		want    string // likewise, of the Access-Control-* of the answer without the prefix; "" for none at all
	}{
		{"off", httpd.CORS{}, "GET", "Origin: " + page, 200, ""},
		{"off, asked", httpd.CORS{}, "OPTIONS", "Origin: " + page + "\nAccess-Control-Request-Method: PUT", 405, ""},
		{"no origin", list, "GET", "", 200, ""},
		{"an origin of the list", list, "GET", "Origin: " + page, 200, "Allow-Origin: " + page},
		{"another origin", list, "GET", "Origin: " + other, 200, ""},
		{"the list in capitals", list, "GET", "Origin: HTTPS://APP.EXAMPLE", 200, ""},
		{"another origin with this one in it", list, "GET", "Origin: " + page + ".evil.example", 200, ""},
		{"null", list, "GET", "Origin: null", 200, ""},
		{"all", all, "GET", "Origin: " + other, 200, "Allow-Origin: " + other},
		{"with credentials", with(list, credentials), "GET", "Origin: " + page, 200, "Allow-Credentials: true\nAllow-Origin: " + page},
		{"another with credentials", with(list, credentials), "GET", "Origin: " + other, 200, ""},
		{"all with credentials", with(all, credentials), "GET", "Origin: " + other, 200, "Allow-Origin: " + other},
		{
			"all and one by name, with credentials", with(all, func(o *httpd.CORS) { o.Credentials = true; o.Origins = append(o.Origins, page) }),
			"GET", "Origin: " + page, 200, "Allow-Credentials: true\nAllow-Origin: " + page,
		},
		{
			"asked", list, "OPTIONS", "Origin: " + page + "\nAccess-Control-Request-Method: PUT\nAccess-Control-Request-Headers: Content-Type, authorization", 204,
			"Allow-Headers: Content-Type, authorization\nAllow-Methods: CONNECT, COPY, DELETE, GET, HEAD, OPTIONS, POST, PUT, TRACE\nAllow-Origin: " + page + "\nMax-Age: 600",
		},
		{
			"asked with credentials", with(list, credentials), "OPTIONS", "Origin: " + page + "\nAccess-Control-Request-Method: GET", 204,
			"Allow-Credentials: true\nAllow-Headers: \nAllow-Methods: CONNECT, COPY, DELETE, GET, HEAD, OPTIONS, POST, PUT, TRACE\nAllow-Origin: " + page + "\nMax-Age: 600",
		},
		{
			"asked, all", with(all, credentials), "OPTIONS", "Origin: " + other + "\nAccess-Control-Request-Method: GET", 204,
			"Allow-Headers: \nAllow-Methods: CONNECT, COPY, DELETE, GET, HEAD, OPTIONS, POST, PUT, TRACE\nAllow-Origin: " + other + "\nMax-Age: 600",
		},
		{"asked by another", list, "OPTIONS", "Origin: " + other + "\nAccess-Control-Request-Method: PUT", 405, ""},
		{"asked for a method that is none", list, "OPTIONS", "Origin: " + page + "\nAccess-Control-Request-Method: put", 405, ""},
		{"asked for a header that is not allowed", list, "OPTIONS", "Origin: " + page + "\nAccess-Control-Request-Method: PUT\nAccess-Control-Request-Headers: x-mine", 405, ""},
		{
			"with lists of its own",
			with(list, func(o *httpd.CORS) {
				o.Methods, o.Headers, o.MaxAge = []string{"GET", "PUT"}, []string{"X-Mine"}, time.Hour
			}),
			"OPTIONS", "Origin: " + page + "\nAccess-Control-Request-Method: PUT\nAccess-Control-Request-Headers: x-mine", 204,
			"Allow-Headers: x-mine\nAllow-Methods: GET, PUT\nAllow-Origin: " + page + "\nMax-Age: 3600",
		},
		{
			"with a list without the method", with(list, func(o *httpd.CORS) { o.Methods = []string{"GET"} }),
			"OPTIONS", "Origin: " + page + "\nAccess-Control-Request-Method: PUT", 405, "",
		},
		{"OPTIONS that asks nothing", list, "OPTIONS", "Origin: " + page, 405, "Allow-Origin: " + page},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := httpd.New(memory(t), httpd.Options{Admins: map[string]string{"admin": "secret"}, HashRounds: 10, CORS: c.cors})
			defer h.Close()
			r := httptest.NewRequest(c.method, "/", http.NoBody)
			for line := range strings.SplitSeq(c.headers, "\n") {
				if name, value, ok := strings.Cut(line, ": "); ok {
					r.Header.Set(name, value)
				}
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			var got []string
			for _, name := range []string{"Allow-Credentials", "Allow-Headers", "Allow-Methods", "Allow-Origin", "Max-Age"} {
				if values, ok := w.Header()["Access-Control-"+name]; ok {
					got = append(got, name+": "+strings.Join(values, "|"))
				}
			}
			if text := strings.Join(got, "\n"); w.Code != c.status || text != c.want {
				t.Errorf("%d instead of %d with\n%s\ninstead of\n%s", w.Code, c.status, text, c.want)
			}
			if varies := w.Header().Get("Vary") == "Origin"; varies != (len(c.cors.Origins) > 0) {
				t.Errorf("Vary: %q", w.Header().Get("Vary"))
			}
		})
	}
}

// TestCORSOfErrors: a page can read why it was refused, before it has logged in.
func TestCORSOfErrors(t *testing.T) {
	t.Parallel()
	h := httpd.New(memory(t), httpd.Options{CORS: httpd.CORS{Origins: []string{"https://app.example"}}})
	defer h.Close()
	for _, path := range []string{"/_all_dbs", "/nowhere", "/%00", "/a?x=%zz"} {
		r := httptest.NewRequest(http.MethodGet, path, http.NoBody)
		r.Header.Set("Origin", "https://app.example")
		r.Header.Set("Authorization", "Basic !")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code < 400 || w.Header().Get("Access-Control-Allow-Origin") != "https://app.example" || !strings.Contains(w.Header().Get("Access-Control-Expose-Headers"), "etag") {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
	}
}

// TestCORSSettings turns it on over HTTP, as CouchDB's tools do.
func TestCORSSettings(t *testing.T) {
	t.Parallel()
	h := handler(t, memory(t))
	for name, value := range map[string]string{
		"chttpd/enable_cors": "true", "cors/origins": "https://a.example, https://b.example", "cors/credentials": "true",
		"cors/methods": "GET, PUT", "cors/headers": "accept, x-mine", "cors/max_age": "60",
	} {
		if w := request(t, h, "10.0.0.1", "admin:secret", http.MethodPut, "/_node/_local/_config/"+name, `"`+value+`"`); w.Code != 200 {
			t.Fatal(w.Body)
		}
	}
	r := httptest.NewRequest(http.MethodOptions, "/", http.NoBody)
	r.Header.Set("Origin", "https://b.example")
	r.Header.Set("Access-Control-Request-Method", "PUT")
	r.Header.Set("Access-Control-Request-Headers", "X-Mine")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if got := w.Header(); w.Code != 204 || got.Get("Access-Control-Allow-Credentials") != "true" || got.Get("Access-Control-Max-Age") != "60" ||
		got.Get("Access-Control-Allow-Methods") != "GET, PUT" {
		t.Errorf("%d %v", w.Code, got)
	}
}
