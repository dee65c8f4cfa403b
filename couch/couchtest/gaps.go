package couchtest

// pouchGaps are the checks that PouchDB Server 4.2.0 fails, each with what it does instead.
func pouchGaps() map[string]string {
	return map[string]string{
		"server/welcome":                    "greets in its own words, not with couchdb: Welcome",
		"server/up":                         "has no _up",
		"server/uuids":                      "makes uuids with hyphens",
		"auth/none":                         "lets anybody read the state of a database that has no members",
		"auth/none-creates":                 "never answers who creates a database without credentials",
		"database/create-and-delete":        "deletes a database that is not there",
		"database/names":                    "takes any name for a database",
		"database/name-with-slash":          "drops the slash from a database's name",
		"database/info-deleted":             "does not count tombstones",
		"document/put-and-get":              "its ETag is not the revision",
		"document/head":                     "its ETag is not the revision",
		"document/delete-needs-the-rev":     "deletes the current revision where none is named",
		"document/deleted-reason":           "says missing of what is deleted",
		"document/unknown-underscore":       "refuses it with a status 500",
		"document/numbers-kept":             "reads numbers into doubles",
		"revision/winner-live-deleted-leaf": "knows no deleted_conflicts",
		"bulk/bad-shapes":                   "refuses them with a status 500 and a page of HTML",
		"bulk/get":                          "makes one row of several for the same document",
		"bulk/get-winner-is-a-tombstone":    "does not find a document whose winner is a tombstone",
		"all-docs/bad-parameters":           "overlooks them",
		"changes/pending":                   "knows no pending",
		"changes/conflicts":                 "names leaves in another order",
		"changes/filter-selector":           "has no _selector filter",
		"changes/filter-selector-last-seq":  "has no _selector filter",
		"changes/bad-parameters":            "overlooks them",
		"longpoll/timeout":                  "knows no timeout",
		"continuous/timeout":                "knows no timeout",
		"continuous/limit":                  "overlooks the limit of a continuous feed",
		"continuous/filter-selector":        "has no _selector filter",
		"eventsource/rows":                  "has no such feed",
		"find/absent-fields":                "takes an absent field for one that differs",
		"find/bookmark":                     "has no bookmarks",
		"find/bad-requests":                 "overlooks some",
		"index/delete":                      "fails on the path of an index with a status 500",
		"index/partial-finds":               "ignores partial indexes",
		"index/partial-follows-writes":      "ignores partial indexes",
		"index/partial-pages":               "ignores partial indexes, and has no bookmarks",
	}
}

// embeddedGaps are the recorded exchanges that the embedded store answers in another way than CouchDB.
func embeddedGaps() []Gap { return nil }
