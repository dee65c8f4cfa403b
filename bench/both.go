package main

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// couchEnv names a CouchDB that is measured beside the store: http://name:password@host:port.
const couchEnv = "AFTER_TEST_COUCHDB"

// measure is what can be measured on the store and on a CouchDB.
type measure func(context.Context, *host) ([]figure, error)

// fresh measures a store that was just made, and the CouchDB.
func fresh(m measure) func(context.Context, *rig) ([]figure, error) {
	return func(ctx context.Context, r *rig) ([]figure, error) {
		b, err := r.open(ctx)
		if err != nil {
			return nil, err
		}
		defer b.close()
		ours, err := hostAt(b.url)
		if err != nil {
			return nil, err
		}
		ours.bed = b
		return r.both(ctx, m, ours)
	}
}

// withMillion measures servers that have a database of a million documents, which is made the first time and kept for the measurements that
// follow.
func withMillion(m measure) func(context.Context, *rig) ([]figure, error) {
	return func(ctx context.Context, r *rig) ([]figure, error) {
		if r.filled == nil {
			b, err := r.open(ctx)
			if err != nil {
				return nil, err
			}
			if r.filled, err = hostAt(b.url); err != nil {
				return nil, err
			}
			r.filled.bed = b
		}
		return r.both(ctx, func(ctx context.Context, h *host) ([]figure, error) {
			made, err := h.fill(ctx)
			if err != nil {
				return nil, err
			}
			figures, err := m(ctx, h)
			return append(made, figures...), err
		}, r.filled)
	}
}

// both measures the store and, if there is one, the CouchDB, whose figures stand beside the store's of the same name.
func (r *rig) both(ctx context.Context, m measure, ours *host) ([]figure, error) {
	figures, err := m(ctx, ours)
	address := os.Getenv(couchEnv)
	if err != nil || address == "" {
		return figures, err
	}
	if r.couch == nil {
		if r.couch, err = hostAt(address); err != nil {
			return nil, fmt.Errorf("%s: %w", couchEnv, err)
		}
		r.couch.prefix = fmt.Sprintf("after-bench-%d-", os.Getpid())
	}
	theirs, err := m(ctx, r.couch)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the server that %s names", couchEnv), err)
	}
	for _, their := range theirs {
		for i := range figures {
			if figures[i].Name == their.Name {
				figures[i].CouchDB = &their.Value
			}
		}
	}
	return figures, nil
}
