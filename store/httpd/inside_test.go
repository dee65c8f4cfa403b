package httpd_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/adlayer/after/store"
)

// TestRightsNow: a replication that goes on has the rights that its user has now, not those of its beginning.
func TestRightsNow(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	s.want("PUT", "/_users", "", 201)
	s.want("PUT", "/db", "", 201)
	s.want("PUT", "/db/_security", `{"members":{"roles":["crew"]}}`, 200)
	const ann = "/_users/org.couchdb.user:ann"
	rev := func() string { return gjson.Get(s.want("GET", ann, "", 200), "_rev").String() }
	user := func(roles string) {
		t.Helper()
		old := ""
		if status, _ := s.do("GET", ann, ""); status == 200 {
			old = `,"_rev":"` + rev() + `"`
		}
		s.want("PUT", ann, fmt.Sprintf(`{"_id":"org.couchdb.user:ann"%s,"type":"user","name":"ann","roles":%s,"password":"pw"}`, old, roles), 201)
	}
	ask := func(web http.RoundTripper) int {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://here/db", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := web.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := res.Body.Close(); err != nil {
			t.Error(err)
		}
		return res.StatusCode
	}
	user(`["crew"]`)
	crew, former := s.handler.Inside("ann", false, "crew"), s.handler.Inside("ann", true, "_admin")
	for what, c := range []struct {
		roles string // empty: ann is removed
		want  int
	}{{`["crew"]`, 200}, {`[]`, 403}, {`["crew","cook"]`, 200}, {``, 401}} {
		if c.roles == "" {
			s.want("DELETE", ann+"?rev="+rev(), "", 200)
		} else {
			user(c.roles)
		}
		for _, web := range []http.RoundTripper{crew, former} {
			if got := ask(web); got != c.want {
				t.Errorf("%d: roles %s: %d", what, c.roles, got)
			}
		}
	}
	if got := ask(s.handler.Inside("admin", true, "_admin")); got != 200 {
		t.Error(got)
	}
}
