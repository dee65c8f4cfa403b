// Package jobs is the contract between a worker and the code it runs: how a job is registered, what it is given, and how
// its outcome is read.
//
// A job is a function of a context and a [Task]. It is registered under the name that task documents call it by, plainly
// with [Register] or with arguments and result of the author's own types with [RegisterTyped]:
//
//	type Invoice struct {
//		Customer string  `json:"customer"`
//		Amount   float64 `json:"amount"`
//	}
//
//	func init() {
//		jobs.RegisterTyped("invoice", send, jobs.Describe("sends one invoice"), jobs.Timeout(time.Minute))
//	}
//
//	func send(ctx context.Context, t *jobs.Task, in Invoice) (Receipt, error) { ... }
//
// # What a job may rely on
//
// The context ends when the task is cancelled or deleted, when its timeout passes and when the worker stops;
// [context.Cause] tells which. A job that does not return after that is shown as stuck; nothing can end it.
//
// A job may run more than once for the same firing, where a process died between its start and the writing of its outcome.
// [Task.Key] is then the same: whoever receives the effect can drop the second one.
//
// # What a job answers
//
// The value it returns becomes `result` in the document, encoded as JSON; nil is no result. An error is retried as the
// document's `retry` says, unless it is [Permanent]. [WithResult] gives an
// error a result. [Snooze] puts the firing off without an error. A panic is an error of
// its own kind.
package jobs
