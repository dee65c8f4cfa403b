// Package embedded serves the store inside a process, and has another process of the machine serve it on when that one ends.
package embedded
