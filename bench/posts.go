package main

import (
	"context"
	"fmt"
)

// measurePosts posts calls into the queue on the store's port, each a form with an address and a parameter, as a program would.
func measurePosts(ctx context.Context, r *rig) ([]figure, error) {
	const n, clients = 20_000, 64
	b, err := r.open(ctx)
	if err != nil {
		return nil, err
	}
	defer b.close()
	queue, err := hostAt(b.url)
	if err != nil {
		return nil, err
	}
	requests := make([][]byte, n)
	for i := range requests {
		form := fmt.Sprintf("task.url=http%%3A%%2F%%2F127.0.0.1%%2Fhook&task.worker=%s&task.countdown=3600&order=%d", name, i)
		requests[i] = fmt.Appendf(nil, "POST /_after/queue HTTP/1.1\r\nHost: %s\r\n%sContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s",
			queue.address, queue.auth, len(form), form)
	}
	took, err := queue.each(ctx, clients, requests, func(int, []byte) error { return nil })
	if err != nil {
		return nil, err
	}
	return []figure{{Name: "posts into the queue over 64 connections, durable", Value: rate(n, took), Unit: "posts/s", Aim: 3000}}, nil
}
