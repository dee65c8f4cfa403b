package httpd_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/adlayer/after/store"
)

// casInput is a request about one document: a read (rev "?") or a write over rev.
type casInput struct {
	id, rev string
}

// casOutput is the answer: the current revision of a read, the new one of a write, "" for a 409 or 404.
type casOutput struct {
	rev string
}

// casModel is a register for each document, changed by comparing its revision.
func casModel() porcupine.Model {
	return porcupine.Model{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			byID := map[string][]porcupine.Operation{}
			for _, op := range history {
				id := input(op.Input).id
				byID[id] = append(byID[id], op)
			}
			var out [][]porcupine.Operation
			for _, ops := range byID {
				out = append(out, ops)
			}
			return out
		},
		Init: func() any { return "" },
		Step: func(state, in, out any) (bool, any) {
			current, _ := state.(string)
			asked, got := input(in), output(out)
			switch asked.rev {
			case "?":
				return got.rev == current, state
			case current:
				return got.rev != "", got.rev
			}
			return got.rev == "", state
		},
	}
}

func input(v any) casInput {
	in, _ := v.(casInput)
	return in
}

func output(v any) casOutput {
	out, _ := v.(casOutput)
	return out
}

// TestLinearizable writes and reads few documents from many clients over HTTP and lets porcupine look for an order in which every answer
// makes sense.
func TestLinearizable(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	s.want("PUT", "/db", "", 201)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	var mu sync.Mutex
	var history []porcupine.Operation
	var wg sync.WaitGroup
	begin := time.Now()
	for client := range 6 {
		r := rand.New(rand.NewPCG(seed, uint64(client)))
		wg.Go(func() {
			last := map[string]string{}
			for n := range 60 {
				in := casInput{id: strconv.Itoa(r.IntN(3))}
				if r.IntN(3) == 0 {
					in.rev = "?"
				} else {
					in.rev = last[in.id]
				}
				op := porcupine.Operation{ClientId: client, Input: in, Call: time.Since(begin).Nanoseconds()}
				out := s.cas(in, client*1000+n)
				op.Return = time.Since(begin).Nanoseconds()
				op.Output = out
				if out.rev != "" {
					last[in.id] = out.rev
				} else {
					last[in.id] = s.cas(casInput{in.id, "?"}, 0).rev // not part of the history, only to go on
				}
				mu.Lock()
				history = append(history, op)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	switch porcupine.CheckOperationsTimeout(casModel(), history, 60*time.Second) {
	case porcupine.Illegal:
		t.Fatal("no order of the requests explains the answers")
	case porcupine.Unknown:
		t.Log("the check was not finished in time")
	case porcupine.Ok:
	}
}

// cas sends one request, half of the writes as a PUT and half as a bulk write.
func (s *server) cas(in casInput, n int) casOutput {
	var rows []struct{ Rev string }
	var doc struct {
		Rev  string
		Rev2 string `json:"_rev"`
	}
	rev := ""
	if in.rev != "" {
		rev = `"_rev":"` + in.rev + `",`
	}
	body := fmt.Sprintf(`{"_id":%q,%s"n":%d}`, in.id, rev, n)
	var status int
	var answer string
	switch {
	case in.rev == "?":
		status, answer = s.do("GET", "/db/"+in.id, "")
	case n%2 == 0:
		status, answer = s.do("PUT", "/db/"+in.id, body)
	default:
		if _, answer = s.do("POST", "/db/_bulk_docs", `{"docs":[`+body+`]}`); json.Unmarshal([]byte(answer), &rows) != nil || len(rows) != 1 {
			s.t.Error(answer)
			return casOutput{}
		}
		return casOutput{rows[0].Rev}
	}
	if status >= 400 {
		if status != http.StatusConflict && status != http.StatusNotFound {
			s.t.Error(status, answer)
		}
		return casOutput{}
	}
	if err := json.NewDecoder(strings.NewReader(answer)).Decode(&doc); err != nil {
		s.t.Error(err)
	}
	return casOutput{doc.Rev + doc.Rev2}
}
