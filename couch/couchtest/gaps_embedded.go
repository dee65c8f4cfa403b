package couchtest

// embeddedGaps are the recorded exchanges that the embedded store answers in another way than CouchDB: most of them because
// what they are about is not built yet.
func embeddedGaps() []Gap {
	return []Gap{
		{"database/create-params#5-10", "partitioned databases are not built"},
		{"database/purge#2-9", "purging is not built"},
		{"documents/ids#24", "net/http refuses an illegal escape by itself, with a 400 that is plain text"},
		{"replication/replicator-sequence#4", "greets with its own name and version"},
		{"security/anonymous#10", "a browser is not sent to a login page"},
		{"security/users-documents#2", "the tests let it hide passwords with fewer rounds, for the sake of time"},
		{"security/users-documents-public#5", "the tests let it hide passwords with fewer rounds, for the sake of time"},
		{"server/welcome#1,3,7-9", "greets with its own name and version"},
	}
}
