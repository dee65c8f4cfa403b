package store

import "fmt"

// Report says how a store is doing. Sizes are in bytes.
type Report struct {
	UUID        string          `json:"uuid"`
	Format      int             `json:"format"`
	Databases   []DatabaseStats `json:"databases"`
	Disk        uint64          `json:"disk"` // of all files
	Log         uint64          `json:"log"`  // of which for writes that are not sorted into tables yet
	Cache       CacheStats      `json:"cache"`
	Memtables   MemtableStats   `json:"memtables"`
	Compactions CompactionStats `json:"compactions"`
	Failed      string          `json:"failed,omitempty"` // why nothing can be written
}

// DatabaseStats are those of one database.
type DatabaseStats struct {
	Name       string `json:"name"`
	Docs       int64  `json:"docs"`
	Deleted    int64  `json:"deleted"`
	Seq        uint64 `json:"seq"`
	Superseded int64  `json:"superseded"` // revisions no longer current whose bodies may still be there
	Disk       uint64 `json:"disk"`       // about
	Compacting bool   `json:"compacting"`
}

// CacheStats are those of the cache of blocks read from disk.
type CacheStats struct {
	Size   int64 `json:"size"`
	Hits   int64 `json:"hits"`
	Misses int64 `json:"misses"`
}

// MemtableStats are those of the tables in memory in which writes gather.
type MemtableStats struct {
	Size  uint64 `json:"size"`
	Count int64  `json:"count"`
}

// CompactionStats are those of the engine's merging of tables.
type CompactionStats struct {
	Count   int64  `json:"count"`
	Running int64  `json:"running"`
	Debt    uint64 `json:"debt"` // how much is to be merged, about
}

// Stats tells how the store is doing.
func (s *Store) Stats() (Report, error) {
	v := s.views.acquire() // it keeps the engine open, too
	if v == nil {
		return Report{}, ErrClosed
	}
	defer s.views.release(v)
	m := s.db.Metrics()
	st := Report{
		UUID: s.uuid, Format: formatVersion, Databases: []DatabaseStats{}, Disk: m.DiskSpaceUsage(), Log: m.WAL.PhysicalSize,
		Cache:       CacheStats{m.BlockCache.Size, m.BlockCache.Hits, m.BlockCache.Misses},
		Memtables:   MemtableStats{m.MemTable.Size, m.MemTable.Count},
		Compactions: CompactionStats{m.Compact.Count, m.Compact.NumInProgress, m.Compact.EstimatedDebt},
	}
	if err := s.Failed(); err != nil {
		st.Failed = shortly(err)
	}
	for _, name := range s.Databases() {
		db, err := s.Database(name)
		if err != nil {
			continue // dropped meanwhile
		}
		snap, err := db.Snapshot()
		if IsNotFound(err) {
			continue
		}
		if err != nil {
			return Report{}, fmt.Errorf("counting what is in %s: %w", name, err)
		}
		c, disk := snap.stats, snap.Stats().Disk
		if err := snap.Close(); err != nil {
			return Report{}, err
		}
		st.Databases = append(st.Databases, DatabaseStats{name, c.Docs, c.Deleted, c.Seq, c.Superseded, disk, db.Compacting()})
	}
	return st, nil
}
