package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/adlayer/after/gateway"
)

const page = "https://app.example"

// TestPages asks as browsers do for pages of other origins.
func TestPages(t *testing.T) {
	t.Parallel()
	o := options()
	o.CORS = gateway.CORS{Origins: []string{page}, Credentials: true, Headers: []string{"X-Own"}}
	for name, r := range map[string]*rig{"within": within(t, o), "before": before(t, o)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r.t = t
			asks := func(path, origin, method, headers string) answer {
				a, err := r.send(t.Context(), asking{method: http.MethodOptions, path: path, nobody: true, header: map[string]string{
					"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers,
				}})
				must(t, err)
				return a
			}
			for _, asked := range []struct {
				path, method, headers string
				in                    bool
			}{
				{"/queue", "POST", "authorization,content-type,idempotency-key", true},
				{"/queue/a", "DELETE", "", true},
				{"/later/http://localhost/x", "PUT", "x-after-in, X-After-Authorization, x-own", true},
				{"/later/http://localhost/x", "PATCH", "x-unknown", false},
				{"/queue", "PURGE", "", false},
			} {
				a := asks(asked.path, page, asked.method, asked.headers)
				h := a.header
				if !asked.in {
					if a.status != http.StatusForbidden || h.Get("Access-Control-Allow-Origin") != "" || !strings.Contains(a.get("reason"), "gateway.cors") {
						t.Errorf("%v: %d %s %v", asked, a.status, a.body, h)
					}
					continue
				}
				if a.status != http.StatusNoContent || h.Get("Access-Control-Allow-Origin") != page || h.Get("Access-Control-Allow-Credentials") != "true" ||
					!strings.Contains(h.Get("Access-Control-Allow-Methods"), asked.method) || h.Get("Access-Control-Allow-Headers") != asked.headers || h.Get("Vary") != "Origin" {
					t.Errorf("%v: %d %v", asked, a.status, h)
				}
			}
			if a := asks("/later/http://localhost/x", "https://evil.example", "OPTIONS", ""); a.status != http.StatusForbidden || a.header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("another origin: %d %s", a.status, a.body)
			}
			a := r.ask(asking{method: http.MethodPost, path: "/queue", kind: form, body: "task.url=http://localhost/&task.id=a", header: map[string]string{"Origin": page}})
			if a.status != http.StatusCreated || a.header.Get("Access-Control-Allow-Origin") != page || !strings.Contains(a.header.Get("Access-Control-Expose-Headers"), "Location") {
				t.Errorf("a post: %d %s %v", a.status, a.body, a.header)
			}
			a = r.ask(asking{method: http.MethodGet, path: "/queue/none", header: map[string]string{"Origin": page}})
			if a.status != http.StatusNotFound || a.header.Get("Access-Control-Allow-Origin") != page {
				t.Errorf("an error: %d %v", a.status, a.header)
			}
			if n := r.documents(); n != 1 {
				t.Errorf("%d documents", n)
			}
		})
	}
}

// TestForeignPages: a page that is not let in does nothing with the password that a browser has, though no browser asks before it sends a form.
func TestForeignPages(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, r *rig) {
		t.Helper()
		const body = "task.url=http://localhost/"
		for name, header := range map[string]map[string]string{
			"an origin": {"Origin": "https://evil.example"},
			"null":      {"Origin": "null"},
			"cross":     {"Sec-Fetch-Site": "cross-site"},
			"another":   {"Sec-Fetch-Site": "same-site", "Origin": page},
		} {
			for path, method := range map[string]string{"/queue": http.MethodPost, "/ping/a?every=1h": http.MethodPost, "/later/http://localhost/x": http.MethodGet} {
				a := r.ask(asking{method: method, path: path, kind: form, body: body, header: header})
				if a.status != http.StatusForbidden || a.get("error") != "forbidden" || a.header.Get("Access-Control-Allow-Origin") != "" {
					t.Errorf("%s %s: %d %s", name, path, a.status, a.body)
				}
			}
		}
		const link = "/later/http://localhost/x"
		browser := map[string]string{"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101", "Accept-Language": "en"}
		for _, method := range []string{http.MethodGet, http.MethodHead} { // over plain HTTP nothing is said of the page
			if a := r.ask(asking{method: method, path: link, header: browser}); a.status != http.StatusForbidden {
				t.Errorf("%s by a link: %d %s", method, a.status, a.body)
			}
		}
		if n := r.documents(); n != 0 {
			t.Errorf("%d documents", n)
		}
		for name, header := range map[string]map[string]string{
			"a program":        {"User-Agent": "Mozilla/5.0 (compatible; PowerShell)"},
			"another":          {"User-Agent": "curl/8.0", "Accept-Language": "en"},
			"a page that asks": {"User-Agent": browser["User-Agent"], "Accept-Language": "en", "X-After-In": "1h"},
		} {
			if a := r.ask(asking{method: http.MethodGet, path: link, header: header}); a.status != http.StatusCreated {
				t.Errorf("%s: %d %s", name, a.status, a.body)
			}
		}
		for name, header := range map[string]map[string]string{
			"the person":   {"Sec-Fetch-Site": "none"},
			"its own page": {"Sec-Fetch-Site": "same-origin", "Origin": strings.TrimSuffix(r.url, "/_after")},
			"no browser":   {},
		} {
			if a := r.ask(asking{method: http.MethodPost, path: "/queue", kind: form, body: body, header: header}); a.status != http.StatusCreated {
				t.Errorf("%s: %d %s", name, a.status, a.body)
			}
		}
		if a := r.ask(asking{method: http.MethodGet, path: "/queue", header: map[string]string{"Origin": page}}); a.status != http.StatusOK || a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("reading, which the page cannot see: %d %v", a.status, a.header)
		}
	})
}

// TestPagesWithoutCredentials: a page that is let in, but not with the passwords of the browser, cannot post with those: a browser sends forms
// without asking.
func TestPagesWithoutCredentials(t *testing.T) {
	t.Parallel()
	for name, origin := range map[string]string{"any": "*", "one": page} {
		o := options()
		o.CORS = gateway.CORS{Origins: []string{origin}}
		for where, r := range map[string]*rig{"within": within(t, o), "before": before(t, o)} {
			t.Run(name+" "+where, func(t *testing.T) {
				t.Parallel()
				r.t = t
				header := map[string]string{"Origin": page, "Sec-Fetch-Site": "cross-site"}
				for kind, status := range map[string]int{form: http.StatusForbidden, "text/plain": http.StatusForbidden, inJSON: http.StatusCreated} {
					body := `{"url":"http://localhost/","worker":"manobi"}`
					if kind == form {
						body = "task.url=http://localhost/&task.worker=manobi"
					}
					if a := r.ask(asking{method: http.MethodPost, path: "/queue", kind: kind, body: body, header: header}); a.status != status {
						t.Errorf("%s: %d %s", kind, a.status, a.body)
					}
				}
			})
		}
	}
}

// TestNoDatabase: a queue that is there before the worker that makes the database says that it is early, whatever is posted.
func TestNoDatabase(t *testing.T) {
	t.Parallel()
	o := options()
	o.Database = "not-yet"
	r := before(t, o)
	for _, a := range []asking{
		{method: http.MethodPost, path: "/queue", kind: form, body: "task.url=http://localhost/"},
		{method: http.MethodPost, path: "/later/http://localhost/x?after.in=1h", kind: "text/plain", body: "x"},
		{method: http.MethodPost, path: "/ping/a?every=1h"},
	} {
		if got := r.ask(a); got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %s", a.path, got.status, got.body)
		}
	}
}
