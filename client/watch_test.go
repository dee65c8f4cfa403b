package client_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/adlayer/after/client"
	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/task"
)

func TestWatch(t *testing.T) {
	t.Parallel()
	c, db := tasks(t)
	put(t, db, `{"_id":"before","worker":"w","job":"j"}`, `{"_id":"gone","worker":"w","job":"j"}`)
	seen, stop := make(chan string), errors.New("enough")
	var watching sync.WaitGroup
	defer watching.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	watching.Go(func() {
		err := c.Watch(ctx, client.Filter{}, func(one *task.Task) error {
			seen <- fmt.Sprint(one.ID, " ", one.Status, " ", one.Deleted)
			if one.ID == "last" {
				return stop
			}
			return nil
		})
		if !errors.Is(err, stop) {
			t.Errorf("Watch ended with %v", err)
		}
		close(seen)
	})
	// The watch begins at some moment from now on: an edit that is repeated until it is seen shows that it has begun.
	for begun := false; !begun; {
		set(t, db, "before", "n", "1")
		select {
		case <-seen:
			begun = true
		case <-time.After(50 * time.Millisecond):
		}
	}
	put(t, db, `{"_id":"new","worker":"v","status":"done"}`, `{"_id":"calendar","type":"calendar"}`)
	must(t, c.Delete(t.Context(), "gone"))
	put(t, db, `{"_id":"last"}`)
	var got []string
	for line := range seen {
		if !strings.HasPrefix(line, "before") {
			got = append(got, line)
		}
	}
	if diff := cmp.Diff([]string{"new done false", "gone  true", "last  false"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestWait(t *testing.T) {
	t.Parallel()
	c, db := tasks(t)
	put(t, db, `{"_id":"a","worker":"w","job":"j"}`, `{"_id":"b","worker":"w","status":"done"}`,
		`{"_id":"c","worker":"w","status":"running"}`, `{"_id":"d","worker":"w"}`)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var told []string
	steps := map[string]func(){ // what happens once a task is seen in a state
		"d ":          func() { set(t, db, "a", "status", `"scheduled"`) },
		"a scheduled": func() { set(t, db, "a", "status", `"error"`) },
		"a error":     func() { set(t, db, "c", "status", `"canceled"`) },
		"c canceled":  func() { must(t, c.Delete(t.Context(), "d")) },
	}
	ended, err := c.Wait(ctx, []string{"c", "a", "b", "d", "a"}, func(one *task.Task) error {
		line := one.ID + " " + string(one.Status)
		told = append(told, line)
		if step := steps[line]; step != nil {
			step()
		}
		return nil
	})
	must(t, err)
	want := []string{"c running", "a ", "b done", "d ", "a scheduled", "a error", "c canceled", "d "}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Error(diff)
	}
	var got []string
	for _, one := range ended {
		got = append(got, fmt.Sprint(one.ID, " ", one.Status, " ", one.Deleted))
	}
	if diff := cmp.Diff([]string{"c canceled false", "a error false", "b done false", "d  true", "a error false"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestWaitEndsEarly(t *testing.T) {
	t.Parallel()
	c, db := tasks(t)
	put(t, db, `{"_id":"a","worker":"w"}`, `{"_id":"b","worker":"w","status":"done"}`)
	if _, err := c.Wait(t.Context(), []string{"a", "none"}, nil); !couch.IsNotFound(err) || !strings.Contains(err.Error(), "none") {
		t.Errorf("an unknown id gives %v", err)
	}
	if ended, err := c.Wait(t.Context(), []string{"b"}, nil); err != nil || len(ended) != 1 {
		t.Errorf("one that has ended gives %v, %v", ended, err)
	}
	if ended, err := c.Wait(t.Context(), nil, nil); err != nil || len(ended) != 0 {
		t.Errorf("nothing gives %v, %v", ended, err)
	}
	enough := errors.New("enough")
	if _, err := c.Wait(t.Context(), []string{"a"}, func(*task.Task) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("an error of changed gives %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	_, err := c.Wait(ctx, []string{"a"}, func(*task.Task) error { cancel(enough); return nil })
	if !errors.Is(err, enough) && !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled wait gives %v", err)
	}
}
