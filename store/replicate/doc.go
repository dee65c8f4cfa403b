// Package replicate copies what one database has and another lacks, in CouchDB's replication protocol: a feed of changes from the source, the
// question to the target which of their revisions it misses, those revisions with their histories, and checkpoints on both ends, so that a
// later replication goes on where this one ended.
//
// Both ends are addressed over HTTP. A database of the server itself is reached through a http.RoundTripper that calls the server's handler
// without a socket, so that to the replicator all ends are the same.
package replicate
