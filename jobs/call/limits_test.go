package call_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"

	"github.com/adlayer/after/jobs"
	"github.com/adlayer/after/jobs/call"
)

// transport answers requests without a network.
type transport func(*http.Request) (int, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) {
	status, err := f(r)
	if err != nil {
		return nil, err
	}
	header := http.Header{}
	if status == http.StatusFound {
		header.Set("Location", "http://elsewhere.example/")
	}
	return &http.Response{StatusCode: status, Status: strconv.Itoa(status), Header: header, Body: io.NopCloser(strings.NewReader("")), Request: r}, nil
}

// of makes a task's handle whose date is now and so much later.
func of(t *testing.T, id string, later time.Duration) *jobs.Task {
	t.Helper()
	at := time.Now().Add(later).UTC().Format(time.RFC3339Nano)
	return document(t, id, map[string]any{"plan": map[string]any{"from": at, "nominal": at, "due": at, "key": id}, "tags": []string{"billing"}})
}

// TestBreaker leaves a host alone that failed again and again, tries it with one call, and calls it again.
func TestBreaker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		answers, calls := http.StatusServiceUnavailable, 0
		log, hook := test.NewNullLogger()
		o := call.Options{Breaker: call.Breaker{Failures: 3, Pause: 30 * time.Second}, Log: log, Transport: transport(func(r *http.Request) (int, error) {
			calls++
			if err := r.Context().Err(); err != nil {
				return 0, err
			}
			if r.URL.Path == "/missing" {
				return http.StatusNotFound, nil
			}
			if answers == 0 {
				return 0, errors.New("nobody there")
			}
			return answers, nil
		})}
		c := fresh(t, o)
		run := func(path string, later time.Duration) string {
			result, err := c.Run(t.Context(), of(t, "a", later), arguments(t, `{"url":"http://x.example%s"}`, path))
			return outcome(result, err)
		}
		expect := func(want, path string, later time.Duration) {
			t.Helper()
			if got := run(path, later); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
		canceled, cancel := context.WithCancel(t.Context())
		cancel()
		expect("retry 503", "/", 0)
		expect("retry 503", "/", 0)
		for range 5 { // whoever is told to stop says nothing of the host
			if _, err := c.Run(canceled, of(t, "a", 0), arguments(t, `{"url":"http://x.example"}`)); !errors.Is(err, context.Canceled) {
				t.Errorf("canceled: %v", err)
			}
		}
		expect("permanent 404", "/missing", 0) // it is well enough to say so
		for range 3 {
			expect("retry 503", "/", 0)
		}
		before := calls
		expect("snooze 30s", "/", 0)
		time.Sleep(10 * time.Second)
		expect("snooze 20s", "/", 0)
		if states := c.Hosts(); len(states) != 1 || states[0].State != "open" || states[0].Host != "x.example:80" || states[0].Error != "answered 503 Service Unavailable" ||
			time.Until(states[0].Until) != 20*time.Second {
			t.Errorf("%+v", states)
		}
		expect("retry 0", "/", -time.Hour) // it was put off for long enough: now it is an error
		if calls != before {
			t.Errorf("it was called %d times meanwhile", calls-before)
		}
		time.Sleep(20*time.Second + time.Millisecond)
		answers = 0
		expect("retry 0", "/", 0) // the one that tries it
		expect("snooze 30s", "/", 0)
		time.Sleep(30*time.Second + time.Millisecond)
		answers = http.StatusOK
		expect("done", "/", 0)
		expect("done", "/", 0)
		if states := c.Hosts(); states[0].State != "closed" || states[0].Error != "" {
			t.Errorf("%+v", states)
		}
		var said []string
		for _, entry := range hook.AllEntries() {
			if entry.Level <= logrus.InfoLevel {
				said = append(said, fmt.Sprint(entry.Data["host"], " ", entry.Message))
			}
		}
		want := []string{
			"x.example:80 the host is left alone for a while: answered 503 Service Unavailable",
			"x.example:80 the host is left alone for a while: no answer that can be read", "x.example:80 the host answers again",
		}
		if strings.Join(said, "\n") != strings.Join(want, "\n") {
			t.Errorf("the log says %q", said)
		}
	})
}

// TestBlame: a host answers for itself alone, not for where its redirects lead, and a call that did not get to it says nothing of it.
func TestBlame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		well, calls := true, 0
		c := fresh(t, call.Options{Breaker: call.Breaker{Failures: 2, Pause: 30 * time.Second}, Transport: transport(func(r *http.Request) (int, error) {
			calls++
			switch {
			case r.URL.Host != "x.example":
				return 0, errors.New("nobody there")
			case r.Body != nil:
				_, err := io.Copy(io.Discard, r.Body)
				return 0, err
			case !well:
				return http.StatusServiceUnavailable, nil
			}
			return http.StatusFound, nil
		})})
		expect := func(want string, task *jobs.Task, in string) {
			t.Helper()
			result, err := c.Run(t.Context(), task, arguments(t, "%s", in))
			if got := outcome(result, err); got != want {
				t.Errorf("%s, want %s: %v", got, want, err)
			}
		}
		state := func() string {
			for _, host := range c.Hosts() {
				if host.Host == "x.example:80" {
					return host.State
				}
			}
			return "unknown"
		}
		expect("retry 0", of(t, "a", 0), `{"url":"http://x.example/away"}`)
		expect("retry 0", of(t, "a", 0), `{"url":"http://x.example/away"}`)
		if state() != "closed" {
			t.Errorf("where it led is down: it is %s", state())
		}
		well = false
		expect("retry 503", of(t, "a", 0), `{"url":"http://x.example/"}`)
		expect("retry 503", of(t, "a", 0), `{"url":"http://x.example/"}`)
		time.Sleep(30*time.Second + time.Millisecond)
		broken := of(t, "a", 0).WithAttachments(func(context.Context, string, string) (io.ReadCloser, error) {
			return nil, errors.New("no such attachment")
		})
		expect("retry 0", broken, `{"url":"http://x.example/","attachment":"a"}`)
		if state() != "half-open" {
			t.Errorf("it was not called, and is %s", state())
		}
		expect("retry 503", of(t, "a", 0), `{"url":"http://x.example/"}`) // the one that tries it
		before := calls
		expect("snooze 30s", of(t, "a", 0), `{"url":"http://x.example/"}`)
		if calls != before {
			t.Error("it is not left alone")
		}
	})
}

// TestManyHosts: what is known of hosts does not pile up, but for those that failed.
func TestManyHosts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := fresh(t, call.Options{Breaker: call.Breaker{Failures: 2, Pause: time.Hour}, Transport: transport(func(r *http.Request) (int, error) {
			if r.URL.Host == "down.example" {
				return http.StatusServiceUnavailable, nil
			}
			return http.StatusOK, nil
		})})
		run := func(host string) string {
			result, err := c.Run(t.Context(), of(t, "a", 0), arguments(t, `{"url":"http://%s/"}`, host))
			return outcome(result, err)
		}
		run("down.example")
		for i := range 6000 {
			if got := run(fmt.Sprintf("h%d.example", i)); got != "done" {
				t.Fatal(got)
			}
			if i%500 == 0 {
				time.Sleep(11 * time.Second)
			}
		}
		if n := len(c.Hosts()); n > 2500 {
			t.Errorf("%d hosts are known", n)
		}
		run("down.example")
		if got := run("down.example"); got != "snooze 1h0m0s" {
			t.Errorf("its first failure is forgotten: %s", got)
		}
	})
}

// TestRates puts off who would wait for long, and gives everybody the place that was booked.
func TestRates(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		options   call.Options
		arguments string
	}{
		"task":          {call.Options{}, `{"url":"http://x.example","limit":"4/s"}`},
		"task with tag": {call.Options{}, `{"url":"http://x.example","limit":"4/s","tag":"own"}`},
		"all":           {call.Options{Limit: "4/s"}, `{"url":"http://x.example"}`},
		"host":          {call.Options{Limits: map[string]string{"X.example": "4/s", "*": "1/d"}}, `{"url":"http://x.example"}`},
		"below a host":  {call.Options{Limits: map[string]string{"*.example": "4/s"}}, `{"url":"http://X.example"}`},
		"each host":     {call.Options{Limits: map[string]string{"*": "4/s"}}, `{"url":"http://x.example"}`},
		"tag":           {call.Options{Limits: map[string]string{"#billing": "4/s"}}, `{"url":"http://x.example"}`},
		"argument tag":  {call.Options{Limits: map[string]string{"#own": "4/s"}}, `{"url":"http://x.example","tag":"own"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				test.options.Patience = 300 * time.Millisecond
				test.options.Transport = transport(func(*http.Request) (int, error) { return 200, nil })
				c := fresh(t, test.options)
				begun := time.Now()
				run := func(id string) string {
					result, err := c.Run(t.Context(), of(t, id, 0), arguments(t, "%s", test.arguments))
					return fmt.Sprintf("%s after %v", outcome(result, err), time.Since(begun))
				}
				expect := func(id, want string) {
					t.Helper()
					if got := run(id); got != want {
						t.Errorf("%s: %s, want %s", id, got, want)
					}
				}
				expect("a", "done after 0s")
				expect("b", "done after 250ms") // it waits
				var all sync.WaitGroup
				all.Go(func() { expect("c", "done after 500ms") })
				synctest.Wait()
				expect("d", "snooze 500ms after 250ms")
				expect("e", "snooze 750ms after 250ms")
				all.Wait()
				time.Sleep(250 * time.Millisecond)
				expect("f", "snooze 500ms after 750ms")
				expect("d", "done after 750ms")
				expect("e", "done after 1s")
				expect("f", "done after 1.25s")
			})
		})
	}
}

// TestLimitOfOne: who is put off by the limit of a host, or of a tag, takes no place from the calls of others under the limit for all.
func TestLimitOfOne(t *testing.T) {
	t.Parallel()
	for name, slow := range map[string]string{"host": "slow.example", "tag": "#own"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				o := call.Options{Limit: "1/s", Limits: map[string]string{slow: "1/h"}, Patience: 10 * time.Second}
				o.Transport = transport(func(*http.Request) (int, error) { return http.StatusOK, nil })
				c := fresh(t, o)
				begun := time.Now()
				for _, test := range []struct{ id, arguments, want string }{
					{"a", `{"url":"http://slow.example","tag":"own"}`, "done after 0s"},
					{"b", `{"url":"http://slow.example","tag":"own"}`, "snooze 1h0m0s after 0s"},
					{"c", `{"url":"http://slow.example","tag":"own"}`, "snooze 1h0m0s after 0s"},
					{"d", `{"url":"http://quick.example"}`, "done after 1s"},
				} {
					result, err := c.Run(t.Context(), of(t, test.id, 0), arguments(t, "%s", test.arguments))
					if got := fmt.Sprintf("%s after %v", outcome(result, err), time.Since(begun)); got != test.want {
						t.Errorf("%s: %s, want %s", test.id, got, test.want)
					}
				}
			})
		})
	}
}

// TestPlaces are given in the order of dates; who waits for long is put off, and comes first when it comes again.
func TestPlaces(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]call.Options{"per host": {PerHost: 1}, "in all": {Concurrency: 1}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				var order []string
				o.Transport = transport(func(r *http.Request) (int, error) {
					order = append(order, r.Header.Get("X-Task-Id"))
					<-release
					return 200, nil
				})
				c := fresh(t, o)
				outcomes := make(chan string, 10)
				ctx, cancel := context.WithCancel(t.Context())
				start := func(ctx context.Context, id string, later time.Duration) {
					handle := of(t, id, later)
					go func() {
						result, err := c.Run(ctx, handle, arguments(t, `{"url":"http://x.example"}`))
						if err != nil && ctx.Err() != nil {
							outcomes <- id + " told to stop"
							return
						}
						outcomes <- id + " " + outcome(result, err)
					}()
					synctest.Wait()
				}
				expect := func(want string) {
					t.Helper()
					if got := <-outcomes; got != want {
						t.Errorf("%s, want %s", got, want)
					}
				}
				start(t.Context(), "first", 0)
				start(t.Context(), "late", -10*time.Second)
				expect("late snooze 2.75s") // a quarter of how late it is, after a second
				start(t.Context(), "young", 0)
				start(t.Context(), "younger", time.Millisecond)
				expect("younger snooze 1s") // the queue is as long as the gate is wide, and slow
				start(ctx, "stopped", -20*time.Second)
				cancel()
				expect("stopped told to stop")
				start(t.Context(), "late", -10*time.Second)
				release <- struct{}{}
				expect("first done")
				synctest.Wait()
				close(release)
				synctest.Wait()
				if got := strings.Join(order, " "); got != "first late young" {
					t.Errorf("served: %s", got)
				}
			})
		})
	}
}

// TestConfigure puts other options in force; limits and what is known of hosts stay.
func TestConfigure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		status := 500
		o := call.Options{Breaker: call.Breaker{Failures: 2}, Transport: transport(func(*http.Request) (int, error) { return status, nil })}
		c := fresh(t, o)
		run := func(host string) string {
			result, err := c.Run(t.Context(), of(t, "a", 0), arguments(t, `{"url":"http://%s"}`, host))
			return outcome(result, err)
		}
		run("bad.example")
		run("bad.example")
		o.Deny = []string{"denied.example"}
		if err := c.Configure(o); err != nil {
			t.Fatal(err)
		}
		if got := run("bad.example"); got != "snooze 30s" {
			t.Errorf("what was known of a host is forgotten: %s", got)
		}
		status = 200
		if got := run("denied.example"); got != "permanent 0" {
			t.Errorf("a new rule: %s", got)
		}
		wrong := o
		wrong.Deny = []string{"/"}
		if err := c.Configure(wrong); err == nil {
			t.Error("a rule that makes no sense was taken")
		}
		if got := run("denied.example"); got != "permanent 0" {
			t.Errorf("after a configuration that was refused: %s", got)
		}
		o.Breaker.Failures = -1
		if err := c.Configure(o); err != nil {
			t.Fatal(err)
		}
		status = 500
		for range 10 {
			if got := run("bad.example"); got != "retry 500" {
				t.Errorf("with breakers off: %s", got)
			}
		}
	})
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for says, o := range map[string]call.Options{
		"allow:":                         {Allow: []string{"a b"}},
		"is no limit":                    {Limit: "x"},
		"limit of a: ":                   {Limits: map[string]string{"a": "1/y"}},
		"tls a: ":                        {TLS: map[string]string{"a": "ca="}},
		"is none of ca":                  {TLS: map[string]string{"a": "insecure=yes"}},
		"the proxy is no":                {Proxy: "ftp://x"},
		"does not begin with whsec":      {SigningKeys: []string{"x"}},
		"the URL for callbacks is no":    {CallbackURL: "example.org"},
		"no such file":                   {CAFile: "/nowhere/ca.pem"},
		"410 is in two lists":            {Codes: call.Codes{Done: codes(t, "410"), Remove: codes(t, "410")}},
		"has no certificate (PEM) in it": {CAFile: "options.go"},
	} {
		if _, err := call.New(o); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %s", err, says)
		}
	}
}

func codes(t *testing.T, texts ...string) []call.Code {
	t.Helper()
	var list []call.Code
	for _, text := range texts {
		code, err := call.ParseCode(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, code)
	}
	return list
}

// TestRedirectedHosts: a redirect leads to a host with limits, places and a breaker of its own.
func TestRedirectedHosts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sent := map[string]int{}
		broken := false
		o := call.Options{
			Breaker: call.Breaker{Failures: 2, Pause: 30 * time.Second}, Limits: map[string]string{"limited.example": "1/m"}, Limit: "1000/s",
		}
		o.Transport = answers(func(r *http.Request) *http.Response {
			sent[r.URL.Host]++
			w := &http.Response{StatusCode: http.StatusOK, Status: "200", Header: http.Header{}, Body: http.NoBody, Request: r}
			switch {
			case r.URL.Host == "first.example":
				w.StatusCode, w.Status = http.StatusTemporaryRedirect, "307"
				w.Header.Set("Location", "http:/"+r.URL.Path)
			case broken && r.URL.Host == "second.example":
				w.StatusCode, w.Status = http.StatusServiceUnavailable, "503"
			}
			return w
		})
		c := fresh(t, o)
		expect := func(want, id, to string, later time.Duration) {
			t.Helper()
			result, err := c.Run(t.Context(), of(t, id, later), arguments(t, `{"url":"http://first.example/%s/","limit":"100/s","tag":"x"}`, to))
			if got := outcome(result, err); got != want {
				t.Errorf("%s: %s, want %s", id, got, want)
			}
		}
		expect("done", "a", "limited.example", 0)
		expect("snooze 1m0s", "b", "limited.example", 0)
		time.Sleep(time.Minute)
		expect("done", "b", "limited.example", 0)

		broken = true
		expect("retry 503", "d", "second.example", 0)
		expect("retry 503", "e", "second.example", 0)
		before := sent["second.example"]
		expect("snooze 30s", "f", "second.example", 0)
		expect("done", "g", "third.example", 0) // the host that redirects is well
		if sent["second.example"] != before {
			t.Error("a host that is left alone was called")
		}
		time.Sleep(31 * time.Second)
		broken = false
		expect("done", "f", "second.example", 0)
		for _, h := range c.Hosts() {
			if h.State != "closed" || h.Running != 0 {
				t.Errorf("%+v", h)
			}
		}
	})
}

// answers is a transport that answers by a function.
type answers func(*http.Request) *http.Response

func (f answers) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }
