package httpd

import (
	"fmt"
	"hash/crc32"
	"net/http"
	"strings"

	"github.com/adlayer/after/store"
)

// What CouchDB tells about shards is answered as by a cluster of one node. Nothing is divided: the number is the one that was asked for.

// shardRange is one of so many ranges of the hashes of ids.
func shardRange(shard, shards int) string {
	const all = 1 << 32
	size := all / shards
	end := (shard+1)*size - 1
	if shard == shards-1 {
		end = all - 1
	}
	return fmt.Sprintf("%08x-%08x", shard*size, end)
}

// maxShards is how many a database can have been asked for.
const maxShards = 4096

// shards answers _shards, and _shards/{document}.
func (c *call) shards() error {
	if err := c.allow(http.MethodGet); err != nil {
		return err
	}
	n := c.db.Shards()
	if len(c.path) == 1 {
		ranges := map[string][]string{}
		for i := range n {
			ranges[shardRange(i, n)] = []string{nodeName}
		}
		return c.answerValue(map[string]any{"shards": ranges})
	}
	id := strings.Join(c.path[1:], "/")
	if err := c.s.store.CheckID(id); err != nil {
		return err
	}
	shard := min(int(crc32.ChecksumIEEE([]byte(id)))/((1<<32)/n), n-1)
	return c.answerValue(map[string]any{"range": shardRange(shard, n), "nodes": []string{nodeName}})
}

// syncShards has nothing to do.
func (c *call) syncShards() error {
	if err := c.needAdmin(); err != nil {
		return err
	}
	if err := c.allow(http.MethodPost); err != nil {
		return err
	}
	return c.answer(http.StatusAccepted, []byte(`{"ok":true}`))
}

// clusterOptions reads what a new database is asked to be: the number of shards, and what only a cluster can keep.
func (c *call) clusterOptions() (shards int, err error) {
	shards = max(1, c.s.settings.now().shards)
	for _, name := range []string{"q", "n"} {
		if !c.q.Has(name) {
			continue
		}
		n, ok := positive(c.q.Get(name))
		if !ok || n > maxShards {
			return 0, store.BadRequest("The `%s` value should be a positive integer.", name)
		}
		if name == "q" {
			shards = n
		}
	}
	if c.q.Has("placement") {
		for rule := range strings.SplitSeq(c.q.Get("placement"), ",") {
			zone, copies, _ := strings.Cut(rule, ":")
			if _, ok := positive(copies); !ok || zone == "" {
				return 0, store.BadRequest("The `placement` value should be in a format `zone:n`.")
			}
		}
	}
	if c.q.Has("engine") && c.q.Get("engine") != "couch" {
		return 0, store.BadRequest("invalid_engine_extension")
	}
	return shards, nil
}
