package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/adlayer/after/config"
	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/fleet"
	"github.com/adlayer/after/notify/mailer"
	"github.com/adlayer/after/notify/send"
)

// notices gives what tells people and programs of the workers' tasks, beside the work.
func (r *runner) notices(c *config.Config, client *couch.Client) func(ctx context.Context, member string) {
	return func(ctx context.Context, member string) {
		send.Run(ctx, send.Options{
			Database: client.Database(c.Couch.Database), Names: r.names, Member: member, Caller: r.caller, Mailer: r.mailer,
			Window: c.Mail.Window, Retry: c.Notify.Retry, Keep: c.Notify.Keep, Log: r.log,
			Site: c.Worker.Site, TakeOver: c.Notify.TakeOver, Fleet: namesIn(client.Database(fleet.Database(c.Couch.Database))),
		})
	}
}

// namesIn tells of the names of workers which of them live processes run, and which of those asked for the fleet has ever had.
func namesIn(db *couch.Database) func(ctx context.Context, names []string) (running, known []string, err error) {
	return func(ctx context.Context, names []string) (running, known []string, err error) {
		members, err := fleet.Look(ctx, db, time.Now())
		if err != nil {
			return nil, nil, err
		}
		for _, member := range members {
			for _, w := range member.Workers {
				if member.Alive {
					running = append(running, w.Name)
				}
			}
		}
		known, err = fleet.Known(ctx, db, names)
		return running, known, err
	}
}

// mailOptions are those of the mails.
func mailOptions(c *config.Config) mailer.Options {
	m := &c.Mail
	return mailer.Options{
		Host: m.Host, Port: m.Port, TLS: m.TLS, CAFile: m.CAFile, User: m.User, Password: m.Password, From: m.From, Allow: m.Allow,
		Templates: m.Templates, Agent: "after/" + Version(),
	}
}

// inMail says where in the configuration an error lies.
func inMail(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("mail in the configuration: %w", err)
}

// configure puts a configuration in force for calls, mails and the queue, which stays at the server and the database of the workers until they
// start anew: see [runner.follow]. After an error the former one is.
func (r *runner) configure(fresh *config.Config) error {
	parts := []func(*config.Config) error{
		func(c *config.Config) error { return inMail(r.mailer.Configure(mailOptions(c))) },
		func(c *config.Config) error { return inHTTP(r.caller.Configure(callOptions(c, r.log))) },
		func(c *config.Config) error {
			queued := *c
			queued.Couch = r.couch
			return r.queue.configure(&queued)
		},
	}
	for i, part := range parts {
		err := part(fresh)
		if err == nil {
			continue
		}
		for _, done := range parts[:i] {
			err = errors.Join(err, done(r.config))
		}
		return err
	}
	return nil
}
