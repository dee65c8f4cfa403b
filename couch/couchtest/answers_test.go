package couchtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/adlayer/after/changes"
	"github.com/adlayer/after/couch"
)

// recordedAnswer answers every request as a recorded exchange was answered.
type recordedAnswer struct{ response response }

func (a recordedAnswer) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, r.Body)
	}
	header := http.Header{}
	for name, value := range a.response.Headers {
		header.Set(name, value)
	}
	var body bytes.Buffer
	switch {
	case a.response.Lines != nil:
		for _, line := range a.response.Lines {
			_ = json.Compact(&body, line)
			body.WriteByte('\n')
		}
	case a.response.Raw != nil:
		body.WriteString(*a.response.Raw)
	default:
		body.Write(a.response.Body)
	}
	return &http.Response{
		StatusCode: a.response.Status, Header: header, Request: r, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: io.NopCloser(&body), ContentLength: int64(body.Len()),
	}, nil
}

// reading is a call of the client, and what it has to make of an answer that is no refusal.
type reading struct {
	// other says that an exchange is about options that the call does not have.
	other func(q url.Values, s step) bool
	read  func(ctx context.Context, db *couch.Database, s step) (any, error)
	want  func(answer map[string]any, s step) any
	// byKivik calls keep the reason of a refusal, and make up its name.
	byKivik bool
}

// TestAnswersAreRead gives the client each recorded answer to what after asks: refusals are told with CouchDB's status, name and reason, and all others
// are read as another decoder reads them.
func TestAnswersAreRead(t *testing.T) {
	t.Parallel()
	groups, err := load(Recordings())
	if err != nil {
		t.Fatal(err)
	}
	all, read := readings(), map[string]int{}
	var each func(where string, steps []step)
	each = func(where string, steps []step) {
		for _, s := range steps {
			path, query, _ := strings.Cut(s.Request.Path, "?")
			q, _ := url.ParseQuery(query)
			place, _ := placeOf(strings.ReplaceAll(path, "{{db}}", "db"))
			place = s.Request.Method + " " + place
			if r, ok := all[place]; ok && !r.other(q, s) && s.Response.Multipart == nil && (s.Response.Body != nil || s.Response.Raw != nil || s.Response.Lines != nil) {
				read[place]++
				r.check(t, where+": "+s.Request.Method+" "+s.Request.Path, s)
			}
			each(where, s.During)
		}
	}
	for _, g := range groups {
		for _, s := range g.Scenarios {
			each(g.Group+"/"+s.Name, s.Steps)
		}
	}
	t.Logf("read: %v", read)
	for _, place := range slices.Sorted(maps.Keys(all)) {
		if read[place] == 0 {
			t.Errorf("no recorded answer to %s was read", place)
		}
	}
}

func (r reading) check(t *testing.T, where string, s step) {
	t.Helper()
	client, err := couch.Dial("http://couch", couch.Options{Transport: recordedAnswer{s.Response}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	got, err := r.read(ctx, client.Database("db"), s)
	answer := decoded(s.Response.Body)
	if s.Response.Raw != nil { // where the text itself is the point
		answer = decoded([]byte(*s.Response.Raw))
	}
	if s.Response.Status >= http.StatusMultipleChoices {
		refused, ok := errors.AsType[*couch.Error](err)
		name, _ := answer["error"].(string)
		reason, _ := answer["reason"].(string)
		if !ok || refused.Status != s.Response.Status || refused.Name != name && !r.byKivik || reason != "" && refused.Reason != reason {
			t.Errorf("%s: %d %s: %s is read as %v", where, s.Response.Status, name, reason, err)
		}
		return
	}
	if err != nil {
		t.Errorf("%s: %v", where, err)
		return
	}
	if diff := cmp.Diff(r.want(answer, s), got); diff != "" {
		t.Errorf("%s:\n%s", where, diff)
	}
}

// never is for calls without options that others have.
func never(url.Values, step) bool { return false }

// beyond says that the query has parameters other than those.
func beyond(names ...string) func(url.Values, step) bool {
	return func(q url.Values, _ step) bool {
		for name := range q {
			if !slices.Contains(names, name) {
				return true
			}
		}
		return false
	}
}

func textIn(from any, name string) string {
	members, _ := from.(map[string]any)
	value, _ := members[name].(string)
	return value
}

func listIn(from any, name string) []any {
	members, _ := from.(map[string]any)
	values, _ := members[name].([]any)
	return values
}

func readings() map[string]reading {
	rev := func(answer map[string]any, _ step) any { return textIn(answer, "rev") }
	nothing := func(map[string]any, step) any { return nil }
	return map[string]reading{
		"GET /{db}/{doc}": {
			other: beyond("rev", "conflicts"),
			read: func(ctx context.Context, db *couch.Database, _ step) (any, error) {
				doc, err := db.Get(ctx, "a")
				return [2]any{doc.Rev, doc.Deleted}, err
			},
			want: func(answer map[string]any, _ step) any {
				return [2]any{textIn(answer, "_rev"), answer["_deleted"] == true}
			},
		},
		"PUT /{db}/{doc}": {
			other: beyond(),
			read: func(ctx context.Context, db *couch.Database, _ step) (any, error) {
				return db.Put(ctx, "a", []byte(`{}`))
			},
			want: rev,
		},
		"DELETE /{db}/{doc}": {
			other: beyond("rev"),
			read:  func(ctx context.Context, db *couch.Database, _ step) (any, error) { return db.Delete(ctx, "a", "1-a") },
			want:  rev,
		},
		"POST /{db}/_bulk_docs": {other: func(_ url.Values, s step) bool { return bytes.Contains(s.Request.Body, []byte("new_edits")) }, read: bulkDocs, want: rowsOfBulkDocs},
		"POST /{db}/_bulk_get":  {other: beyond(), read: bulkGet, want: rowsOfBulkGet},
		"GET /{db}/_all_docs":   {other: beyond("startkey", "endkey", "limit", "skip", "descending", "inclusive_end", "include_docs"), read: allDocs, want: rowsOfAllDocs},
		"POST /{db}/_all_docs":  {other: oddKeys, read: allDocs, want: rowsOfAllDocs},
		"POST /{db}/_find":      {other: never, read: found, want: docsOfFind},
		"GET /{db}/_changes":    {other: anotherFeed, read: followed, want: rowsOfFeed},
		"POST /{db}/_changes":   {other: anotherFeed, read: followed, want: rowsOfFeed},
		"GET /{db}": {
			other: never,
			read: func(ctx context.Context, db *couch.Database, _ step) (any, error) {
				info, err := db.Info(ctx)
				return [2]any{info.Documents, info.UpdateSeq}, err
			},
			want: func(answer map[string]any, _ step) any {
				count, _ := answer["doc_count"].(float64)
				return [2]any{int64(count), textIn(answer, "update_seq")}
			},
		},
		"GET /": {
			other: never,
			read: func(ctx context.Context, db *couch.Database, _ step) (any, error) {
				s, err := db.Client().Server(ctx)
				return [2]any{s.Couch, s.Version}, err
			},
			want: func(answer map[string]any, _ step) any {
				return [2]any{textIn(answer, "couchdb"), textIn(answer, "version")}
			},
		},
		"GET /_session": {
			other: never, byKivik: true,
			read: func(ctx context.Context, db *couch.Database, _ step) (any, error) {
				s, err := db.Client().Session(ctx)
				return s.User, err
			},
			want: func(answer map[string]any, _ step) any { return textIn(answer["userCtx"], "name") },
		},
		"PUT /{db}": {
			other: never, byKivik: true, want: nothing,
			read: func(ctx context.Context, db *couch.Database, _ step) (any, error) {
				return nil, db.Client().CreateDatabase(ctx, "db")
			},
		},
		"DELETE /{db}": {
			other: never, byKivik: true, want: nothing,
			read: func(ctx context.Context, db *couch.Database, _ step) (any, error) {
				return nil, db.Client().DropDatabase(ctx, "db")
			},
		},
		"POST /{db}/_index": {
			other: never, byKivik: true, want: nothing,
			read: func(ctx context.Context, db *couch.Database, _ step) (any, error) {
				return nil, db.EnsureIndex(ctx, couch.Index{DDoc: "d", Name: "n", Fields: []string{"a"}})
			},
		},
		"GET /{db}/_index": {
			other: never, byKivik: true,
			read: func(ctx context.Context, db *couch.Database, _ step) (any, error) {
				indexes, err := db.Indexes(ctx)
				return len(indexes), err
			},
			want: func(answer map[string]any, _ step) any { return len(listIn(answer, "indexes")) },
		},
		"PUT /{db}/_security": {
			other: never, want: nothing,
			read: func(ctx context.Context, db *couch.Database, _ step) (any, error) {
				return nil, db.SetSecurity(ctx, json.RawMessage(`{}`))
			},
		},
		"GET /{db}/_security": {
			other: never,
			read:  func(ctx context.Context, db *couch.Database, _ step) (any, error) { return db.Security(ctx) },
			want:  func(_ map[string]any, s step) any { return s.Response.Body },
		},
	}
}

func bulkDocs(ctx context.Context, db *couch.Database, s step) (any, error) {
	docs := [][]byte{[]byte(`{}`)}
	if s.Response.Status < http.StatusMultipleChoices {
		docs = nil
		elements(membersOf(s.Request.Body)["docs"], func(doc []byte) { docs = append(docs, doc) })
	}
	results, err := db.Bulk(ctx, docs)
	rows := [][4]string{}
	for _, r := range results {
		rows = append(rows, [4]string{r.ID, r.Rev, r.Error, r.Reason})
	}
	return rows, err
}

func rowsOfBulkDocs(_ map[string]any, s step) any {
	rows := [][4]string{}
	elements(s.Response.Body, func(raw []byte) {
		var row map[string]any
		_ = json.Unmarshal(raw, &row)
		rows = append(rows, [4]string{textIn(row, "id"), textIn(row, "rev"), textIn(row, "error"), textIn(row, "reason")})
	})
	return rows
}

// bulkGet asks for what was asked for, as far as the call can: an id once, by name.
func bulkGet(ctx context.Context, db *couch.Database, s step) (any, error) {
	var asked struct{ Docs []couch.Ref }
	if json.Unmarshal(s.Request.Body, &asked) != nil || len(asked.Docs) == 0 {
		asked.Docs = []couch.Ref{{ID: "a"}}
	}
	if s.Response.Status < http.StatusMultipleChoices && len(listIn(decoded(s.Response.Body), "results")) == 0 {
		return [][]any{}, nil // nobody asks for nothing
	}
	docs, err := db.BulkGet(ctx, asked.Docs)
	if err != nil && couch.Status(err) == 0 {
		return [][]any{{"refused"}}, nil
	}
	rows := [][]any{}
	for _, d := range docs {
		rows = append(rows, []any{d.Missing, d.Deleted})
	}
	return rows, err
}

func decoded(raw []byte) (members map[string]any) {
	_ = json.Unmarshal(raw, &members)
	return members
}

func rowsOfBulkGet(answer map[string]any, _ step) any {
	rows := [][]any{}
	for _, result := range listIn(answer, "results") {
		missing, deleted := true, true
		for _, leaf := range listIn(result, "docs") {
			members, _ := leaf.(map[string]any)
			if ok, found := members["ok"].(map[string]any); found {
				missing, deleted = false, deleted && ok["_deleted"] == true
			} else if name := textIn(members["error"], "error"); name != "not_found" && name != "undefined" {
				return [][]any{{"refused"}}
			}
		}
		rows = append(rows, []any{missing, deleted && !missing})
	}
	return rows
}

func allDocs(ctx context.Context, db *couch.Database, s step) (any, error) {
	r := couch.Range{}
	if s.Request.Method == http.MethodPost {
		r.Keys = []string{}
	}
	listing, err := db.AllDocs(ctx, r)
	rows := [][]any{}
	for _, l := range listing.Rows {
		rows = append(rows, []any{l.ID, l.Rev, l.Deleted, l.Missing, l.Doc != nil})
	}
	return rows, err
}

// oddKeys are keys that are no ids.
func oddKeys(q url.Values, s step) bool {
	odd := beyond("include_docs")(q, s)
	elements(membersOf(s.Request.Body)["keys"], func(key []byte) { odd = odd || shape(key) != "string" })
	return odd
}

func rowsOfAllDocs(answer map[string]any, _ step) any {
	rows := [][]any{}
	for _, row := range listIn(answer, "rows") {
		members, _ := row.(map[string]any)
		id := textIn(row, "id")
		if id == "" {
			id = textIn(row, "key")
		}
		value, _ := members["value"].(map[string]any)
		rows = append(rows, []any{id, textIn(value, "rev"), value["deleted"] == true, members["error"] != nil, members["doc"] != nil})
	}
	return rows
}

func found(ctx context.Context, db *couch.Database, _ step) (any, error) {
	page, err := db.Find(ctx, couch.Query{Selector: json.RawMessage(`{}`)})
	return []any{len(page.Docs), page.Bookmark, page.Warning}, err
}

func docsOfFind(answer map[string]any, _ step) any {
	return []any{len(listIn(answer, "docs")), textIn(answer, "bookmark"), textIn(answer, "warning")}
}

// anotherFeed is what a follower does not ask for.
func anotherFeed(q url.Values, s step) bool {
	return q.Get("feed") == "eventsource" || s.Feed == "eventsource" || s.Response.Lines == nil && s.Response.Status < http.StatusMultipleChoices
}

// followed follows what was recorded of a feed. One whose end was not recorded ends without its closing line, and is begun anew.
func followed(ctx context.Context, db *couch.Database, s step) (any, error) {
	rows, enough := [][]any{}, errors.New("enough")
	var refusal error
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	o := changes.Options{BackoffMin: time.Hour, BackoffMax: time.Hour, OnState: func(s changes.State) {
		if !s.Connected {
			refusal = s.Err
			cancel()
		}
	}}
	want, _ := rowsOfFeed(nil, s).([][]any)
	err := changes.Follow(ctx, db, o, func(_ context.Context, batch []changes.Row, _ string) error {
		for _, r := range batch {
			rows = append(rows, []any{r.ID, r.Rev, r.Deleted, r.Doc != nil})
		}
		if len(want) > 0 && len(rows) == len(want) {
			return enough
		}
		return nil
	})
	if couch.Status(refusal) != 0 {
		return nil, refusal
	}
	if !errors.Is(err, enough) && (!errors.Is(err, context.Canceled) || len(rows) != len(want)) {
		return nil, errors.Join(err, refusal)
	}
	return rows, nil
}

func rowsOfFeed(_ map[string]any, s step) any {
	rows := [][]any{}
	for _, line := range s.Response.Lines {
		row := decoded(line)
		if row["id"] == nil {
			continue
		}
		changed := listIn(row, "changes")
		rows = append(rows, []any{textIn(row, "id"), textIn(changed[0], "rev"), row["deleted"] == true, row["doc"] != nil})
	}
	return rows
}
