package task

// name is a top-level field that after knows.
type name uint8

const (
	unknown name = iota
	fieldID
	fieldRev
	fieldDeleted
	fieldType
	fieldWorker
	fieldJob
	fieldTimezone
	fieldRepeat
	fieldRetry
	fieldTimeout
	fieldMissed
	fieldDelivery
	fieldSite
	fieldOverlap
	fieldExpires
	fieldPauseAfter
	fieldAfter
	fieldWhen
	fieldNote
	fieldData
	fieldTags
	fieldCallback
	fieldNotify
	fieldExpect
	// From here on: what a worker writes, in the order in which it is appended to a document without it.
	fieldStatus
	fieldDate
	fieldPlan
	fieldClaim
	fieldExecutions
	fieldRepetitions
	fieldRetries
	fieldSkipped
	fieldFailures
	fieldStarted
	fieldFinished
	fieldDuration
	fieldLag
	fieldResult
	fieldError
	fieldHistory
	names // how many there are
)

// String gives the field's name in the document.
func (n name) String() string {
	return [names]string{
		"", "_id", "_rev", "_deleted", "type", "worker", "job", "timezone", "repeat", "retry", "timeout", "missed", "delivery",
		"site", "overlap", "expires", "pause_after", "after", "when", "note", "data", "tags", "callback", "notify", "expect", "status", "date", "plan", "claim", "executions",
		"repetitions", "retries", "skipped", "failures", "started", "finished", "duration", "lag", "result", "error", "history",
	}[n]
}

// nameOf knows a field by its key, without quotes and escapes.
func nameOf(key []byte) name {
	switch string(key) {
	case "_id":
		return fieldID
	case "_rev":
		return fieldRev
	case "_deleted":
		return fieldDeleted
	case "type":
		return fieldType
	case "worker":
		return fieldWorker
	case "job":
		return fieldJob
	case "timezone":
		return fieldTimezone
	case "repeat":
		return fieldRepeat
	case "retry":
		return fieldRetry
	case "timeout":
		return fieldTimeout
	case "missed":
		return fieldMissed
	case "delivery":
		return fieldDelivery
	case "site":
		return fieldSite
	case "overlap":
		return fieldOverlap
	case "expires":
		return fieldExpires
	case "pause_after":
		return fieldPauseAfter
	case "after":
		return fieldAfter
	case "when":
		return fieldWhen
	case "note":
		return fieldNote
	case "data":
		return fieldData
	case "tags":
		return fieldTags
	case "callback":
		return fieldCallback
	case "notify":
		return fieldNotify
	case "expect":
		return fieldExpect
	}
	return writtenNameOf(key)
}

// writtenNameOf knows the fields that a worker writes.
func writtenNameOf(key []byte) name {
	switch string(key) {
	case "status":
		return fieldStatus
	case "date":
		return fieldDate
	case "plan":
		return fieldPlan
	case "claim":
		return fieldClaim
	case "executions":
		return fieldExecutions
	case "repetitions":
		return fieldRepetitions
	case "retries":
		return fieldRetries
	case "skipped":
		return fieldSkipped
	case "failures":
		return fieldFailures
	case "started":
		return fieldStarted
	case "finished":
		return fieldFinished
	case "duration":
		return fieldDuration
	case "lag":
		return fieldLag
	case "result":
		return fieldResult
	case "error":
		return fieldError
	case "history":
		return fieldHistory
	}
	return unknown
}

// nameSet is a set of names.
type nameSet uint64

func (s *nameSet) has(n name) bool { return *s&(1<<n) != 0 }

func (s *nameSet) add(all ...name) {
	for _, n := range all {
		*s |= 1 << n
	}
}

// span is one field of a document: where its key, with quotes, and its value lie in the raw bytes.
type span struct {
	key, keyEnd, value, end uint32
	name                    name
}
