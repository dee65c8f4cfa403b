package embedded_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/sirupsen/logrus/hooks/test"

	"github.com/adlayer/after/cli/embedded"
	"github.com/adlayer/after/store/storetest"
)

// probed counts how often somebody looks for room: asks how much there is, where the disk tells, and else writes.
type probed struct {
	*storetest.Disk

	times atomic.Int64
}

func (p *probed) GetDiskUsage(path string) (vfs.DiskUsage, error) {
	if p.Tells {
		p.times.Add(1)
	}
	return p.Disk.GetDiskUsage(path)
}

func (p *probed) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if !p.Tells && strings.HasSuffix(name, "probe.tmp") {
		p.times.Add(1)
	}
	return p.Disk.Create(name, category)
}

// TestDiskWithLittleRoom: a disk that was full and has room for something, but not for what opening the store writes, leaves the store to be read, by and
// by also where nobody knows how much room there is before it is used up. Else the disk as a whole tells, or a quota when room is to be reserved.
func TestDiskWithLittleRoom(t *testing.T) {
	t.Parallel()
	for name, disk := range map[string]struct{ tells, reserves bool }{"told": {tells: true}, "quota": {reserves: true}, "neither": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := storetest.NewDisk(8 << 20)
			d.Tells, d.Reserves = disk.tells, disk.reserves
			littleRoom(t, &probed{Disk: d})
		})
	}
}

func littleRoom(t *testing.T, disk *probed) {
	t.Helper()
	o := options(t, "data", "127.0.0.1:0")
	log, _ := test.NewNullLogger()
	anew := make(hook, 1)
	log.AddHook(anew)
	o.Log, o.FS = log, disk
	server, err := embedded.Serve(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	ask := asker(t, server.Address())
	ask("PUT", "/db", "")
	answered := 0
	for {
		pad := make([]byte, 128<<10)
		_, _ = rand.Read(pad)
		if status, _ := ask("PUT", fmt.Sprintf("/db/%d", answered), fmt.Sprintf(`{"pad":"%x"}`, pad)); status != 201 {
			break
		}
		answered++
	}
	disk.Resize(3 << 20)
	before := disk.Used()
	knows := disk.Tells || disk.Reserves
	const looks = 4 // of which others than those who know find out by opening
	read := 0
	for first, start := disk.times.Load(), time.Now(); disk.times.Load() < first+looks; time.Sleep(10 * time.Millisecond) {
		if status, answer := reading(t, server.Address()); status == 200 {
			read++
		} else if knows {
			t.Error("reading with little room:", status, answer)
		}
		if time.Since(start) > 2*time.Minute {
			t.Fatal("nobody looks for room")
		}
	}
	if status, _ := ask("GET", "/_up", ""); status != 503 || read == 0 {
		t.Errorf("the store says it is up (%d), or could never be read (%d)", status, read)
	}
	if more := disk.Used() - before; more > probeSize {
		t.Errorf("looking for room has taken %d bytes", more)
	}
	disk.Resize(100 << 20)
	select {
	case <-anew:
	case <-time.After(2 * time.Minute):
		t.Fatal("the store is not opened again")
	}
	if status, answer := ask("PUT", "/db/after", "{}"); status != 201 {
		t.Error(status, answer)
	}
	for n := range answered {
		if status, answer := ask("GET", fmt.Sprintf("/db/%d", n), ""); status != 200 {
			t.Errorf("%d was answered and is lost: %d %s", n, status, answer)
		}
	}
}

const probeSize = 1 << 20 // what looking for room may take for a moment

// reading reads a document of a server that may be about to open its store, 0 where it ends the request.
func reading(t *testing.T, address string) (status int, answer string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/db/0", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth("a", "b")
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	return response.StatusCode, string(raw[:min(len(raw), 100)])
}

// TestProbeLeftBehind: what a process left that died while it looked for room goes with the next opening, which may need the room.
func TestProbeLeftBehind(t *testing.T) {
	t.Parallel()
	o := options(t, "data", "127.0.0.1:0")
	const room = 1 << 20
	fs := storetest.NewDisk(room)
	o.FS = fs
	if err := fs.MkdirAll("data", 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := fs.Create("data/probe.tmp", vfs.WriteCategoryUnspecified)
	if err == nil {
		_, err = f.Write(make([]byte, room))
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	server, err := embedded.Serve(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := fs.Stat("data/probe.tmp"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is still there: %v", err)
	}
}
