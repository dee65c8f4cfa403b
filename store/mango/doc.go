// Package mango is CouchDB's query language for the embedded store: selectors, JSON indexes, the planner and the answers of _find, _index and _explain.
//
// A selector is compiled once and then matched over the raw bytes of a document: one pass finds the top-level members that it names, nothing is
// decoded. Every comparison, in a selector as in an index, goes through one encoding of JSON values whose bytes compare as CouchDB collates
// (AppendKey), so that what an index finds and what a scan finds cannot differ.
//
// An index lives in a design document of CouchDB's own shape (language "query"), so it replicates. Its rows are brought up to date when a query
// needs them, from the update sequence the index has reached; a write costs an index nothing. What changed since is held over the rows while a
// query reads, so that an answer is exactly the database of one update sequence.
//
// Why not kivik's x/mango and x/collate: they work on decoded documents behind one global lock, and differ from CouchDB where it matters here.
// x/collate compares numbers by the integer part of their difference (1.2 equals 1.9) and puts {} after {"a":1}; x/mango cannot tell null from
// missing, has no array indexes in paths, and gives none of CouchDB's error names. Both remain as the second implementation in the tests, where
// they are right. String order is that of golang.org/x/text/collate, as theirs is.
//
// Known differences from CouchDB: a $regex has no recursion, no branch reset and no verbs, and is cut off by time and not by steps; a bookmark of
// another index is refused; an _id within a JSON index of several fields is ordered by its bytes, as _all_docs is.
package mango
