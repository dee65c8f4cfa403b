package jobs

import "errors"

// Why a run is told to stop: what context.Cause gives of a job's context once it has ended. After ErrDraining and ErrLeaseLost the firing runs
// again, here or elsewhere.
var (
	ErrCanceled  = errors.New("the task was canceled")
	ErrDeleted   = errors.New("the task was deleted")
	ErrTimeout   = errors.New("the run took longer than its timeout")
	ErrDraining  = errors.New("the worker is stopping")
	ErrLeaseLost = errors.New("another member holds the worker's name")
	ErrOverlap   = errors.New("the task's next date came while it ran, and its overlap is \"cancel\"")
)
