package call_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/adlayer/after/jobs/call"
)

// BenchmarkCall measures the bare job: calls a second to a local endpoint that answers at once.
func BenchmarkCall(b *testing.B) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	defer s.Close()
	c := fresh(b, call.Options{})
	handle, in := document(b, "a", nil), arguments(b, `{"url":"%s","body":{"hello":"world"}}`, s.URL)
	b.ReportAllocs()
	b.SetParallelism(16)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if _, err := c.Run(b.Context(), handle, in); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
}
