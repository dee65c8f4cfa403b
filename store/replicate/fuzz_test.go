package replicate_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/adlayer/after/store/replicate"
)

// FuzzParse reads the bodies of _replicate: what is taken is within its bounds, and tells nobody a password.
func FuzzParse(f *testing.F) {
	for _, body := range []string{
		`{"source":"a","target":"b"}`,
		`{"source":"http://u:pass-word@h/a","target":{"url":"https://h/b","auth":{"basic":{"username":"u","password":"pass-word"}},"headers":{"X":"y"}}}`,
		`{"source":{"url":"a"},"target":[1],"continuous":true,"create_target":true,"create_target_params":{"q":1,"x":"y"}}`,
		`{"source":"a","target":"b","doc_ids":["a"],"selector":{}}`, `{"source":"a","target":"b","filter":"d/f","query_params":{"a":[1]}}`,
		`{"source":"a","target":"b","worker_batch_size":"5","worker_processes":1e3,"checkpoint_interval":-1}`,
		`{"source":"a","target":"b","worker_batch_size":99999999,"retries_per_request":0,"connection_timeout":"9999999999999"}`,
		`{"cancel":true,"replication_id":"x+continuous"}`, `{"source":null}`, `{"source":"","target":""}`, `{"source":"a","target":"b","since_seq":{"x":1}}`,
		`{"source":"a","target":"b","proxy":"http://p:1","source_proxy":":"}`, `{"source":"http://","target":"http://[::1"}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var fields map[string]json.RawMessage
		if json.Unmarshal(body, &fields) != nil {
			return
		}
		r, err := replicate.Parse(fields, "http://here:5984", replicate.DefaultSettings())
		switch {
		case err != nil:
			if strings.Contains(err.Error(), "pass-word") {
				t.Errorf("the error tells a password: %v", err)
			}
			return
		case r.Cancel && r.CancelID != "":
			return
		case r.Batch < 1 || r.Batch > 5000 || r.Workers < 1 || r.Workers > 16 || r.Retries < 0 || r.Interval <= 0 || r.Timeout <= 0 || r.Timeout > time.Hour:
			t.Errorf("out of bounds: %+v", r)
		}
		for _, e := range []replicate.Endpoint{r.Source, r.Target} {
			if !strings.HasSuffix(e.URL, "/") {
				t.Errorf("the address %q does not end with a slash", e.URL)
			}
			if e.User != "" && strings.Contains(e.Shown(), "pass-word") && !strings.Contains(e.User, "pass-word") && !strings.Contains(e.URL, "pass-word") {
				t.Errorf("%s tells a password", e.Shown())
			}
		}
	})
}
