package changes_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adlayer/after/changes"
	"github.com/adlayer/after/couch"
)

// transport answers in memory, so that time can be made up.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// hanging is an answer whose headers are there and whose body never comes.
func hanging(r *http.Request) *http.Response {
	read, write := io.Pipe()
	context.AfterFunc(r.Context(), func() { write.CloseWithError(r.Context().Err()) })
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: read, Request: r}
}

func TestFollowBacksOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var waits []time.Duration
		ctx, cancel := context.WithCancel(t.Context())
		client, err := couch.Dial("http://db.test", couch.Options{Transport: transport(func(*http.Request) (*http.Response, error) {
			return nil, errors.New("nobody there")
		})})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		o := changes.Options{OnState: func(s changes.State) {
			waits = append(waits, s.Wait)
			if len(waits) == 9 {
				cancel()
			}
		}}
		err = changes.Follow(ctx, client.Database("db"), o, func(context.Context, []changes.Row, string) error { return nil })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		var sum time.Duration
		for i, wait := range waits {
			most := min(250*time.Millisecond<<i, 10*time.Second)
			if wait < most/2 || wait > most {
				t.Errorf("wait %d is %v, want between %v and %v", i, wait, most/2, most)
			}
			if i < len(waits)-1 {
				sum += wait
			}
		}
		if got := time.Since(began); got != sum {
			t.Errorf("waited %v in all, said %v", got, sum)
		}
	})
}

func TestFollowGivesUpAfterTwoAndAHalfHeartbeats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		client, err := couch.Dial("http://db.test", couch.Options{Transport: transport(func(r *http.Request) (*http.Response, error) {
			return hanging(r), nil
		})})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		o := changes.Options{Heartbeat: 4 * time.Second, OnState: func(s changes.State) {
			if lost(s) {
				if got := time.Since(began); got != 10*time.Second {
					t.Errorf("gave up after %v, want 10s", got)
				}
				cancel()
			}
		}}
		if err := changes.Follow(ctx, client.Database("db"), o, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		synctest.Wait()
	})
}
