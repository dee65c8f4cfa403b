package worker

import (
	"fmt"
	"testing"
	"time"

	"github.com/adlayer/after/scheduler"
	"github.com/adlayer/after/task"
	"github.com/adlayer/after/when"
)

// TestCalendarsForgetTheirTasks: what a worker knows of tasks that are gone, or that use other calendars now, does not pile up.
func TestCalendarsForgetTheirTasks(t *testing.T) {
	t.Parallel()
	l := &loop{
		config: Config{Now: time.Now}, table: newTable(), wheel: scheduler.New[uint32](), finished: newFinished(), upstreams: newUpstreams(),
		calendarUsers: newCalendarUsers(), alone: map[string]string{}, workersOf: []*named{{}},
	}
	known := calendars{}
	for _, id := range []string{"closed", "holidays"} {
		parsed, err := when.ParseCalendar([]byte(`{"type":"calendar","dates":["2026-12-25"]}`))
		if err != nil {
			t.Fatal(err)
		}
		known[id] = calendar{parsed: parsed}
	}
	l.lasting = l.lastingView()
	l.calendars.Store(&known)
	note := func(id, except string) {
		decoded, err := task.Decode(fmt.Appendf(nil, `{"_id":%q,"worker":"w","job":"j","repeat":{"every":"P1D","except":%q}}`, id, except))
		if err != nil {
			t.Fatal(err)
		}
		l.noteCalendars(decoded)
	}
	for n := range 100 {
		id := fmt.Sprint("t", n)
		i, e := l.add(id, 0)
		note(id, "closed")
		note(id, "holidays")
		if _, uses := l.calendarUsers.of["holidays"][id]; !uses || len(l.calendarUsers.of["closed"]) > 0 {
			t.Fatalf("%s uses another calendar now: %v", id, l.calendarUsers.of)
		}
		l.finish(i, e)
	}
	if of, uses := len(l.calendarUsers.of), len(l.calendarUsers.uses); of+uses > 0 {
		t.Errorf("of tasks that are gone, %d calendars and %d tasks are kept", of, uses)
	}
}
