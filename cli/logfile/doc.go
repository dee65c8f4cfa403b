// Package logfile keeps the log files of workers: written with rotation, read from the end, followed through rotation,
// emptied while somebody writes.
//
// A worker's log is `<state>/log/<name>.log`; what was put aside lies beside it as lumberjack names it, with the time
// in the name.
package logfile
