package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
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

// measureFeed times the way of a document from the start of its PUT to the continuous feed of another connection.
func measureFeed(ctx context.Context, h *host) ([]figure, error) {
	const n, warm = 1500, 100
	db, err := h.create(ctx, "feed")
	if err != nil {
		return nil, err
	}
	rows, stop, err := db.follow(ctx)
	if err != nil {
		return nil, err
	}
	defer stop()
	c, err := dial(ctx, h.address)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var took []float64
	for i := range n {
		request := db.put(i)
		began := time.Now()
		if _, err := c.do(request); err != nil {
			return nil, err
		}
		arrived, ok := <-rows
		if !ok {
			return nil, errors.New("the feed ended")
		}
		if i >= warm {
			took = append(took, arrived.Sub(began).Seconds()*1000)
		}
	}
	slices.Sort(took)
	return []figure{
		{Name: "from PUT to the feed, p50", Value: percentile(took, 0.5), Unit: "ms", Aim: 0.28, Less: true},
		{Name: "p99", Value: percentile(took, 0.99), Unit: "ms", Aim: 0.8, Less: true},
	}, db.drop(ctx)
}

// follow tells when rows of the database's continuous feed arrive.
func (d *database) follow(ctx context.Context) (rows <-chan time.Time, stop func(), err error) {
	c, err := dial(ctx, d.address)
	if err != nil {
		return nil, nil, err
	}
	answer, err := c.begin(d.request("GET", d.path+"/_changes?feed=continuous&since=0&heartbeat=10000", nil)) //nolint:bodyclose // stop closes it
	if err != nil {
		return nil, nil, errors.Join(err, c.Close())
	}
	arrived, done := make(chan time.Time, 1), make(chan struct{})
	go func() {
		defer close(arrived)
		lines := bufio.NewReader(answer.Body)
		for {
			line, err := lines.ReadSlice('\n')
			if err != nil {
				return
			}
			if !bytes.HasPrefix(line, []byte("{")) {
				continue
			}
			select {
			case arrived <- time.Now():
			case <-done:
				return
			}
		}
	}()
	return arrived, func() {
		close(done)
		_ = c.Close()
		_ = answer.Body.Close()
	}, nil
}
