// Package mailer writes the mails that tell of tasks, from templates, and hands them to a mail server over SMTP.
package mailer

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/adlayer/after/internal/authorities"
	"github.com/adlayer/after/notify"
	"github.com/adlayer/after/task"
)

// The ways to speak TLS with a mail server.
const (
	StartTLS = "starttls" // the connection begins in the clear and must become TLS
	TLS      = "tls"      // it is TLS from its beginning
	None     = "none"     // it stays in the clear
)

// Options say how mails leave.
type Options struct {
	Host      string        // of the mail server; empty: no mail can be sent
	Port      int           // 0: 587 with StartTLS, 465 with TLS, 25 with None
	TLS       string        // one of the three above
	User      string        // empty: nobody logs in
	Password  string        //
	From      string        // the sender's address, with a name or without
	Allow     []string      // addresses and domains that may be mailed; none: all
	CAFile    string        // authorities (PEM) that are trusted beside the system's; empty is none
	Templates string        // the folder of templates that replace ours; empty is none
	Agent     string        // the program that a mail names; empty is "after"
	Timeout   time.Duration // of one mail, from the connection to the server's last word; 0 is a minute
}

// Mailer sends mails. It can be used by several goroutines; one mail leaves at a time. [New] makes one.
type Mailer struct {
	settings atomic.Pointer[settings]
	sending  chan struct{} // holds whoever sends
}

// Recipients are whom a mail goes to.
type Recipients struct {
	Addresses []string
	// Some says that it may leave without those that the server puts off. Else it waits for them, so that nobody has it twice.
	Some bool
}

// settings are options that were read.
type settings struct {
	Options

	from      *mail.Address
	tls       *tls.Config
	templates *templates
	fallback  *templates    // the program's own
	replaced  chan struct{} // closed when others are in force
}

// New makes a mailer. It does no I/O but for reading the files that the options name.
func New(o Options) (*Mailer, error) {
	m := &Mailer{sending: make(chan struct{}, 1)}
	return m, m.Configure(o)
}

// Configure puts other options in force. A mail that is being sent goes on as it began. After an error all is as it was.
func (m *Mailer) Configure(o Options) error {
	s, err := o.read()
	if err != nil {
		return err
	}
	if former := m.settings.Swap(s); former != nil {
		close(former.replaced)
	}
	return nil
}

// Configured gives a channel that is closed when other options are in force.
func (m *Mailer) Configured() <-chan struct{} { return m.settings.Load().replaced }

// Ready says whether there is a mail server.
func (m *Mailer) Ready() bool { return m.settings.Load().Host != "" }

func (o Options) read() (*settings, error) {
	s := &settings{Options: o, replaced: make(chan struct{})}
	s.TLS, s.Agent, s.Timeout = cmp.Or(o.TLS, StartTLS), cmp.Or(o.Agent, "after"), cmp.Or(o.Timeout, time.Minute)
	var err error
	if s.templates, err = readTemplates(o.Templates); err != nil {
		return nil, err
	}
	s.fallback = s.templates
	if o.Templates != "" {
		if s.fallback, err = readTemplates(""); err != nil {
			return nil, err
		}
	}
	if o.Host == "" {
		return s, nil
	}
	if s.from, err = mail.ParseAddress(o.From); err != nil || task.CheckAddress(s.from.Address) != nil {
		return nil, fmt.Errorf("from: %q is no mail address", o.From)
	}
	if strings.ContainsAny(s.from.Name, "\r\n\x00") {
		return nil, errors.New("from: the name has a line break in it")
	}
	port := map[string]int{StartTLS: 587, TLS: 465, None: 25}[s.TLS]
	if port == 0 {
		return nil, fmt.Errorf("tls: %q is none of starttls, tls and none", s.TLS)
	}
	s.Port = cmp.Or(s.Port, port)
	s.tls, err = o.secure()
	return s, err
}

func (o Options) secure() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: o.Host}
	if o.CAFile == "" {
		return c, nil
	}
	pool, err := authorities.Beside(o.CAFile)
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	c.RootCAs = pool
	return c, nil
}

// allows says whether the configuration lets an address be mailed.
func (o Options) allows(address string) bool {
	_, domain, _ := strings.Cut(address, "@")
	return len(o.Allow) == 0 || slices.ContainsFunc(o.Allow, func(entry string) bool {
		return strings.EqualFold(entry, address) || strings.EqualFold(strings.TrimPrefix(entry, "@"), domain)
	})
}

// Error is why a mail did not leave.
type Error struct {
	// Server says that it is not about this mail: the server is not there, wants another password, takes nothing now.
	Server bool
	// Permanent says that this mail will never be taken.
	Permanent bool
	// Read says that the server has read the mail before it answered: what the mail says may be why.
	Read bool

	err error
}

func (e *Error) Error() string {
	if e.err == nil {
		return "the mail was not taken"
	}
	return e.err.Error()
}

func (e *Error) Unwrap() error { return e.err }

// UnaskedError is why a recipient is refused of whom the mail server was told nothing.
type UnaskedError struct{ error }

// One sends a notice by itself. refused are recipients that the server does not take, and why, while the others have the mail; an error is an
// *[Error], and nobody has it.
func (m *Mailer) One(ctx context.Context, n *notify.Notice, to Recipients) (refused map[string]error, err error) {
	s := m.settings.Load()
	msg, err := s.single(n)
	if err != nil {
		return nil, &Error{err: err}
	}
	return m.send(ctx, s, msg, to)
}

// Digest sends one mail for all that was gathered, as [Mailer.One] does.
func (m *Mailer) Digest(ctx context.Context, d *Digest, to Recipients) (refused map[string]error, err error) {
	s := m.settings.Load()
	msg, err := s.gathered(d)
	if err != nil {
		return nil, &Error{err: err}
	}
	return m.send(ctx, s, msg, to)
}
