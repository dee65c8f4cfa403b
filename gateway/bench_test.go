package gateway_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// BenchmarkPost posts over 64 connections.
func BenchmarkPost(b *testing.B) {
	for name, r := range map[string]*rig{"within": within(b, options()), "before": before(b, options())} {
		b.Run(name, func(b *testing.B) {
			const connections = 64
			posting := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
			defer posting.CloseIdleConnections()
			work := make(chan struct{}, connections)
			var group sync.WaitGroup
			b.ResetTimer()
			for range connections {
				group.Go(func() {
					for range work {
						request, err := http.NewRequest(http.MethodPost, r.url+"/queue", strings.NewReader("task.url=http://127.0.0.1/hook&task.countdown=3600&order=7"))
						if err != nil {
							b.Error(err)
							return
						}
						request.SetBasicAuth(user, password)
						request.Header.Set("Content-Type", form)
						response, err := posting.Do(request)
						if err != nil {
							b.Error(err)
							return
						}
						_, _ = io.Copy(io.Discard, response.Body)
						response.Body.Close()
						if response.StatusCode != http.StatusCreated {
							b.Error(response.Status)
						}
					}
				})
			}
			for range b.N {
				work <- struct{}{}
			}
			close(work)
			group.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "posts/s")
		})
	}
}
