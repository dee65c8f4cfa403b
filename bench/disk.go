package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// measureDisk times what a durable write costs on this disk: the least that any write of the store can take.
func measureDisk(_ context.Context, r *rig) ([]figure, error) {
	file, err := os.Create(filepath.Join(r.folder, "sync"))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	block := make([]byte, 4096)
	took := make([]float64, 0, 1000)
	for range cap(took) {
		if _, err := file.Write(block); err != nil {
			return nil, err
		}
		began := time.Now()
		if err := syncData(file); err != nil {
			return nil, err
		}
		took = append(took, float64(time.Since(began).Nanoseconds())/1e3)
	}
	slices.Sort(took)
	return []figure{
		{Name: "fdatasync after 4 KiB, p50", Value: percentile(took, 0.5), Unit: "µs"},
		{Name: "p99", Value: percentile(took, 0.99), Unit: "µs"},
	}, nil
}
