package recorded_test

import "github.com/adlayer/after/couch/couchtest"

// unrecorded is what after asks though no recorded exchange shows the answer: each with the reason why CouchDB answers it all the same, and the page of
// CouchDB's documentation that defines it. A new one needs an author who has read that page.
func unrecorded() []couchtest.Unrecorded {
	const (
		changes    = "https://docs.couchdb.org/en/stable/api/database/changes.html"
		find       = "https://docs.couchdb.org/en/stable/api/database/find.html"
		documents  = "https://docs.couchdb.org/en/stable/api/document/common.html"
		bulk       = "https://docs.couchdb.org/en/stable/api/database/bulk-api.html"
		security   = "https://docs.couchdb.org/en/stable/api/database/security.html"
		basics     = "https://docs.couchdb.org/en/stable/api/basics.html"
		setup      = "https://docs.couchdb.org/en/stable/setup/single-node.html"
		filters    = "https://docs.couchdb.org/en/stable/ddocs/ddocs.html#filter-functions"
		selectors  = "selectors of feeds and of partial indexes are those of _find, where the recordings have it"
		asWithGet  = "a POST takes the parameters of a GET, where the recordings have it"
		noBody     = "kivik names the type of a body that it does not send; the method reads none"
		escaped    = "paths are unescaped before anything looks at the method; GET and PUT of such ids are recorded"
		givenBack  = "a stub goes back as it was read; beside \"stub\" and \"revpos\", recorded with PUT, nothing of it is looked at"
		notThere   = "a server that nobody has set up lacks the database of users: 201, or 412 where it is there, as with any database"
		pathAgrees = "the id of the path and of the body are the same one, as recorded with other databases"
	)
	var all []couchtest.Unrecorded
	list := func(place, reason, documented string, uses ...string) {
		for _, use := range uses {
			all = append(all, couchtest.Unrecorded{Place: place, Use: use, Reason: reason, Documented: documented})
		}
	}
	list("POST /{db}/_changes", asWithGet, changes, "?feed=normal", "?heartbeat=<number>", "?since=0", "?since=<since>", "?style=all_docs")
	list("POST /{db}/_changes", selectors, changes, "selector: $exists true", "selector: $gt string", "selector: $in array", "selector: $lt string",
		"selector: $or array", "selector: a field within a field", "selector: equal to a number")
	list("POST /{db}/_index", selectors, find, "selector: $exists false", "selector: $exists true", "selector: $nin array", "selector: $or array")
	list("GET /{db}/_changes", "parameters of a filter function have any name", filters, "?a=<text>")
	for _, place := range []string{"DELETE /{db}", "GET /_all_dbs", "GET /_session", "GET /{db}/_index", "HEAD /{db}", "PUT /{db}"} {
		list(place, noBody, basics, "Content-Type: application/json")
	}
	list("DELETE /{db}/{doc}", escaped, documents, "path with %2B", "path with %2F")
	list("POST /{db}/_bulk_docs", givenBack, documents,
		"body docs[]._attachments.*.digest: string", "body docs[]._attachments.*.length: number", "body docs[]._attachments.*.revpos: number")
	list("POST /{db}/_bulk_get", "the default, spelled out", bulk, "?attachments=false")
	list("PUT /_users", notThere, setup, "")
	list("PUT /_users/{doc}", pathAgrees, documents, "body _id: string")
	list("PUT /{db}/_security", "what a new database has goes back as it was read", security, "body admins.roles[]: string")
	return all
}
