package queue_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// retries is how often a call that fails is tried again.
const retries = 3

// accepted is a post that was answered.
type accepted struct {
	order string // what it is about
	id    string // of the task
	at    time.Time
	date  time.Time
}

// client posts one order after the other.
type client struct {
	world    *world
	web      *http.Client
	name     string
	r        *rand.Rand
	accepted []accepted
}

func newClient(w *world, web *http.Client, n int, r *rand.Rand) *client {
	return &client{world: w, web: web, name: "c" + strconv.Itoa(n), r: r}
}

// post posts until it is enough; what it has begun is brought to an answer.
func (c *client) post(ctx, enough context.Context) {
	for n := 0; ; n++ {
		select {
		case <-enough.Done():
			return
		case c.world.receiver.room <- struct{}{}:
		}
		order := fmt.Sprintf("%s-%d", c.name, n)
		date := time.Now().Add(time.Duration(c.r.IntN(300)) * time.Millisecond).Truncate(time.Millisecond)
		begun := time.Now()
		id, err := c.insist(ctx, c.request(order, date))
		if err != nil {
			c.world.t.Errorf("the order %s: %v", order, err)
			return
		}
		c.accepted = append(c.accepted, accepted{order, id, begun, date})
	}
}

// request is an order as one of the three ways to post has it.
func (c *client) request(order string, date time.Time) func(ctx context.Context) (*http.Request, error) {
	address := c.world.receiver.url
	params := url.Values{"order": {order}, "how": {c.mood()}}
	eta := date.UTC().Format(time.RFC3339Nano)
	retry := `{"limit":` + strconv.Itoa(retries) + `,"interval":"20ms","backoff":"constant"}`
	path, kind, body := "/queue", "application/x-www-form-urlencoded", ""
	switch c.r.IntN(3) {
	case 0:
		form := url.Values{"task.url": {address}, "task.worker": {worker}, "task.eta": {eta}, "task.retry": {retry}}
		body = form.Encode() + "&" + params.Encode()
	case 1:
		kind = "application/json"
		body = fmt.Sprintf(`{"url":%q,"worker":%q,"eta":%q,"retry":%s,"params":{"order":%q,"how":%q}}`,
			address, worker, eta, retry, order, params.Get("how"))
	default:
		own := url.Values{"after.at": {eta}, "after.worker": {worker}, "after.retry": {retry}}
		path, body = "/later/"+address+"?"+own.Encode(), params.Encode()
	}
	return func(ctx context.Context) (*http.Request, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.world.queue()+path, strings.NewReader(body))
		if err == nil {
			request.SetBasicAuth("admin", "secret")
			request.Header.Set("Content-Type", kind)
			request.Header.Set("Idempotency-Key", order)
		}
		return request, err
	}
}

// mood is how the endpoint takes the first call for an order.
func (c *client) mood() string {
	switch c.r.IntN(20) {
	case 0:
		return hold
	case 1, 2:
		return refuse
	}
	return ""
}

// insist sends a request until it is answered, and gives the id of the task.
func (c *client) insist(ctx context.Context, request func(context.Context) (*http.Request, error)) (string, error) {
	for {
		r, err := request(ctx)
		if err != nil {
			return "", err
		}
		status, body, err := c.send(r)
		switch {
		case ctx.Err() != nil:
			return "", fmt.Errorf("it was never answered: %w", ctx.Err())
		case err != nil || status == http.StatusBadGateway || status == http.StatusServiceUnavailable:
			c.world.whole.RLock() // the next try meets all processes, or the next death
			c.world.whole.RUnlock()
			continue
		case status != http.StatusCreated:
			return "", fmt.Errorf("%d %s", status, body)
		}
		var answer struct{ Status, ID string }
		if err := json.Unmarshal(body, &answer); err != nil || answer.Status != "scheduled" || answer.ID == "" {
			return "", fmt.Errorf("the answer is %s", body)
		}
		return answer.ID, nil
	}
}

func (c *client) send(r *http.Request) (status int, body []byte, err error) {
	answer, err := c.web.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	body, err = io.ReadAll(answer.Body)
	return answer.StatusCode, body, err
}
