package worker

import "container/heap"

// dueQueue holds the due tasks of one worker's name in order of date. A task that leaves the queue otherwise than by pop
// leaves a stale place behind, which pop passes over: the caller tells stale places by the entry's state.
type dueQueue struct {
	places places
	count  uint64
}

type place struct {
	due   int64
	order uint64 // of arrival, for tasks of one date
	index uint32
}

type places []place //nolint:recvcheck // the receivers that container/heap wants

func (p places) Len() int { return len(p) }
func (p places) Less(i, j int) bool {
	return p[i].due < p[j].due || p[i].due == p[j].due && p[i].order < p[j].order
}
func (p places) Swap(i, j int) { p[i], p[j] = p[j], p[i] }
func (p *places) Push(x any)   { *p = append(*p, x.(place)) } //nolint:errcheck,forcetypeassert // container/heap gives back what push put in
func (p *places) Pop() any {
	old := *p
	last := old[len(old)-1]
	*p = old[:len(old)-1]
	return last
}

func (q *dueQueue) len() int { return len(q.places) }

func (q *dueQueue) push(index uint32, due int64) {
	q.count++
	heap.Push(&q.places, place{due: due, order: q.count, index: index})
}

// pop gives the place with the earliest date.
func (q *dueQueue) pop() (place, bool) {
	if len(q.places) == 0 {
		return place{}, false
	}
	return heap.Pop(&q.places).(place), true //nolint:errcheck,forcetypeassert // container/heap gives back what push put in
}
