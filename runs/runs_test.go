package runs_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
	"github.com/tidwall/gjson"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/couch/couchtest"
	"github.com/adlayer/after/runs"
	"github.com/adlayer/after/task"
)

var nine = time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)

// onServers runs a test on every server there is, with a database of runs that is not there yet.
func onServers(t *testing.T, test func(t *testing.T, db *couch.Database)) {
	t.Helper()
	for i, server := range couchtest.Servers(t) {
		t.Run(server.Name, func(t *testing.T) {
			t.Parallel()
			client := server.Dial(t)
			name := runs.Database(fmt.Sprintf("after-runs-%d-%d", i, time.Now().UnixNano()))
			t.Cleanup(func() {
				if err := client.DropDatabase(context.Background(), name); err != nil && !couch.IsNotFound(err) {
					t.Error(err)
				}
			})
			test(t, client.Database(name))
		})
	}
}

// ran gives a task of a repeat as it ran for a date.
func ran(t *testing.T, id string, nominal time.Time, more string) *task.Task {
	t.Helper()
	date := nominal.Format(time.RFC3339)
	doc, err := task.Decode(fmt.Appendf(nil, `{"_id":%q,"_rev":"3-aaaaaaaa","worker":"w","job":"j","status":"scheduled","date":%q,%s
		"plan":{"from":%q,"index":0,"nominal":%q,"due":%q,"key":"%s@%s/1-00000000"}}`, id, date, more, date, date, date, id, date))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// repeated is a run of a repeat that was 40 ms late and took 1.5 s.
func repeated(t *testing.T, id string, nominal time.Time, o task.Outcome) runs.Run {
	t.Helper()
	o.Started, o.Finished = nominal.Add(40*time.Millisecond), nominal.Add(1540*time.Millisecond)
	run, ok := runs.Of(ran(t, id, nominal, `"repeat":{"minutes":1},`), o, task.Self{Member: "m", Incarnation: "i1"})
	if !ok {
		t.Fatal("it is not kept")
	}
	return run
}

// TestWhatIsKept: repeats, retries, and what will be retried.
func TestWhatIsKept(t *testing.T) {
	t.Parallel()
	failed := task.Outcome{Err: errors.New("no")}
	for name, c := range map[string]struct {
		more string
		o    task.Outcome
		want bool
	}{
		"one-off":               {``, task.Outcome{}, false},
		"one-off that failed":   {``, failed, false},
		"repeat":                {`"repeat":{"days":1},`, task.Outcome{}, true},
		"repeat, put off":       {`"repeat":{"days":1},`, task.Outcome{Snooze: time.Second}, false},
		"repeat, cut short":     {`"repeat":{"days":1},`, task.Outcome{Interrupted: true}, false},
		"repeat, elsewhere":     {`"repeat":{"days":1},`, task.Outcome{Await: time.Second}, false},
		"retries, none needed":  {`"retry":3,`, task.Outcome{}, false},
		"retries, first failed": {`"retry":3,`, failed, true},
		"retries, second":       {`"retry":3,"retries":1,`, task.Outcome{}, true},
	} {
		if _, got := runs.Of(ran(t, "t", nine, c.more), c.o, task.Self{}); got != c.want {
			t.Errorf("%s: kept: %v", name, got)
		}
	}
}

// TestRunAfterAnAwaitedOne: where a firing runs here whose plan still tells that a callback was awaited, the run is ours and late by its own due.
func TestRunAfterAnAwaitedOne(t *testing.T) {
	t.Parallel()
	for status, want := range map[string]string{"scheduled": "own", "running": "gone", "cancel": "gone"} {
		doc := string(ran(t, "t", nine, `"repeat":{"days":1},"lag":7,"claim":{"worker":"w","member":"m","incarnation":"gone"},`).Encode())
		doc = strings.Replace(strings.Replace(doc, `"index":0`, `"index":0,"awaits":true`, 1), `"status":"scheduled"`, `"status":"`+status+`"`, 1)
		awaited, err := task.Decode([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		run, ok := runs.Of(awaited, task.Outcome{Started: nine.Add(time.Second), Finished: nine.Add(time.Second)}, task.Self{Incarnation: "own"})
		if lag := map[string]time.Duration{"own": time.Second, "gone": 7 * time.Millisecond}[want]; !ok || run.Incarnation != want || run.Lag != lag {
			t.Errorf("%s: %+v", status, run)
		}
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä", runs.MostOutput)
	quoted, err := json.Marshal(long)
	if err != nil {
		t.Fatal(err)
	}
	run := repeated(t, "t", nine, task.Outcome{Err: errors.New(long), Result: quoted, Code: 500})
	raw, err := json.Marshal(run)
	if err != nil || len(raw) > 2*runs.MostOutput || !run.Cut || !json.Valid(run.Output) || run.Status != task.Failed || run.Kind != task.KindJob {
		t.Errorf("%d bytes: %v, %s", len(raw), err, raw[:min(300, len(raw))])
	}
}

// TestWriteAndList also writes what is there already: the same execution leaves one document, another one lies beside it.
func TestWriteAndList(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, db *couch.Database) {
		t.Helper()
		ctx := t.Context()
		hook := test.NewLocal(logrus.New())
		log := logrus.New()
		log.AddHook(hook)
		w := runs.NewWriter(db, log)
		if list(t, db, "t", runs.Filter{}) != nil {
			t.Error("there are runs without a database")
		}
		var all []runs.Run
		for i := range 3 {
			all = append(all, repeated(t, "t", nine.Add(time.Duration(i)*time.Minute), task.Outcome{Result: json.RawMessage(`{"n":1}`)}))
		}
		other := repeated(t, "t@x", nine, task.Outcome{Err: errors.New("no"), Code: 503})
		w.Write(ctx, append(all, other))
		w.Write(ctx, all[:1]) // the answer was lost
		second := all[0]
		second.Incarnation, second.Started = "i2", second.Started.Add(time.Minute)
		w.Write(ctx, []runs.Run{second, all[1]})
		w.Write(ctx, []runs.Run{second})
		got := list(t, db, "t", runs.Filter{})
		if len(got) != 4 || w.Waiting() || len(hook.AllEntries()) > 0 {
			t.Fatalf("%d runs: %v, log %v", len(got), got, hook.AllEntries())
		}
		duplicates := 0
		for _, r := range got {
			if r.Duplicate {
				duplicates++
				if r.Incarnation != "i2" || r.Key != all[0].Key || r.Attempt != 1 {
					t.Errorf("%+v", r)
				}
			}
		}
		if diff := cmp.Diff(all[2], got[0]); diff != "" || duplicates != 1 {
			t.Errorf("%d duplicates, and the newest differs: %s", duplicates, diff)
		}
		if got := list(t, db, "t", runs.Filter{Since: nine.Add(90 * time.Second)}); len(got) != 1 {
			t.Errorf("since: %v", got)
		}
		if got := list(t, db, "t", runs.Filter{Limit: 2}); len(got) != 2 || !got[1].Nominal.Equal(nine.Add(time.Minute)) {
			t.Errorf("limit: %v", got)
		}
		if got := list(t, db, "t@x", runs.Filter{Status: task.Failed}); len(got) != 1 || got[0].Code != 503 || got[0].Error != "no" {
			t.Errorf("status: %v", got)
		}
	})
}

// refusing is a database that refuses a request with a run in it whose error is "poison", or which lies beside another and whose incarnation is that.
// The others it holds by their ids.
func refusing(t *testing.T) (db *couch.Database, written *[]string) {
	t.Helper()
	written = &[]string{}
	docs := map[string]string{} // one request comes after the other
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || strings.Contains(string(body), `"error":"poison"`) || strings.Contains(string(body), "~poison") {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		var rows []string
		for _, doc := range gjson.GetBytes(body, "docs").Array() {
			id := doc.Get("_id").String() + doc.Get("id").String()
			there := docs[id]
			switch {
			case strings.HasSuffix(r.URL.Path, "/_bulk_get"):
				rows = append(rows, fmt.Sprintf(`{"id":%q,"docs":[{"ok":%s}]}`, id, there))
			case there != "":
				rows = append(rows, fmt.Sprintf(`{"id":%q,"error":"conflict","reason":"Document update conflict."}`, id))
			default:
				docs[id], *written = doc.Raw, append(*written, id)
				rows = append(rows, fmt.Sprintf(`{"ok":true,"id":%q,"rev":"1-a"}`, id))
			}
		}
		if strings.HasSuffix(r.URL.Path, "/_bulk_get") {
			_, _ = fmt.Fprintf(w, `{"results":[%s]}`, strings.Join(rows, ","))
			return
		}
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprintf(w, "[%s]", strings.Join(rows, ","))
	}))
	t.Cleanup(server.Close)
	client, err := couch.Dial(server.URL, couch.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client.Database("runs"), written
}

// TestRefusedRuns: of a request that the database refuses as a whole, the guilty run is left out alone.
func TestRefusedRuns(t *testing.T) {
	t.Parallel()
	db, written := refusing(t)
	log, hook := test.NewNullLogger()
	w := runs.NewWriter(db, log)
	var all []runs.Run
	var want []string
	for i := range 9 {
		o := task.Outcome{}
		switch i {
		case 3:
			o.Err = errors.New("poison")
		case 7:
			o.Result = json.RawMessage(`{"no`)
		}
		run := repeated(t, "t", nine.Add(time.Duration(i)*time.Minute), o)
		if all = append(all, run); i != 3 && i != 7 {
			want = append(want, run.ID)
		}
	}
	w.Write(t.Context(), all)
	if diff := cmp.Diff(want, *written); diff != "" || w.Waiting() || len(hook.AllEntries()) != 2 {
		t.Errorf("waiting %v, log %v, written: %s", w.Waiting(), hook.AllEntries(), diff)
	}
}

// TestRefusedSecondRuns: the same of executions that lie beside others.
func TestRefusedSecondRuns(t *testing.T) {
	t.Parallel()
	db, written := refusing(t)
	log, hook := test.NewNullLogger()
	w := runs.NewWriter(db, log)
	var all []runs.Run
	for i := range 5 {
		all = append(all, repeated(t, "t", nine.Add(time.Duration(i)*time.Minute), task.Outcome{}))
	}
	w.Write(t.Context(), all)
	first := len(*written)
	for i := range all {
		all[i].Incarnation, all[i].Started = "i2", all[i].Started.Add(time.Second)
	}
	all[3].Incarnation = "poison"
	w.Write(t.Context(), all)
	if n := len(*written) - first; n != 4 || w.Waiting() || len(hook.AllEntries()) != 1 {
		t.Errorf("%d second runs, waiting %v, log %v", n, w.Waiting(), hook.AllEntries())
	}
}

func list(t *testing.T, db *couch.Database, id string, f runs.Filter) (all []runs.Run) {
	t.Helper()
	for r, err := range runs.List(t.Context(), db, id, f) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

func TestFollow(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, db *couch.Database) {
		t.Helper()
		w := runs.NewWriter(db, logrus.New())
		w.Write(t.Context(), []runs.Run{repeated(t, "t", nine, task.Outcome{}), repeated(t, "other", nine, task.Outcome{})})
		enough := errors.New("enough")
		seen := 0
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := runs.Follow(ctx, db, "t", "", runs.Filter{}, func(r runs.Run) error {
			seen++
			switch {
			case r.Task != "t":
				t.Errorf("a run of %s", r.Task)
			case seen == 1:
				w.Write(t.Context(), []runs.Run{repeated(t, "other", nine.Add(time.Minute), task.Outcome{}), repeated(t, "t", nine.Add(time.Minute), task.Outcome{})})
			case seen == 2:
				return enough
			}
			return nil
		})
		if !errors.Is(err, enough) {
			t.Error(err)
		}
	})
}

// twice gives each line of a feed twice, as a cluster may that begins it anew from an earlier sequence.
type twice struct{ http.RoundTripper }

func (d twice) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := d.RoundTripper.RoundTrip(r)
	if err != nil || !strings.HasSuffix(r.URL.Path, "/_changes") {
		return response, err
	}
	from := response.Body
	to, into := io.Pipe()
	go func() {
		for lines := bufio.NewScanner(from); lines.Scan(); {
			if _, err := fmt.Fprintf(into, "%s\n%[1]s\n", lines.Bytes()); err != nil {
				break
			}
		}
		_ = from.Close()
		_ = into.Close()
	}()
	response.Body = to
	return response, nil
}

// TestFollowACluster: what a cluster tells again is given once.
func TestFollowACluster(t *testing.T) {
	t.Parallel()
	server := couchtest.Embedded(t)
	client, err := couch.Dial(server.URL, couch.Options{User: server.User, Password: server.Password, Transport: twice{couch.NewTransport(0, nil)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	db := client.Database("tasks-runs")
	w := runs.NewWriter(db, logrus.New())
	const many = 3
	for i := range many {
		w.Write(t.Context(), []runs.Run{repeated(t, "t", nine.Add(time.Duration(i)*time.Minute), task.Outcome{})})
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	enough, seen := errors.New("enough"), map[string]bool{}
	err = runs.Follow(ctx, db, "t", "", runs.Filter{}, func(r runs.Run) error {
		if seen[r.ID] {
			t.Errorf("%s comes twice", r.ID)
		}
		if seen[r.ID] = true; len(seen) == many {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Error(err)
	}
}

// TestPrune keeps the newest of each task, and nothing that is old, over several pages, with tasks whose ids lie among others.
func TestPrune(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, db *couch.Database) {
		t.Helper()
		w := runs.NewWriter(db, logrus.New())
		if n, err := runs.Prune(t.Context(), db, runs.Keep{PerTask: 1}); n != 0 || err != nil {
			t.Errorf("%d without a database, %v", n, err)
		}
		var all []runs.Run
		const many = 2100
		for i := range many {
			all = append(all, repeated(t, "t", nine.Add(time.Duration(i)*time.Minute), task.Outcome{}))
		}
		for i := range 5 {
			all = append(all, repeated(t, "t@2026-12-02", nine.Add(time.Duration(i)*time.Minute), task.Outcome{}))
		}
		w.Write(t.Context(), all)
		if n, err := runs.Prune(t.Context(), db, runs.Keep{PerTask: 10}); err != nil || n != many-10 {
			t.Errorf("%d deleted, %v", n, err)
		}
		got := list(t, db, "t", runs.Filter{})
		if len(got) != 10 || !got[9].Nominal.Equal(nine.Add((many-10)*time.Minute)) {
			t.Errorf("%d are left, the oldest of %v", len(got), got[len(got)-1].Nominal)
		}
		if n, err := runs.Prune(t.Context(), db, runs.Keep{Since: nine.Add(3 * time.Minute)}); err != nil || n != 3 {
			t.Errorf("%d old ones deleted, %v", n, err)
		}
		if got := list(t, db, "t@2026-12-02", runs.Filter{}); len(got) != 2 {
			t.Errorf("%v", got)
		}
	})
}
