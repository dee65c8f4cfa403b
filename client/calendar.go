package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/when"
)

// Calendars gives a function that finds the calendar documents of the database by their ids, for [when.Scope]. It reads each once,
// and may be used by several goroutines.
func (c *Client) Calendars(ctx context.Context) func(id string) (*when.Calendar, error) {
	var mu sync.Mutex
	known := map[string]*when.Calendar{}
	return func(id string) (*when.Calendar, error) {
		mu.Lock()
		defer mu.Unlock()
		if calendar, ok := known[id]; ok {
			return calendar, nil
		}
		calendar, err := c.calendar(ctx, id)
		if err != nil {
			return nil, err
		}
		known[id] = calendar
		return calendar, nil
	}
}

func (c *Client) calendar(ctx context.Context, id string) (*when.Calendar, error) {
	doc, err := c.db.Get(ctx, id)
	if e, ok := errors.AsType[*couch.Error](err); ok && couch.IsNotFound(err) && (e.Reason == "missing" || e.Reason == "deleted") {
		return nil, fmt.Errorf("there is no calendar %s in the database: write the document first, with \"type\": \"calendar\"", id)
	}
	if err != nil {
		return nil, err
	}
	var kind struct {
		Type any `json:"type"`
	}
	if err := json.Unmarshal(doc.Body, &kind); err != nil || kind.Type != "calendar" {
		return nil, fmt.Errorf("document %s is no calendar: its type is not \"calendar\"", id)
	}
	return when.ParseCalendar(doc.Body)
}

// anyCalendar stands for the calendars of a database that is not asked.
func anyCalendar(string) (*when.Calendar, error) { return &when.Calendar{}, nil }
