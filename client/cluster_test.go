package client_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/adlayer/after/client"
	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/couch/couchtest"
	"github.com/adlayer/after/task"
)

// behind answers the first listing of documents as a node of a cluster does that has not heard of the last writes.
type behind struct {
	http.RoundTripper

	stale chan string
}

func (b behind) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := b.RoundTripper.RoundTrip(r)
	if err != nil || !strings.HasSuffix(r.URL.Path, "/_all_docs") {
		return response, err
	}
	select {
	case stale := <-b.stale:
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		response.Body, response.ContentLength = io.NopCloser(strings.NewReader(stale)), int64(len(stale))
	default:
	}
	return response, nil
}

// TestWaitLooksAgain: the sequence that a wait begins at is that of a node which knows of the outcome, the task is read from one that does not. No feed
// brings it any more, and the wait ends all the same.
func TestWaitLooksAgain(t *testing.T) {
	t.Parallel()
	server := couchtest.Embedded(t)
	late := behind{couch.NewTransport(0, nil), make(chan string, 1)}
	dialed, err := couch.Dial(server.URL, couch.Options{User: server.User, Password: server.Password, Transport: late})
	must(t, err)
	t.Cleanup(dialed.Close)
	must(t, dialed.CreateDatabase(t.Context(), "tasks"))
	db := dialed.Database("tasks")
	for name, end := range map[string]func(id string){
		"done": func(id string) { set(t, db, id, "status", `"done"`) },
		"deleted": func(id string) {
			doc, err := db.Get(t.Context(), id)
			must(t, err)
			_, err = db.Delete(t.Context(), id, doc.Rev)
			must(t, err)
		},
	} {
		_, err = db.Put(t.Context(), name, []byte(`{"worker":"w","job":"j","status":"scheduled"}`))
		must(t, err)
		_, before, err := dialed.Do(t.Context(), http.MethodPost, "/tasks/_all_docs?include_docs=true", []byte(`{"keys":["`+name+`"]}`))
		must(t, err)
		end(name)
		late.stale <- string(before)

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		var seen []task.Status
		tasks, err := client.New(db).LookingAgain(time.Millisecond).Wait(ctx, []string{name}, func(one *task.Task) error {
			seen = append(seen, one.Status)
			return nil
		})
		cancel()
		must(t, err)
		if len(tasks) != 1 || !tasks[0].Ended() || len(seen) != 2 || seen[0] != task.Scheduled {
			t.Errorf("%s: %+v, seen %v", name, tasks, seen)
		}
	}
}

// lagging answers the feed late, and for the first time as a node does that is behind.
type lagging struct {
	http.RoundTripper

	before chan string
}

func (l lagging) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := l.RoundTripper.RoundTrip(r)
	if err != nil || !strings.HasSuffix(r.URL.Path, "/_changes") {
		return response, err
	}
	select {
	case row, lags := <-l.before:
		if lags {
			_ = response.Body.Close()
			response.Body = io.NopCloser(strings.NewReader(row))
		}
		return response, nil
	case <-r.Context().Done():
		_ = response.Body.Close()
		return nil, r.Context().Err()
	}
}

// TestWaitSeesNothingTwice: what the feed of a node that lags tells, after a newer revision was read, is not told of again.
func TestWaitSeesNothingTwice(t *testing.T) {
	t.Parallel()
	server := couchtest.Embedded(t)
	late := lagging{couch.NewTransport(0, nil), make(chan string, 1)}
	dialed, err := couch.Dial(server.URL, couch.Options{User: server.User, Password: server.Password, Transport: late})
	must(t, err)
	t.Cleanup(dialed.Close)
	must(t, dialed.CreateDatabase(t.Context(), "tasks"))
	db := dialed.Database("tasks")
	put(t, db, `{"_id":"a","worker":"w"}`, `{"_id":"b","worker":"w"}`)
	first, err := db.Get(t.Context(), "a")
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	begin := sync.OnceFunc(func() {
		late.before <- fmt.Sprintf("{\"seq\":\"0\",\"id\":\"a\",\"changes\":[{\"rev\":%q}],\"doc\":%s}\n", first.Rev, bytes.TrimSpace(first.Body))
		close(late.before)
	})
	var seen []string
	_, err = client.New(db).LookingAgain(time.Millisecond).Wait(ctx, []string{"a", "b"}, func(one *task.Task) error {
		seen = append(seen, one.ID+" "+string(one.Status))
		switch seen[len(seen)-1] {
		case "b ":
			set(t, db, "a", "status", `"running"`) // the second look tells of it
		case "a running":
			begin()
			set(t, db, "b", "status", `"done"`)
		case "b done":
			set(t, db, "a", "status", `"done"`)
		}
		return nil
	})
	must(t, err)
	if diff := cmp.Diff([]string{"a ", "b ", "a running", "b done", "a done"}, seen); diff != "" {
		t.Error(diff)
	}
}
