// Package process knows the processes of after on this machine: who runs, how to ask them to end, how to start one
// in the background.
//
// Each process has two files in the folder `run` of the state folder, named after its process id: `<pid>.json` says
// what it runs, and `<pid>.lock` is locked for as long as it lives. The lock, not the id, says that a process lives:
// an id may long belong to somebody else. What a dead process left behind is removed by whoever meets it.
package process
