package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/tidwall/gjson"
)

// slowNames is a server of names that answers nobody before so many ask at the same time.
type slowNames struct {
	together int

	mu     sync.Mutex
	asked  map[string]int
	asking int
	most   int
	answer chan struct{}
}

func (s *slowNames) resolve(ctx context.Context, host string) error {
	s.mu.Lock()
	s.asked[host]++
	s.asking++
	s.most = max(s.most, s.asking)
	answer := s.answer
	if s.asking == s.together {
		s.asking, s.answer = 0, make(chan struct{})
		close(answer)
	}
	s.mu.Unlock()
	select {
	case <-answer:
	case <-ctx.Done():
	}
	if strings.HasPrefix(host, "not") {
		return &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return ctx.Err()
}

// TestBatchOfManyHosts: the names of a batch's hosts are looked up at the same time, not too many, and each once.
func TestBatchOfManyHosts(t *testing.T) {
	t.Parallel()
	const together, hosts = 32, 64
	names := &slowNames{together: together, asked: map[string]int{}, answer: make(chan struct{})}
	o := options()
	o.Resolve, o.MaxBody = names.resolve, 1<<20
	r := within(t, o)
	var orders []map[string]string
	for i := range 3 * hosts {
		host := fmt.Sprintf("h%d.example", i%hosts)
		if i%hosts == 7 {
			host = "not-here.example"
		}
		orders = append(orders, map[string]string{"url": "http://" + host + "/"})
	}
	orders = append(orders, map[string]string{"url": "ftp://elsewhere.example/"})
	body, err := json.Marshal(map[string]any{"tasks": orders})
	must(t, err)
	a := r.post("/queue/batch", inJSON, string(body))
	for i, result := range gjson.Get(a.body, "results").Array() {
		want := int64(201)
		if i%hosts == 7 || i == 3*hosts {
			want = 400
		}
		if result.Get("code").Int() != want {
			t.Errorf("%v: %s", orders[i], result)
		}
	}
	if len(names.asked) != hosts || names.most != together {
		t.Errorf("%d names were looked up, %d at a time, want %d and %d", len(names.asked), names.most, hosts, together)
	}
	for host, n := range names.asked {
		if n != 1 {
			t.Errorf("%s was looked up %d times", host, n)
		}
	}
}
