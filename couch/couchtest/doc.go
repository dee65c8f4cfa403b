// Package couchtest is the suite that every server must pass which after works with: the parts of CouchDB's protocol that a
// worker, the command line and ordinary clients rely on.
//
// [Run] holds a server against checks that are written down as rules, [Replay] against exchanges that were recorded from a
// real CouchDB 3.5.0. What a server is known not to do is listed by name with a reason; a listed gap that has closed fails the
// test, so that the lists stay true. [Servers] gives the servers that a test can have here.
package couchtest
