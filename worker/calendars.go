package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

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
	q := couch.Query{Selector: json.RawMessage(`{"type":"` + calendarType + `"}`)}
	for p, err := range l.db.FindPages(ctx, q) {
		if err != nil {
			return fmt.Errorf("reading the calendars: %w", err)
		}
		for _, doc := range p.Docs {
			parsed, err := when.ParseCalendar(doc)
			all[gjson.GetBytes(doc, "_id").String()] = calendar{parsed: parsed, err: err}
		}
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
	for id := range l.calendarUsers.of[r.id] {
		switch i, e := l.table.find(id); {
		case e == nil:
		case e.act == nil:
			l.want(e)
		case e.act.run != nil && !e.act.run.beside:
			l.watchOverlap(i, e)
		}
	}
}

// noteCalendars remembers which calendars a planned task uses.
func (l *loop) noteCalendars(t *task.Task) {
	l.calendarUsers.note(t.ID, t.Calendars(l.view()))
}

// calendarUsers are the tasks whose repeats name calendars.
type calendarUsers struct {
	of   map[string]map[string]struct{} // the ids of tasks, by the calendar
	uses map[string][]string            // and the other way round
}

func newCalendarUsers() *calendarUsers {
	return &calendarUsers{of: map[string]map[string]struct{}{}, uses: map[string][]string{}}
}

// note remembers the calendars that a task names now, in place of those that it named before.
func (u *calendarUsers) note(id string, calendars []string) {
	if slices.Equal(u.uses[id], calendars) {
		return
	}
	u.forget(id)
	for _, calendar := range calendars {
		join(u.of, calendar, id)
	}
	if len(calendars) > 0 {
		u.uses[id] = calendars
	}
}

// forget lets go of a task.
func (u *calendarUsers) forget(id string) {
	for _, calendar := range u.uses[id] {
		if delete(u.of[calendar], id); len(u.of[calendar]) == 0 {
			delete(u.of, calendar)
		}
	}
	delete(u.uses, id)
}
