package embedded

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/adlayer/after/store"
)

// Keeper stands by for a store that another process of this machine serves: when that process ends, however it does,
// the keeper opens the folder and serves on.
type Keeper struct {
	stop  context.CancelFunc
	ended chan struct{}
	err   error // of closing what was served; read after ended
}

// look is how often the keeper tries the folder's lock: the most that workers wait for the store to come back.
const look = 200 * time.Millisecond

// Keep starts a keeper, which lasts until Close; the end of ctx does not end it. took is called, once, when it has begun to serve.
func Keep(ctx context.Context, o Options, took func(*Server)) *Keeper {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	k := &Keeper{stop: stop, ended: make(chan struct{})}
	go func() {
		defer close(k.ended)
		k.err = keep(ctx, o, took)
	}()
	return k
}

// Close ends the keeper, and the server if it has one by now.
func (k *Keeper) Close() error {
	k.stop()
	<-k.ended
	return k.err
}

func keep(ctx context.Context, o Options, took func(*Server)) error {
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	said := ""
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		// While somebody answers there is nothing to take, even if the folder is free for a moment.
		if answers(ctx, o.Listen) {
			continue
		}
		server, err := Serve(ctx, o)
		if err == nil {
			took(server)
			<-ctx.Done()
			return server.Close(ctx)
		}
		if _, held := errors.AsType[*store.HeldError](err); !held && err.Error() != said {
			said = err.Error()
			o.Log.WithError(err).Warn("the store is not served, and cannot be taken over")
		}
	}
}

// answers says whether somebody listens there.
func answers(ctx context.Context, listen string) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", listen)
	if err != nil {
		return false
	}
	return conn.Close() == nil
}
