package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// measurePut writes new documents one by one.
func measurePut(ctx context.Context, h *host) ([]figure, error) {
	db, err := h.create(ctx, "put")
	if err != nil {
		return nil, err
	}
	var figures []figure
	next := 0
	for _, round := range []struct {
		clients, n int
		name       string
		aim        float64
	}{{1, 4000, "1 client", 1100}, {16, 12_000, "16 clients", 3400}, {64, 20_000, "64 clients", 6000}} {
		n := round.n
		if h.bed == nil {
			n /= 5 // enough for a rate, and it is the slower one
		}
		requests := make([][]byte, n)
		for i := range requests {
			requests[i] = db.put(next)
			next++
		}
		took, err := h.each(ctx, round.clients, requests, func(int, []byte) error { return nil })
		if err != nil {
			return nil, err
		}
		figures = append(figures, figure{Name: "PUT, " + round.name, Value: rate(n, took), Unit: "docs/s", Aim: round.aim})
	}
	return figures, db.drop(ctx)
}

func (d *database) put(i int) []byte { return d.request("PUT", d.path+"/"+documentID(i), document(i)) }

// measureFeed times the way of a document from the start of its PUT to the continuous feed of another connection. Both are read by one goroutine,
// the feed first and as it comes: what wakes up to measure would take a good part of what is measured.
func measureFeed(ctx context.Context, h *host) ([]figure, error) {
	const n, warm = 1500, 100
	db, err := h.create(ctx, "feed")
	if err != nil {
		return nil, err
	}
	rows, err := db.follow(ctx)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	c, err := dial(ctx, h.address)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := c.block(); err != nil {
		return nil, err
	}
	var took []float64
	for i := range n {
		request := db.put(i)
		began := time.Now()
		if _, err := c.Write(request); err != nil {
			return nil, err
		}
		if err := rows.next(); err != nil {
			return nil, err
		}
		if i >= warm {
			took = append(took, time.Since(began).Seconds()*1000)
		}
		if _, err := c.answer(request); err != nil {
			return nil, err
		}
	}
	slices.Sort(took)
	return []figure{
		{Name: "from PUT to the feed, p50", Value: percentile(took, 0.5), Unit: "ms", Aim: 0.28, Less: true},
		{Name: "p99", Value: percentile(took, 0.99), Unit: "ms", Aim: 0.8, Less: true},
	}, db.drop(ctx)
}

// feedRows are the rows of a continuous feed.
type feedRows struct {
	*conn

	lines *bufio.Reader
}

// follow opens the database's continuous feed.
func (d *database) follow(ctx context.Context) (*feedRows, error) {
	c, err := dial(ctx, d.address)
	if err != nil {
		return nil, err
	}
	if err := c.block(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	answer, err := c.begin(d.request("GET", d.path+"/_changes?feed=continuous&since=0&heartbeat=10000", nil)) //nolint:bodyclose // the connection is closed
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return &feedRows{c, bufio.NewReader(answer.Body)}, nil
}

// next waits for a row.
func (f *feedRows) next() error {
	for {
		line, err := f.lines.ReadSlice('\n')
		if err != nil {
			return fmt.Errorf("following the feed: %w", err)
		}
		if line[0] == '{' {
			return nil
		}
	}
}
