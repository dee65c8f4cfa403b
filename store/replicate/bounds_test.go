package replicate

import (
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/adlayer/after/store"
)

// TestAuthorities reads from a server whose certificate a private authority has signed.
func TestAuthorities(t *testing.T) {
	t.Parallel()
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, body, err := empty(r)
		if err != nil {
			t.Error(err)
		}
		w.WriteHeader(status)
		if _, err := io.WriteString(w, body); err != nil {
			t.Error(err)
		}
	}))
	web.Config.ErrorLog = log.New(io.Discard, "", 0) // one attempt does not trust it
	web.StartTLS()
	defer web.Close()
	believed := x509.NewCertPool()
	believed.AddCert(web.Certificate())
	for _, authorities := range []*x509.CertPool{nil, believed} {
		m := NewManager(Options{UUID: "u", Authorities: authorities})
		r := request(fake(empty), false)
		r.Source, r.Retries = Endpoint{URL: web.URL + "/a/", Header: http.Header{}}, 0
		_, _, err := m.Replicate(t.Context(), r)
		if trusted := authorities != nil; trusted != (err == nil) || (err != nil && !strings.Contains(err.Error(), "certificate")) {
			t.Errorf("trusted: %t: %v", trusted, err)
		}
		m.Close()
	}
}

// TestShare: one user cannot take all replications, nor all the memory that lists of ids may have; administrators may.
func TestShare(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := NewManager(Options{UUID: "u", MaxJobs: 6, MaxUserJobs: 2, MaxMemory: 5000, MaxUserMemory: 1000})
		defer m.Close()
		ask := func(user, target string, size int) error {
			r := request(fake(empty), true)
			r.User, r.Admin, r.Size = user, user == "admin", size
			r.Target.Name = target
			_, _, err := m.Replicate(t.Context(), r)
			return err
		}
		for _, c := range []struct {
			user, target string
			size         int
			want         string
		}{
			{"eve", "x", 900, ""},
			{"eve", "y", 200, "your replications that run have as many doc_ids"},
			{"eve", "y", 100, ""},
			{"eve", "x", 900, ""}, // it runs already
			{"eve", "z", 0, "as many of your replications"},
			{"ann", "x", 1001, "your replications that run have as many doc_ids"},
			{"ann", "x", 1000, ""},
			{"admin", "x", 3001, "the replications that run have as many doc_ids"},
			{"admin", "x", 3000, ""},
			{"admin", "y", 0, ""},
			{"admin", "z", 0, ""},
			{"bob", "x", 0, "as many replications run"},
		} {
			err := ask(c.user, c.target, c.size)
			e, _ := errors.AsType[*store.Error](err)
			if c.want == "" && err != nil || c.want != "" && (e == nil || e.Status != 503 || !strings.Contains(strings.ToLower(e.Reason), c.want)) {
				t.Errorf("%+v: %v", c, err)
			}
		}
	})
}

// large has three documents with attachments that go alone, and a fourth, long, which the source gives as one piece only.
func large(refuses func(*http.Request) (int, string)) fake {
	return func(r *http.Request) (int, string, error) {
		switch path := r.URL.Path; {
		case strings.HasSuffix(path, "/_changes"):
			return 200, `{"results":[{"seq":1,"id":"a","changes":[{"rev":"1-a"}]},{"seq":2,"id":"long","changes":[{"rev":"1-l"}]},` +
				`{"seq":3,"id":"fat","changes":[{"rev":"1-f"}]},{"seq":4,"id":"z","changes":[{"rev":"1-z"}]}],"last_seq":4,"pending":0}`, nil
		case strings.HasSuffix(path, "/_revs_diff"):
			return 200, `{"a":{"missing":["1-a"]},"long":{"missing":["1-l"]},"fat":{"missing":["1-f"]},"z":{"missing":["1-z"]}}`, nil
		case strings.HasSuffix(path, "/_bulk_get"):
			const stub = `"_attachments":{"f":{"stub":true,"length":100000}}`
			return 200, `{"results":[{"docs":[{"ok":{"_id":"a","_rev":"1-a",` + stub + `}}]},{"docs":[{"ok":{"_id":"long","_rev":"1-l",` + stub + `}}]},` +
				`{"docs":[{"ok":{"_id":"fat","_rev":"1-f","x":"` + strings.Repeat("x", 5000) + `"}}]},{"docs":[{"ok":{"_id":"z","_rev":"1-z"}}]}]}`, nil
		case strings.HasSuffix(path, "/a/fat"):
			return 200, `[{"ok":{"_id":"fat","_rev":"1-f","x":"` + strings.Repeat("x", 5000) + `"}}]`, nil
		case strings.HasSuffix(path, "/a/z"):
			return 200, `[{"ok":{"_id":"z","_rev":"1-z"}}]`, nil
		case strings.HasSuffix(path, "/a/long"):
			return 200, `{"_id":"long","_rev":"1-l","_attachments":{"f":{"data":"` + strings.Repeat("A", 5000) + `"}}}`, nil
		case strings.HasSuffix(path, "/a/a"):
			return 200, `{"_id":"a","_rev":"1-a","_attachments":{"f":{"data":""}}}`, nil
		case refuses != nil && (strings.HasSuffix(path, "/b/a") || strings.HasSuffix(path, "/b/_bulk_docs")):
			status, body := refuses(r)
			return status, body, nil
		case strings.HasSuffix(path, "/_bulk_docs"):
			return 201, `[]`, nil
		}
		return empty(r)
	}
}

// TestTooLong leaves out what cannot be read in pieces and is too long for one, instead of trying it for ever.
func TestTooLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := NewManager(Options{UUID: "u"})
		defer m.Close()
		r := request(large(nil), false)
		r.longest = 2000
		_, result, err := m.Replicate(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if e := result.log.entries()[0]; e.Failed != 2 || e.Written != 2 {
			t.Errorf("%+v", e)
		}
	})
}

// TestLostRights tells a document that the target does not want from a target that takes nothing any more.
func TestLostRights(t *testing.T) {
	t.Parallel()
	multipart := func(next fake) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			res, err := next.RoundTrip(r)
			if err == nil && strings.HasSuffix(r.URL.Path, "/a/a") {
				res.Header.Set("Content-Type", `multipart/related; boundary="b"`)
			}
			return res, err
		})
	}
	for _, lost := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			m := NewManager(Options{UUID: "u"})
			defer m.Close()
			local := multipart(large(func(r *http.Request) (int, string) {
				if lost || strings.HasSuffix(r.URL.Path, "/b/a") {
					return 403, `{"error":"forbidden","reason":"no"}`
				}
				return 201, `[]`
			}))
			r := request(local, false)
			r.longest = 100_000
			_, result, err := m.Replicate(t.Context(), r)
			switch {
			case lost && (err == nil || !strings.Contains(err.Error(), "forbidden")):
				t.Errorf("without rights: %v", err)
			case !lost && err != nil:
				t.Error(err)
			case !lost:
				if e := result.log.entries()[0]; e.Failed != 1 || e.Written != 3 {
					t.Errorf("%+v", e)
				}
			}
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
