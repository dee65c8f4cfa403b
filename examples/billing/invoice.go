package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/adlayer/after/jobs"
)

// Order is the job's arguments: a task's document carries them in job.arguments.
type Order struct {
	Customer string `json:"customer"`
	Lines    []Line `json:"lines"`
	VAT      int64  `json:"vat"` // per cent
}

// Line is one thing sold.
type Line struct {
	Text  string `json:"text"`
	Count int64  `json:"count"`
	Cents int64  `json:"cents"` // each
}

// Invoice is the job's result: it becomes the document's result.
type Invoice struct {
	Number string    `json:"number"`
	Date   time.Time `json:"date"`
	Cents  int64     `json:"cents"`
}

// Validate is asked before the job runs; what it refuses is not retried.
func (o *Order) Validate() error {
	if o.Customer == "" {
		return errors.New("customer is missing")
	}
	for i, line := range o.Lines {
		if line.Count < 1 {
			return fmt.Errorf("line %d: count is %d", i+1, line.Count)
		}
	}
	return nil
}

func invoice(_ context.Context, t *jobs.Task, order Order) (Invoice, error) {
	var net int64
	for _, line := range order.Lines {
		net += line.Count * line.Cents
	}
	t.Log().Infof("an invoice for %s", order.Customer)
	// The number follows from the firing's key: should the job run twice for one firing, it is the same invoice.
	number := sha256.Sum256([]byte(t.Key()))
	return Invoice{
		Number: hex.EncodeToString(number[:6]),
		Date:   t.Nominal(),
		Cents:  net + (net*order.VAT+50)/100,
	}, nil
}
