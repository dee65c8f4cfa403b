// Package fleet knows the members of a fleet and which of them holds which worker's name.
//
// A process is a member. Its id lives in its state folder under a lock, its incarnation is new at every start. Two kinds
// of documents in the database `<tasks>-fleet` say all that others need to know:
//
//	{"_id": "member:<id>",   "type": "member", "beat": 17, "workers": [...], ...}   one heartbeat every five seconds
//	{"_id": "worker:<name>", "type": "lease",  "member": "<id>", "incarnation": "..."}   who holds the name
//
// # How long a lease holds
//
// A lease lives as long as its member's heartbeat: a reader that has seen no change of the member's document for
// [Validity], on its own monotonic clock, counted from the moment it saw the last one, may take the name. Clocks of
// different machines are never compared. The holder in its turn counts from the moment it sent its last accepted
// heartbeat, and stops starting tasks (see [Member.MayStart]) a [Margin] before anybody else may take over, so that no
// two members start tasks under one name at the same time.
//
// Who takes a name writes the lease with the revision it has read, and reads it back: in a cluster, where two nodes can
// accept the same revision, the revision that the database shows as the winner has the name.
package fleet
