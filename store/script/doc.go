// Package script runs the JavaScript of design documents: validation functions and filters.
//
// The functions run in child processes, which speak the line protocol of CouchDB's query servers: a command is a JSON array on a line of its
// own, and so is its answer. goja, which interprets them, can be interrupted and bounds its stack, but neither its memory nor what a single
// built-in function takes; a process has bounds that hold, and its end harms nobody but the function that caused it. A Pool starts children
// when they are needed, three at most, and ends them when they are not.
//
// A program that uses the package calls Main first, so that it can be its own child.
package script
