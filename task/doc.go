// Package task is the task document, its statuses and the pure rules that move it.
package task
