package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

const million = 1_000_000

// fill makes the database of a million documents where it is not there yet.
func (h *host) fill(ctx context.Context) ([]figure, error) {
	if h.million != nil {
		return nil, nil
	}
	db, took, err := h.filled(ctx, "million", million)
	if err != nil {
		return nil, err
	}
	h.million = db
	return []figure{{Name: "a million written, batches of 1000, 4 clients", Value: rate(million, took), Unit: "docs/s"}}, nil
}

// filled makes a database of n documents, and tells how long it took.
func (h *host) filled(ctx context.Context, name string, n int) (*database, time.Duration, error) {
	db, err := h.create(ctx, name)
	if err != nil {
		return nil, 0, err
	}
	// Bodies are made while others are on their way: all of them would be a third of a gigabyte.
	const batch, clients = 1000, 4
	conns := make(chan *conn, clients)
	for range clients {
		c, err := dial(ctx, h.address)
		if err != nil {
			return nil, 0, err
		}
		defer c.Close()
		conns <- c
	}
	began := time.Now()
	err = spread(ctx, n, batch, clients, func(_ context.Context, first, end int) error {
		request := db.request("POST", db.path+"/_bulk_docs", bulkBody(first, end, document))
		c := <-conns
		defer func() { conns <- c }()
		_, err := c.do(request)
		return err
	})
	return db, time.Since(began), err
}

// measureScan reads changes with their documents from the start of the feed.
func measureScan(ctx context.Context, h *host) ([]figure, error) {
	const n = 200_000
	c, err := dial(ctx, h.address)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	began := time.Now()
	lines, err := c.lines(h.request("GET", fmt.Sprintf("%s/_changes?include_docs=true&limit=%d", h.million.path, n), nil))
	took := time.Since(began)
	if err == nil && lines < n {
		err = fmt.Errorf("the feed gave %d lines of %d", lines, n)
	}
	return []figure{{Name: "changes with documents", Value: rate(n, took), Unit: "docs/s", Aim: 52_000}}, err
}

// measureGet reads documents from all over the million, a thousand at a time: in any order, and those of one neighbourhood; and in any order out of a
// database of a hundred thousand.
func measureGet(ctx context.Context, h *host) ([]figure, error) {
	const small = 100_000
	random := rand.New(rand.NewPCG(3, 4))
	near, err := h.million.getRate(ctx, "neighbours of a million", func() func(int) int {
		first := random.IntN(million - getBatch)
		return func(k int) int { return first + k }
	})
	if err != nil {
		return nil, err
	}
	anywhere, err := h.million.getRate(ctx, "from anywhere in a million", func() func(int) int { return func(int) int { return random.IntN(million) } })
	if err != nil {
		return nil, err
	}
	db, _, err := h.filled(ctx, "small", small)
	if err != nil {
		return nil, err
	}
	of, err := db.getRate(ctx, "from anywhere in 100,000", func() func(int) int { return func(int) int { return random.IntN(small) } })
	return []figure{near, anywhere, of}, errors.Join(err, db.drop(ctx))
}

const getBatch = 1000

// getRate reads batches of documents, those that which names for each.
func (d *database) getRate(ctx context.Context, name string, which func() func(k int) int) (figure, error) {
	const rounds = 100
	requests := make([][]byte, rounds)
	for i := range requests {
		requests[i] = d.bulkGet(getBatch, which())
	}
	took, err := d.each(ctx, 1, requests, func(_ int, answer []byte) error {
		if n := strings.Count(string(answer), `"ok":`); n != getBatch {
			return fmt.Errorf("%d documents of %d", n, getBatch)
		}
		return nil
	})
	return figure{Name: "_bulk_get of 1000 " + name, Value: rate(getBatch*rounds, took), Unit: "docs/s", Aim: 45_500}, err
}

func (d *database) bulkGet(n int, which func(k int) int) []byte {
	body := []byte(`{"docs":[`)
	for k := range n {
		if k > 0 {
			body = append(body, ',')
		}
		body = fmt.Appendf(body, `{"id":"%s"}`, documentID(which(k)))
	}
	return d.request("POST", d.path+"/_bulk_get", append(body, "]}"...))
}

// measureFind makes an index and asks it for one in a thousand of the documents.
func measureFind(ctx context.Context, h *host) ([]figure, error) {
	const rounds = 50
	db := h.million
	if _, err := h.once(ctx, "POST", db.path+"/_index", []byte(`{"index":{"fields":["group"]},"ddoc":"groups","name":"groups"}`)); err != nil {
		return nil, err
	}
	c, err := dial(ctx, h.address)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	find := func(group int) (time.Duration, error) {
		request := db.request("POST", db.path+"/_find", fmt.Appendf(nil, `{"selector":{"group":"g%d"},"limit":2000,"use_index":"groups"}`, group))
		began := time.Now()
		answer, err := c.do(request)
		took := time.Since(began)
		if err == nil && strings.Count(string(answer), `"_id":`) != million/1000 {
			err = fmt.Errorf("_find gave %d documents of %d", strings.Count(string(answer), `"_id":`), million/1000)
		}
		return took, err
	}
	built, err := find(0)
	if err != nil {
		return nil, err
	}
	took := make([]float64, rounds)
	for i := range took {
		each, err := find(1 + i*17%999)
		if err != nil {
			return nil, err
		}
		took[i] = each.Seconds() * 1000
	}
	slices.Sort(took)
	return []figure{
		{Name: "first _find, which builds the index", Value: built.Seconds(), Unit: "s"},
		{Name: "_find of 1,000 of the million, p50", Value: percentile(took, 0.5), Unit: "ms"},
	}, nil
}

// measureRest tells what the million costs while nobody asks for it: on disk, in memory, and at the next start.
func measureRest(ctx context.Context, h *host) ([]figure, error) {
	if h.bed == nil {
		size, err := h.million.fileSize(ctx)
		return []figure{{Name: "disk for each document", Value: size / million, Unit: "bytes"}}, err
	}
	if err := rest(ctx); err != nil {
		return nil, err
	}
	size, err := h.million.fileSize(ctx)
	if err != nil {
		return nil, err
	}
	used, err := h.bed.resident()
	if err != nil {
		return nil, err
	}
	took, err := h.bed.restart(ctx)
	if err != nil {
		return nil, err
	}
	if err := rest(ctx); err != nil {
		return nil, err
	}
	anew, err := h.bed.resident()
	return []figure{
		{Name: "disk for each document", Value: size / million, Unit: "bytes"},
		{Name: "resident memory, some seconds after the work before", Value: used, Unit: "MB", Aim: 100, Less: true},
		{Name: "from the start of the process to the first answer", Value: took.Seconds(), Unit: "s", Aim: 1, Less: true},
		{Name: "resident memory, some seconds after that", Value: anew, Unit: "MB", Aim: 100, Less: true},
	}, err
}

// rest leaves a server alone for as long as it may have something to do.
func rest(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(15 * time.Second):
		return nil
	}
}

// fileSize is what a database takes on disk, as the server says.
func (d *database) fileSize(ctx context.Context) (float64, error) {
	answer, err := d.once(ctx, "GET", d.path, nil)
	if err != nil {
		return 0, err
	}
	var info struct {
		Sizes struct {
			File float64 `json:"file"`
		} `json:"sizes"`
	}
	if err := json.Unmarshal(answer, &info); err != nil {
		return 0, err
	}
	if info.Sizes.File == 0 {
		err = errors.New("the server does not say how large the database is")
	}
	return info.Sizes.File, err
}
