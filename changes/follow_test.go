package changes_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adlayer/after/changes"
	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/test/faultproxy"
)

func TestFollowDeliversInOrder(t *testing.T) {
	t.Parallel()
	server, addr := newFeedServer(t)
	server.add(500)
	f := follow(t, addr, changes.Options{IncludeDocs: true, MaxBatch: 7})
	f.wants(1, 500)
	server.add(3)
	f.wants(501, 503)
	if !strings.Contains(server.asked()[0], "include_docs=true") {
		t.Errorf("include_docs was not asked for: %s", server.asked()[0])
	}
}

func TestFollowStartsSince(t *testing.T) {
	t.Parallel()
	server, addr := newFeedServer(t)
	server.add(10)
	follow(t, addr, changes.Options{Since: "7"}).wants(8, 10)
}

// A follower that begins now and is cut before its first row must not begin at a later now.
func TestFollowNowIsAskedOnce(t *testing.T) {
	t.Parallel()
	server, addr := newFeedServer(t)
	server.add(10)
	proxy := faultproxy.New(t, addr)
	f := follow(t, proxy.Addr(), changes.Options{Since: "now"})
	f.state("the connection", connected)
	proxy.Refuse(true)
	proxy.Cut()
	f.state("the loss", lost)
	server.add(2)
	proxy.Heal()
	f.wants(11, 12)
}

func TestFollowRowsOfAllShapes(t *testing.T) {
	t.Parallel()
	server, addr := newFeedServer(t)
	for _, line := range []string{
		`{"seq":"1-g1AA\u0041","id":"a\"b\u00e9\ud83d\ude00","changes":[{"rev":"2-b"},{"rev":"2-a"}],"doc":{"_id":"x","v":"}\"]"}}`,
		`{"id":"b","changes":[{"rev":"3-c"}],"deleted":true,"doc":{"_id":"b","_rev":"3-c","_deleted":true},"seq":2}`,
		`{"seq":null,"id":"c","changes":[{"rev":"1-c"}],"doc":null}`,
		` { "seq" : "4" , "id" : "d" , "changes" : [ { "rev" : "1-d" } ] } `,
	} {
		server.addRow(func(int) string { return line })
	}
	f := follow(t, addr, changes.Options{})
	for _, want := range []changes.Row{
		{ID: "a\"b\u00e9\U0001f600", Seq: "1-g1AAA", Rev: "2-b", Doc: []byte(`{"_id":"x","v":"}\"]"}`)},
		{ID: "b", Seq: "2", Rev: "3-c", Deleted: true, Doc: []byte(`{"_id":"b","_rev":"3-c","_deleted":true}`)},
		{ID: "c", Rev: "1-c"},
		{ID: "d", Seq: "4", Rev: "1-d"},
	} {
		got := f.next()
		if got.ID != want.ID || got.Seq != want.Seq || got.Rev != want.Rev || got.Deleted != want.Deleted || !bytes.Equal(got.Doc, want.Doc) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func TestFollowKeep(t *testing.T) {
	t.Parallel()
	server, addr := newFeedServer(t)
	server.add(9)
	f := follow(t, addr, changes.Options{Keep: func(line []byte) bool { return bytes.Contains(line, []byte(`"doc4"`)) }})
	if r := f.next(); r.ID != "doc4" {
		t.Errorf("got row %q, want doc4", r.ID)
	}
	for receive(t, f.seqs, "the sequence of the refused rows") != "9" {
	}
	if n := len(f.rows); n > 0 {
		t.Errorf("%d more rows came, want none", n)
	}
}

func TestFollowLongRow(t *testing.T) {
	t.Parallel()
	server, addr := newFeedServer(t)
	long := strings.Repeat("x", 9<<20)
	server.addRow(func(seq int) string { return row(seq, `{"v":"`+long+`"}`) })
	server.add(1)
	f := follow(t, addr, changes.Options{IncludeDocs: true})
	if r := f.next(); len(r.Doc) != len(long)+8 {
		t.Errorf("the long document has %d bytes, want %d", len(r.Doc), len(long)+8)
	}
	f.wants(2, 2)
}

func TestFollowRowTooLong(t *testing.T) {
	t.Parallel()
	server, addr := newFeedServer(t)
	server.addRow(func(seq int) string { return row(seq, `{"v":"`+strings.Repeat("x", 1<<20)+`"}`) })
	f := follow(t, addr, changes.Options{MaxRow: 100_000})
	s := f.state("the refusal of the row", lost)
	if !strings.Contains(s.Err.Error(), "longer than 100000 bytes") {
		t.Errorf("got error %v", s.Err)
	}
}

// Whatever the byte is at which the connection is cut, each row comes whole, and none is missing.
func TestFollowCutAtEveryByte(t *testing.T) {
	t.Parallel()
	server, addr := newFeedServer(t)
	proxy := faultproxy.New(t, addr)
	f := follow(t, proxy.Addr(), changes.Options{IncludeDocs: true})
	f.state("the connection", connected)
	for cut := range int64(150) {
		proxy.CutAfter(1 + cut)
		from := int(3*cut) + 1
		server.add(3)
		f.wants(from, from+2)
	}
}

func TestFollowServerRestarts(t *testing.T) {
	t.Parallel()
	server, addr := newFeedServer(t)
	server.add(5)
	proxy := faultproxy.New(t, addr)
	f := follow(t, proxy.Addr(), changes.Options{})
	f.wants(1, 5)
	proxy.Refuse(true)
	proxy.Cut()
	f.state("the third failure", func(s changes.State) bool { return s.Failures >= 3 })
	server.add(5)
	proxy.Refuse(false)
	f.wants(6, 10)
}

// A connection that stays open and says nothing is given up; so is a server that takes the request and never answers.
func TestFollowSilence(t *testing.T) {
	t.Parallel()
	server, addr := newFeedServer(t)
	server.add(1)
	proxy := faultproxy.New(t, addr)
	f := follow(t, proxy.Addr(), changes.Options{Heartbeat: 100 * time.Millisecond})
	f.wants(1, 1)
	proxy.Stall(true)
	server.add(1)
	for range 2 { // once within the feed, once before the answer
		s := f.state("the end of patience", lost)
		if !strings.Contains(s.Err.Error(), "silent") {
			t.Errorf("got error %v, want one that speaks of silence", s.Err)
		}
	}
	proxy.Stall(false)
	f.wants(2, 2)
}

func TestFollowSlowReceiverIsNoSilence(t *testing.T) {
	t.Parallel()
	server, addr := newFeedServer(t)
	server.add(1)
	client, err := couch.Dial(addr, couch.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	enough := errors.New("enough")
	o := changes.Options{Heartbeat: 400 * time.Millisecond, OnState: func(s changes.State) {
		if lost(s) {
			t.Errorf("the connection was lost: %v", s.Err)
		}
	}}
	batches := 0
	err = changes.Follow(context.Background(), client.Database("db"), o, func(ctx context.Context, _ []changes.Row, _ string) error {
		batches++
		switch batches {
		case 1:
			wait, cancel := context.WithTimeout(ctx, 3*time.Second)
			defer cancel()
			<-wait.Done()
			if ctx.Err() != nil {
				return ctx.Err()
			}
			server.add(1)
			return nil
		default:
			return enough
		}
	})
	if !errors.Is(err, enough) {
		t.Errorf("got error %v, want the receiver's", err)
	}
}

func TestFollowRefusalsAreReportedAndRetried(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusInternalServerError} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			server, addr := newFeedServer(t)
			server.refuse(status)
			server.add(3)
			f := follow(t, addr, changes.Options{Since: "0"})
			s := f.state("the refusal", lost)
			if couch.Status(s.Err) != status || s.Failures != 1 {
				t.Errorf("got error %v after %d failures, want status %d after 1", s.Err, s.Failures, status)
			}
			server.refuse(0)
			f.wants(1, 3)
		})
	}
}

// A database that is dropped and made again counts from the beginning: the old sequence would hide its first changes.
func TestFollowBeginsAnewAfterNotFound(t *testing.T) {
	t.Parallel()
	server, addr := newFeedServer(t)
	server.add(5)
	proxy := faultproxy.New(t, addr)
	f := follow(t, proxy.Addr(), changes.Options{})
	f.wants(1, 5)
	server.refuse(http.StatusNotFound)
	proxy.Cut()
	f.state("the 404", func(s changes.State) bool { return couch.IsNotFound(s.Err) })
	server.mutex.Lock()
	server.rows = nil
	server.mutex.Unlock()
	server.add(2)
	server.refuse(0)
	f.wants(1, 2)
}

func TestFollowClosingLine(t *testing.T) {
	t.Parallel()
	server, addr := newFeedServer(t)
	server.idle = 20 * time.Millisecond
	server.add(2)
	f := follow(t, addr, changes.Options{})
	f.wants(1, 2)
	s := f.state("the end", func(s changes.State) bool { return !s.Connected })
	if s.Err != nil || s.Wait != 0 || s.Since != "2" {
		t.Errorf("after a clean end: error %v, wait %v, since %q; want none, 0 and 2", s.Err, s.Wait, s.Since)
	}
	f.state("the next connection", connected)
	server.add(1)
	f.wants(3, 3)
}

func TestFollowWhatIsNoFeed(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		`hello`, `[]`, `{"seq":"1"}`, `{"seq":"1","id":"a"}`, `{"seq":"1","id":7,"changes":[{"rev":"1-a"}]}`,
		`{"seq":"1","id":"a","changes":[]}`, `{"seq":"1","id":"a","changes":[{"rev":"1-a"}],"doc":"x"}`,
		`{"seq":"1","id":"a","changes":[{"rev":"1-a"}],"doc":{}`,
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			server, addr := newFeedServer(t)
			server.addRow(func(int) string { return line })
			f := follow(t, addr, changes.Options{})
			f.state("the second refusal", func(s changes.State) bool { return lost(s) && s.Failures > 1 })
			if n := len(f.rows); n > 0 {
				t.Errorf("got %d rows of it", n)
			}
			server.mutex.Lock()
			server.rows = nil
			server.mutex.Unlock()
			server.add(1)
			f.wants(1, 1)
		})
	}
}

// While nothing matches, a filtered feed carries no sequence: a request with the same filter brings it.
func TestFollowFilteredCheckpoint(t *testing.T) {
	t.Parallel()
	server, addr := newFeedServer(t)
	f := follow(t, addr, changes.Options{
		Selector: []byte(`{"match":true}`), Heartbeat: 20 * time.Millisecond, Checkpoint: 50 * time.Millisecond,
		IncludeDocs: true,
	})
	f.state("the connection", connected)
	server.add(4)
	for receive(t, f.seqs, "the sequence") != "4" {
	}
	server.addRow(func(seq int) string { return row(seq, `{"match":true}`) })
	f.wants(5, 5)
	if !slices.ContainsFunc(server.asked(), func(r string) bool { return strings.HasPrefix(r, "POST /db/_changes?filter=_selector") }) {
		t.Errorf("no normal request with the filter among %q", server.asked())
	}
}

// TestFollowRemembers: a row that comes again is left out while its document is remembered and has not changed in between.
func TestFollowRemembers(t *testing.T) {
	t.Parallel()
	server, addr := newFeedServer(t)
	f := follow(t, addr, changes.Options{Remember: 2})
	for text := range strings.FieldsSeq("a/1-a a/1-a a/2-a a/2-a a/1-a b/1-b a/1-a b/1-b c/1-c b/1-b a/1-a end/1-e") {
		id, rev, _ := strings.Cut(text, "/")
		server.addRow(func(seq int) string { return fmt.Sprintf(`{"seq":"%d","id":%q,"changes":[{"rev":%q}]}`, seq, id, rev) })
	}
	var got []string
	for len(got) == 0 || got[len(got)-1] != "end/1-e" {
		r := receive(t, f.rows, "a row")
		got = append(got, r.ID+"/"+r.Rev)
	}
	if want := strings.Fields("a/1-a a/2-a a/1-a b/1-b c/1-c a/1-a end/1-e"); !slices.Equal(got, want) {
		t.Errorf("%q instead of %q", got, want)
	}
}

func TestFollowReceiverError(t *testing.T) {
	t.Parallel()
	server, addr := newFeedServer(t)
	server.add(5)
	client, err := couch.Dial(addr, couch.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	want := errors.New("no more")
	got := changes.Follow(context.Background(), client.Database("db"), changes.Options{}, func(context.Context, []changes.Row, string) error { return want })
	if !errors.Is(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestFollowCancelHasACause(t *testing.T) {
	t.Parallel()
	_, addr := newFeedServer(t)
	client, err := couch.Dial(addr, couch.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	cause := errors.New("the test is over")
	ctx, cancel := context.WithCancelCause(context.Background())
	o := changes.Options{OnState: func(changes.State) { cancel(cause) }}
	got := changes.Follow(ctx, client.Database("db"), o, func(context.Context, []changes.Row, string) error { return nil })
	if !errors.Is(got, cause) {
		t.Errorf("got %v, want the cause", got)
	}
}
