package replicate_test

import (
	"strings"
	"testing"
)

// TestFilterFunction copies what a function of the source's design document lets through; a changed function begins anew.
func TestFilterFunction(t *testing.T) {
	t.Parallel()
	s := pair(t)
	design := func(code string) {
		doc := j{"filters": j{"f": code}}
		if status, raw := s.do("GET", "/a/_design/d", ""); status == 200 {
			doc["_rev"] = decode[map[string]any](t, raw)["_rev"]
		}
		s.want(201, "PUT", "/a/_design/d", doc)
	}
	design("function(doc, req) { return doc.n >= Number(req.query.least); }")
	s.fill("a", "doc", 10)
	body := j{"source": "a", "target": "b", "filter": "d/f", "query_params": j{"least": 7}}
	if out := s.replicate(body); out.History[0].Written != 3 {
		t.Errorf("%+v", out)
	}
	if out := s.replicate(body); !out.NoChanges {
		t.Errorf("again: %+v", out)
	}
	if out := s.replicate(merge(body, j{"query_params": j{"least": "6"}})); out.History[0].Written != 1 || out.History[0].Checked != 4 {
		t.Errorf("with another parameter: %+v", out)
	}
	design("function(doc) { return doc.n === 0; }")
	if out := s.replicate(body); out.History[0].Written != 1 || len(out.History) != 1 {
		t.Errorf("with another function: %+v", out)
	}
	status, answer := s.do("POST", "/_replicate", merge(body, j{"filter": "d/none"}))
	if status != 500 || !strings.Contains(answer, "filter_fetch_error") {
		t.Error(status, answer)
	}
}

// TestValidated copies to a target whose validation function refuses some documents: they are counted, and the rest arrives.
func TestValidated(t *testing.T) {
	t.Parallel()
	s := pair(t)
	s.want(201, "PUT", "/b/_design/v", j{
		"validate_doc_update": "function(doc) { if (doc.n % 2) throw({forbidden: 'odd'}); if (doc.n === 4) throw({unauthorized: 'four'}); }",
	})
	s.fill("a", "doc", 10)
	if out := s.replicate(j{"source": "a", "target": "b"}); out.History[0].Written != 4 || out.History[0].Failed != 6 {
		t.Errorf("%+v", out)
	}
	s.want(200, "GET", "/b/doc-00008", "")
	s.want(404, "GET", "/b/doc-00009", "")
	s.want(404, "GET", "/b/doc-00004", "")
	if out := s.replicate(j{"source": "a", "target": "b"}); !out.NoChanges {
		t.Errorf("again: %+v", out)
	}
}
