// Command bench measures after as its users would meet it: the real binary, the embedded store over its socket, durable
// writes. It prints a table, and with -json the same figures for machines.
//
//	go run ./bench                    all measurements
//	go run ./bench -only drain,burst  some of them; store are all whose names begin with it
//	go run ./bench -json result.json
//	go run ./bench -binary bin/after  of a binary that is there
//
// Where AFTER_TEST_COUCHDB names a CouchDB, http://name:password@host:port, the figures of the store stand beside its. Its databases are named
// after-bench-*, and removed.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// figure is one measured number.
type figure struct {
	Measurement string  `json:"measurement"`
	Name        string  `json:"name"`
	Value       float64 `json:"value"`
	Unit        string  `json:"unit"`
	// CouchDB is what the CouchDB beside the store gave; nil if there is none.
	CouchDB *float64 `json:"couchdb,omitempty"`
	// Aim is what the project aims at: at least the value, or at most where Less is true. Zero means no aim.
	Aim  float64 `json:"aim,omitempty"`
	Less bool    `json:"less,omitempty"`
}

// report is everything that one run measured.
type report struct {
	When    time.Time `json:"when"`
	CPUs    int       `json:"cpus"`
	Go      string    `json:"go"`
	Figures []figure  `json:"figures"`
}

// measurement is one part of a run.
type measurement struct {
	name, about string
	run         func(context.Context, *rig) ([]figure, error)
}

func measurements() []measurement {
	return []measurement{
		{"disk", "fdatasync of the disk that the store writes to", measureDisk},
		{"wheel", "the timer wheel at a million entries", measureWheel},
		{"rules", "the next date of a rule, and reading it", measureRules},
		{"store-bulk", "_bulk_docs, 300-byte documents", fresh(measureBulk)},
		{"store-put", "single PUTs", fresh(measurePut)},
		{"store-feed", "the way from a PUT to a continuous feed", fresh(measureFeed)},
		{"store-scan", "the feed with documents", withMillion(measureScan)},
		{"store-get", "_bulk_get", withMillion(measureGet)},
		{"store-find", "_find by an index", withMillion(measureFind)},
		{"store-rest", "what a million documents cost at rest", withMillion(measureRest)},
		{"raw", "raw _bulk_docs rates of tasks", measureRaw},
		{"drain", "tasks that are all due, no-op job", measureDrain},
		{"flow", "tasks end to end with a producer running", measureFlow},
		{"lateness", "tasks spread over time", measureLateness},
		{"idle", "tasks now and then, at any millisecond", measureIdle},
		{"burst", "tasks on one second", measureBurst},
		{"calls-rate", "calls of a URL, all due", measureCalls},
		{"calls-endpoints", "10,000 endpoints called every ten seconds", measureEndpoints},
		{"posts", "posts into the queue", measurePosts},
		{"notices", "100,000 notices that wait for a mail server", measureNotices},
		{"memory", "sleeping tasks: heap, and time from start to ready", measureMemory},
	}
}

func main() {
	only := flag.String("only", "", "comma-separated names of measurements, or what they begin with up to a dash; empty: all")
	binary := flag.String("binary", "", "measure this binary; empty: one that is built from the source")
	jsonFile := flag.String("json", "", "write the figures to this file as JSON")
	tasks := flag.Int("tasks", 100_000, "tasks of the measurements drain and flow")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *only, *jsonFile, *binary, *tasks); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, only, jsonFile, binary string, tasks int) error {
	chosen, err := choose(only)
	if err != nil {
		return err
	}
	bench, err := newRig(binary, tasks)
	if err != nil {
		return err
	}
	defer bench.close(ctx)
	result := report{When: time.Now().UTC().Truncate(time.Second), CPUs: runtime.NumCPU(), Go: runtime.Version()}
	for _, m := range chosen {
		fmt.Fprintf(os.Stderr, "%s: %s ...\n", m.name, m.about)
		figures, err := m.run(ctx, bench)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		for i := range figures {
			figures[i].Measurement = m.name
		}
		result.Figures = append(result.Figures, figures...)
	}
	result.print()
	if jsonFile == "" {
		return nil
	}
	raw, err := json.MarshalIndent(result, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(jsonFile, append(raw, '\n'), 0o644)
}

func choose(only string) ([]measurement, error) {
	all := measurements()
	if only == "" {
		return all, nil
	}
	var chosen []measurement
	for name := range strings.SplitSeq(only, ",") {
		before := len(chosen)
		for _, m := range all {
			if m.name == name || strings.HasPrefix(m.name, name+"-") {
				chosen = append(chosen, m)
			}
		}
		if len(chosen) == before {
			return nil, fmt.Errorf("there is no measurement %q", name)
		}
	}
	return chosen, nil
}

// print writes the table.
func (r report) print() {
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	beside := slices.ContainsFunc(r.Figures, func(f figure) bool { return f.CouchDB != nil })
	couchdb := ""
	if beside {
		couchdb = "CouchDB\t"
	}
	fmt.Fprintf(table, "measurement\tfigure\tvalue\t%sunit\taim\t\n", couchdb)
	for _, f := range r.Figures {
		if beside {
			couchdb = "\t"
		}
		if f.CouchDB != nil {
			couchdb = number(*f.CouchDB) + "\t"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s%s\t%s\t%s\n", f.Measurement, f.Name, number(f.Value), couchdb, f.Unit, f.aim(), f.verdict())
	}
	_ = table.Flush()
	fmt.Printf("%d CPUs, %s\n", r.CPUs, r.Go)
}

func (f figure) aim() string {
	switch {
	case f.Aim == 0:
		return ""
	case f.Less:
		return "at most " + number(f.Aim)
	}
	return "at least " + number(f.Aim)
}

func (f figure) verdict() string {
	switch {
	case f.Aim == 0:
		return ""
	case f.Less && f.Value <= f.Aim, !f.Less && f.Value >= f.Aim:
		return "met"
	}
	return "SHORT"
}

func number(v float64) string {
	if v >= 100 || v == float64(int64(v)) {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
