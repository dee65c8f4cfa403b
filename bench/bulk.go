package main

import (
	"bytes"
	"context"
	"fmt"
)

// bulkDocs is how many documents each rate of _bulk_docs is measured with.
const bulkDocs = 40_000

// measureBulk writes new documents and then a revision of each, in databases of their own.
func measureBulk(ctx context.Context, h *host) ([]figure, error) {
	var figures []figure
	for _, clients := range []int{1, 4} {
		for _, batch := range []int{100, 500, 1000} {
			created, updated, err := h.bulkRates(ctx, batch, clients)
			if err != nil {
				return nil, err
			}
			how := fmt.Sprintf("batches of %d, %d clients", batch, clients)
			if clients == 1 {
				how = fmt.Sprintf("batches of %d, 1 client", batch)
			}
			first, second := figure{Name: "new, " + how, Value: created, Unit: "docs/s"}, figure{Name: "update, " + how, Value: updated, Unit: "docs/s"}
			if batch == 500 && clients == 4 {
				first.Aim, second.Aim = 58_000, 42_500
			}
			figures = append(figures, first, second)
		}
	}
	return figures, nil
}

func (h *host) bulkRates(ctx context.Context, batch, clients int) (created, updated float64, err error) {
	db, err := h.create(ctx, fmt.Sprintf("bulk-%d-%d", batch, clients))
	if err != nil {
		return 0, 0, err
	}
	answers := make([][]byte, bulkDocs/batch)
	took, err := h.each(ctx, clients, db.bulks(batch, document), func(i int, answer []byte) error {
		answers[i] = bytes.Clone(answer)
		return nil
	})
	if err != nil {
		return 0, 0, err
	}
	created = rate(bulkDocs, took)
	revs := make([]string, bulkDocs)
	for i, answer := range answers {
		if err := revsOf(answer, revs[i*batch:(i+1)*batch]); err != nil {
			return 0, 0, err
		}
	}
	updates := db.bulks(batch, func(i int) []byte { return documentAt(i, revs[i], 9) })
	took, err = h.each(ctx, clients, updates, func(_ int, answer []byte) error {
		if n := bytes.Count(answer, []byte(`"ok":true`)); n != batch {
			return fmt.Errorf("%d of %d documents were written", n, batch)
		}
		return nil
	})
	if err != nil {
		return 0, 0, err
	}
	return created, rate(bulkDocs, took), db.drop(ctx)
}

// bulks are the requests that write all documents.
func (d *database) bulks(batch int, doc func(i int) []byte) [][]byte {
	requests := make([][]byte, 0, bulkDocs/batch)
	for first := 0; first < bulkDocs; first += batch {
		requests = append(requests, d.request("POST", d.path+"/_bulk_docs", bulkBody(first, first+batch, doc)))
	}
	return requests
}
