package gateway_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/tidwall/gjson"
)

// described is the description of the paths, as every test's requests and answers are held to.
var described = sync.OnceValues(func() (*openapi3.T, error) {
	raw, err := os.ReadFile("openapi.json")
	if err != nil {
		return nil, err
	}
	return openapi3.NewLoader().LoadFromData(raw)
})

// templateOf gives the path of the description that a path is of, and its parameter.
func templateOf(path string) (template string, params map[string]string) {
	path, _, _ = strings.Cut(path, "?")
	first, rest, deeper := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch {
	case first == "later":
		return "/later/{url}", map[string]string{"url": rest}
	case first == "ping" && deeper:
		return "/ping/{id}", map[string]string{"id": rest}
	case first == "callback" && deeper:
		return "/callback/{token}", map[string]string{"token": rest}
	case first != "queue" || !deeper || rest == "batch":
		return path, nil
	}
	id, below, _ := strings.Cut(rest, "/")
	id, _ = url.PathUnescape(id)
	if below != "" {
		below = "/" + below
	}
	return "/queue/{id}" + below, map[string]string{"id": id}
}

// seen are the requests that were held to the description: one of each kind will do, since that takes its time.
var seen sync.Map

// describes holds a request that was taken, and its answer in any case, to the description.
func describes(tb testing.TB, q asking, a answer) {
	tb.Helper()
	doc, err := described()
	must(tb, err)
	template, params := templateOf(q.path)
	item := doc.Paths.Value(template)
	method := q.method
	if method == http.MethodHead && !strings.HasPrefix(template, "/later") {
		method = http.MethodGet
	}
	if item == nil || item.GetOperation(method) == nil {
		if a.status < http.StatusBadRequest && (item == nil || slices.Contains(openMethods, method)) {
			tb.Errorf("%s %s is not described, and answers %d", q.method, template, a.status)
		}
		return
	}
	if _, before := seen.LoadOrStore(fmt.Sprint(method, template, q.kind, a.status, a.get("warning") != "", a.get("url") != ""), true); before {
		return
	}
	request, err := http.NewRequest(q.method, "http://localhost/", strings.NewReader(q.body))
	must(tb, err)
	_, request.URL.RawQuery, _ = strings.Cut(q.path, "?")
	if q.kind != "" {
		request.Header.Set("Content-Type", q.kind)
	}
	for name, value := range q.header {
		request.Header.Set(name, value)
	}
	input := &openapi3filter.RequestValidationInput{
		Request: request, PathParams: params, Route: &routers.Route{Spec: doc, Path: template, PathItem: item, Method: method, Operation: item.GetOperation(method)},
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, ExcludeRequestBody: q.kind != inJSON},
	}
	if a.status < http.StatusBadRequest {
		if err := openapi3filter.ValidateRequest(tb.Context(), input); err != nil {
			tb.Errorf("%s %s is taken, and not as described: %v", q.method, q.path, err)
		}
	}
	if q.method == http.MethodHead {
		return
	}
	output := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: a.status, Header: a.header,
		Options: &openapi3filter.Options{ExcludeResponseBody: strings.HasSuffix(template, "/result") && a.status == http.StatusOK},
	}
	if err := openapi3filter.ValidateResponse(tb.Context(), output.SetBodyBytes([]byte(a.body))); err != nil {
		tb.Errorf("%s %s answers otherwise than described: %v", q.method, q.path, err)
	}
}

// openMethods are those that a description can have.
var openMethods = []string{
	http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete, http.MethodPatch, http.MethodOptions, http.MethodHead,
}

// TestDescription: what is served is the description, it is valid, and the paths in it answer by exactly its methods.
func TestDescription(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, r *rig) {
		t.Helper()
		doc, err := described()
		must(t, err)
		must(t, doc.Validate(t.Context()))
		a := r.ask(asking{method: http.MethodGet, path: "/openapi.json", nobody: true})
		prefix := strings.TrimPrefix(r.url, r.store)
		if strings.HasPrefix(prefix, "http") {
			prefix = "/"
		}
		if a.status != http.StatusOK || a.get("openapi") != "3.1.0" || a.get("servers.0.url") != prefix || int(gjson.Get(a.body, "paths|@keys|#").Int()) != doc.Paths.Len() {
			t.Errorf("%d %.200s", a.status, a.body)
		}
		for _, template := range doc.Paths.InMatchingOrder() {
			if strings.HasPrefix(template, "/later") {
				continue // takes every method
			}
			path := strings.NewReplacer("{id}", "x", "{token}", "x").Replace(template)
			for _, method := range openMethods {
				if method == http.MethodHead {
					continue
				}
				there := doc.Paths.Value(template).GetOperation(method) != nil
				if a := r.ask(asking{method: method, path: path}); there == (a.status == http.StatusMethodNotAllowed) {
					t.Errorf("%s %s: %d, described: %v", method, template, a.status, there)
				}
			}
		}
	})
}

// TestFieldsOfTheDescription: the fields of a post are those that are described.
func TestFieldsOfTheDescription(t *testing.T) {
	t.Parallel()
	doc, err := described()
	must(t, err)
	r := within(t, options())
	for name := range doc.Components.Schemas["Order"].Value.Properties {
		if a := r.post("/queue", inJSON, `{"`+name+`":{"?":[]}}`); strings.Contains(a.get("reason"), "there is no field") {
			t.Errorf("%s is described, and not there: %s", name, a.body)
		}
		if name == "params" {
			continue
		}
		if a := r.post("/queue", form, "task."+name+"=%7B"); strings.Contains(a.get("reason"), "there is no field") {
			t.Errorf("task.%s is described, and not there: %s", name, a.body)
		}
	}
	settings := 0
	for _, parameter := range doc.Paths.Value("/later/{url}").Post.Parameters {
		if name := parameter.Value.Name; strings.HasPrefix(name, "after.") {
			settings++
			if a := r.post("/later/http://localhost/?"+name+"=%7B", "", ""); strings.Contains(a.get("reason"), "there is no setting") {
				t.Errorf("%s is described, and not there: %s", name, a.body)
			}
		}
	}
	if settings < 16 {
		t.Errorf("%d settings are described", settings)
	}
}
