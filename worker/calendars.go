package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"github.com/tidwall/gjson"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/task"
	"github.com/adlayer/after/when"
)

// calendars are the calendar documents of the database by id. The map is replaced as a whole, so that jobs' goroutines may read it.
type calendars map[string]calendar

type calendar struct {
	parsed *when.Calendar
	err    error
}

const calendarType = "calendar"

var quotedCalendar = []byte(`"` + calendarType + `"`) //nolint:gochecknoglobals // a constant

// isCalendar says whether a document is a calendar; nearly all are told by their bytes alone.
func isCalendar(doc []byte) bool {
	return bytes.Contains(doc, quotedCalendar) && gjson.GetBytes(doc, "type").String() == calendarType
}

// calendarOf gives a calendar to the rules that name it.
func (l *loop) calendarOf(id string) (*when.Calendar, error) {
	found, ok := (*l.calendars.Load())[id]
	if !ok {
		return nil, errors.New("there is no document of that id with \"type\": \"calendar\"")
	}
	return found.parsed, found.err
}

// CalendarIndex is the index that workers read calendar documents by.
func CalendarIndex() couch.Index {
	return couch.Index{
		DDoc: indexDesign, Name: "calendars", Fields: []string{"type"},
		PartialFilter: json.RawMessage(`{"type":"` + calendarType + `"}`),
	}
}

// readCalendars reads all calendars before the first task.
func (l *loop) readCalendars(ctx context.Context) error {
	all := calendars{}
	q := couch.Query{Selector: json.RawMessage(`{"type":"` + calendarType + `"}`), Limit: pageMost}
	for {
		p, err := l.db.Find(ctx, q)
		if err != nil {
			return fmt.Errorf("reading the calendars: %w", err)
		}
		for _, doc := range p.Docs {
			parsed, err := when.ParseCalendar(doc)
			all[gjson.GetBytes(doc, "_id").String()] = calendar{parsed: parsed, err: err}
		}
		if len(p.Docs) < pageMost {
			break
		}
		q.Skip += len(p.Docs)
	}
	l.calendars.Store(&all)
	return nil
}

// onCalendar takes in a revision of a document that is a calendar, or was one, and plans the tasks that use it again.
func (l *loop) onCalendar(r *row) {
	old, was := (*l.calendars.Load())[r.id]
	is := !r.deleted && isCalendar(r.doc)
	if !is && !was {
		return
	}
	next := maps.Clone(*l.calendars.Load())
	delete(next, r.id)
	if is {
		parsed, err := when.ParseCalendar(r.doc)
		if err != nil {
			l.log.WithError(err).Errorf("the calendar %s cannot be read: tasks that use it end as errors when they are planned", r.id)
		}
		next[r.id] = calendar{parsed: parsed, err: err}
		if was && old.err == nil && err == nil && old.parsed.Equal(parsed) {
			return
		}
	}
	l.calendars.Store(&next)
	for id := range l.calendarUsers[r.id] {
		if _, e := l.table.find(id); e != nil && e.act == nil {
			l.want(e)
		}
	}
}

// noteCalendars remembers which calendars a planned task uses.
func (l *loop) noteCalendars(t *task.Task) {
	for _, id := range t.Calendars(l.view()) {
		join(l.calendarUsers, id, t.ID)
	}
}
