package client

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/task"
)

// ownMark begins a bookmark of our own, which names the last document of its page: for servers that give none. No server's begins with it.
const ownMark = "~"

// usualPage is how many tasks a page has where nobody says.
const usualPage = 100

// Page gives up to Filter.Limit tasks, 100 where it is 0, from a bookmark on, which is empty for the first page, and the bookmark of the next
// one, empty where this one is the last. A page may have fewer tasks than there is room for, and none, though it is not the last. What is no
// bookmark is a [couch.Error] with the status 400. IDs, Invalid and DueBefore are not for pages.
func (c *Client) Page(ctx context.Context, f Filter, bookmark string) (tasks []*task.Task, next string, err error) {
	f.Limit = cmp.Or(f.Limit, usualPage)
	docs, next, err := c.pageOf(ctx, f, bookmark)
	if err != nil {
		return nil, "", err
	}
	now := c.now()
	for _, doc := range docs {
		if t, err := decode(doc); err == nil && f.matches(t, now) {
			tasks = append(tasks, t)
		}
	}
	return tasks, next, nil
}

// pageOf reads the documents of a page.
func (c *Client) pageOf(ctx context.Context, f Filter, bookmark string) (docs [][]byte, next string, err error) {
	if behind, own := strings.CutPrefix(bookmark, ownMark); own {
		last, err := base64.RawURLEncoding.DecodeString(behind)
		if err != nil || len(last) == 0 {
			return nil, "", noBookmark(bookmark)
		}
		return c.pageByID(ctx, f, string(last))
	}
	q, err := f.query()
	if err != nil {
		return nil, "", err
	}
	q.Limit, q.Bookmark = f.Limit, bookmark
	p, err := c.db.Find(ctx, q)
	switch full := len(p.Docs) == q.Limit; {
	case err != nil:
		return nil, "", err
	case bookmark != "" && !p.Continues():
		return nil, "", noBookmark(bookmark) // the server did not heed it
	case full && !p.Continues():
		return c.pageByID(ctx, f, "") // once more, in the order that the next pages have
	case full && p.Bookmark != bookmark:
		next = p.Bookmark
	}
	return p.Docs, next, nil
}

// pageByID reads the documents of a page in the order of their ids, behind one of them.
func (c *Client) pageByID(ctx context.Context, f Filter, last string) (docs [][]byte, next string, err error) {
	room := f.Limit
	// From the last one on rather than behind it, which PouchDB takes for one less; it may be gone by now.
	q, err := f.query(object{"_id": object{"$gte": last}})
	if err != nil {
		return nil, "", err
	}
	q.Sort, q.UseIndex = json.RawMessage(`["_id"]`), nil
	if q.Limit = room; last != "" {
		q.Limit++
	}
	p, err := c.db.Find(ctx, q)
	if err != nil {
		return nil, "", err
	}
	docs = p.Docs
	if len(docs) > 0 && idOf(docs[0]) == last {
		docs = docs[1:]
	}
	if docs = docs[:min(len(docs), room)]; len(docs) == room {
		next = ownMark + base64.RawURLEncoding.EncodeToString([]byte(idOf(docs[room-1])))
	}
	return docs, next, nil
}

func idOf(doc []byte) string { return gjson.GetBytes(doc, "_id").Str }

func noBookmark(text string) error {
	return &couch.Error{Op: "listing tasks", Status: http.StatusBadRequest, Name: "invalid_bookmark", Reason: fmt.Sprintf("%.80q is no bookmark of a page", text)}
}
