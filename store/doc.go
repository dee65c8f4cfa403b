// Package store is the embedded document engine: revision trees, update sequences and feeds on a local, durable key-value store.
//
// A Store holds databases; a Database holds documents, each with CouchDB's revision tree. Writes from all callers meet in one committer,
// which decides them in order, puts them into one batch and syncs it once: a write is answered only when it is on disk, and many concurrent
// writers share one sync. Readers see the last synced state, never wait for a writer, and are woken when it moves. The package knows
// documents, not what they mean; store/httpd serves it in CouchDB's protocol.
package store
