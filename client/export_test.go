package client

import "time"

// LookingAgain gives a client that looks a second time so soon after it has begun to wait.
func (c *Client) LookingAgain(after time.Duration) *Client { return &Client{c.db, c.now, after} }
