package couchtest

// pouchGaps are the checks that PouchDB Server 4.2.0 fails.
func pouchGaps() map[string]string {
	return map[string]string{}
}

// embeddedGaps are the recorded exchanges that the embedded store answers in another way than CouchDB.
func embeddedGaps() []Gap { return nil }
