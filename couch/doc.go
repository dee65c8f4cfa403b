// Package couch is the client that every part of after speaks to a CouchDB server with: a thin layer over kivik.
//
// Server administration goes through kivik itself. Documents, bulk writes, queries and feeds go through kivik's HTTP layer
// (couchdb/chttp, which knows about addresses and credentials), because there kivik decodes and encodes more than it should:
// it turns each failed row of a bulk write into a status 500, drops the name of an error and cannot follow a continuous feed
// to its clean end. Documents are raw bytes in both directions; nothing here knows what they mean.
//
// A [Client] and its databases are safe for concurrent use. No error, and nothing that is printed, holds a password.
package couch
