package couch_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/adlayer/after/couch"
)

// BenchmarkBulk is what a write of 1,000 documents of 400 bytes costs the client, with a transport that only reads the body.
func BenchmarkBulk(b *testing.B) {
	docs := make([][]byte, 1000)
	var rows strings.Builder
	for i := range docs {
		id := fmt.Sprintf("task-%012d", i)
		docs[i] = []byte(`{"_id":"` + id + `","_rev":"2-0123456789abcdef0123456789abcdef","worker":"w","x":"` + strings.Repeat("y", 310) + `"}`)
		fmt.Fprintf(&rows, `,{"ok":true,"id":"%s","rev":"3-0123456789abcdef0123456789abcdef"}`, id)
	}
	body := "[" + rows.String()[1:] + "]"
	client := discarding(b, body)
	db := client.Database("tasks")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := db.Bulk(b.Context(), docs); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBulkGet is what a read of 1,000 documents of 400 bytes costs the client.
func BenchmarkBulkGet(b *testing.B) {
	refs := make([]couch.Ref, 1000)
	var rows strings.Builder
	for i := range refs {
		refs[i].ID = fmt.Sprintf("task-%012d", i)
		fmt.Fprintf(&rows, `,{"id":"%s","docs":[{"ok":{"_id":"%[1]s","_rev":"3-0123456789abcdef0123456789abcdef","worker":"w","x":"%s"}}]}`,
			refs[i].ID, strings.Repeat("y", 310))
	}
	client := discarding(b, `{"results":[`+rows.String()[1:]+`]}`)
	db := client.Database("tasks")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := db.BulkGet(b.Context(), refs); err != nil {
			b.Fatal(err)
		}
	}
}

func discarding(b *testing.B, body string) *couch.Client {
	b.Helper()
	transport := roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.Body != nil {
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				return nil, err
			}
		}
		return &http.Response{
			StatusCode: http.StatusCreated, Header: http.Header{}, ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body)), Request: r,
		}, nil
	})
	client, err := couch.Dial("http://db.test", couch.Options{Transport: transport})
	if err != nil {
		b.Fatal(err)
	}
	return client
}
