package script

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
)

// limitProcess lets the kernel refuse what a single allocation would take far beyond the limit, before the watchdog can look. What the process
// has already is not counted.
func limitProcess(memory int64) error {
	none := syscall.Rlimit{}
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &none); err != nil {
		return err
	}
	most := dataSize() + uint64(2*memory) + slack //nolint:gosec // it is positive
	return syscall.Setrlimit(rlimitData, &syscall.Rlimit{Cur: most, Max: most})
}

const (
	rlimitData = 2 // RLIMIT_DATA
	slack      = 1 << 30
)

// dataSize is how much private memory the process may write to.
func dataSize() uint64 {
	raw, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(raw) {
		fields := bytes.Fields(line)
		if len(fields) == 3 && string(fields[0]) == "VmData:" {
			kilobytes, _ := strconv.ParseUint(string(fields[1]), 10, 64)
			return kilobytes << 10
		}
	}
	return 0
}
