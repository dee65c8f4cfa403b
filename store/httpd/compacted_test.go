package httpd_test

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
)

// TestCompactedDeletion: of a deletion that others follow a compaction leaves the name alone, and _revs_info says so.
func TestCompactedDeletion(t *testing.T) {
	t.Parallel()
	st := memory(t)
	h := handler(t, st)
	ask := func(method, path, body string) string {
		req := httptest.NewRequest(method, path, strings.NewReader(body))
		req.SetBasicAuth("admin", "secret")
		req.Header.Set("Content-Type", "application/json")
		res := httptest.NewRecorder()
		h.ServeHTTP(res, req)
		if res.Code >= http.StatusBadRequest {
			t.Fatalf("%s %s: %d %s", method, path, res.Code, res.Body)
		}
		return res.Body.String()
	}
	ask(http.MethodPut, "/db", "")
	made := ask(http.MethodPut, "/db/a", `{}`)
	ask(http.MethodDelete, "/db/a?rev="+made[strings.Index(made, `"rev":"`)+len(`"rev":"`):strings.LastIndex(made, `"`)], "")
	ask(http.MethodPut, "/db/a", `{"n":1}`)
	for _, want := range []string{`"available","deleted","available"`, `"available","missing","missing"`} {
		var got []string
		for _, info := range strings.Split(ask(http.MethodGet, "/db/a?revs_info=true", ""), `"status":`)[1:] {
			got = append(got, info[:strings.Index(info, "}")])
		}
		if strings.Join(got, ",") != want {
			t.Errorf("_revs_info says %s instead of %s", strings.Join(got, ","), want)
		}
		ask(http.MethodPost, "/db/_compact", "")
		db, err := st.Database("db")
		if err != nil {
			t.Fatal(err)
		}
		for db.Compacting() {
			runtime.Gosched() // nobody tells of its end but this
		}
	}
}
