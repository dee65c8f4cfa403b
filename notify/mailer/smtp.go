package mailer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/textproto"
	"strconv"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"github.com/adlayer/after/task"
)

// send hands one mail over. Those whose address makes no sense are refused before anything is sent.
func (m *Mailer) send(ctx context.Context, s *settings, msg *message, to Recipients) (refused map[string]error, err error) {
	if s.Host == "" {
		return nil, &Error{Server: true, err: errors.New("mail.host in the configuration names no mail server")}
	}
	refused = map[string]error{}
	var fit []string
	for _, address := range to.Addresses {
		switch err := task.CheckAddress(address); {
		case err != nil:
			refused[address] = &UnaskedError{err}
		case !s.allows(address):
			refused[address] = &UnaskedError{errors.New("mail.allow in the configuration has neither it nor its domain")}
		default:
			fit = append(fit, address)
		}
	}
	if len(fit) == 0 {
		return refused, nil
	}
	composed, err := s.compose(msg, fit)
	if err != nil {
		return refused, &Error{Permanent: true, err: err}
	}
	select {
	case m.sending <- struct{}{}:
		defer func() { <-m.sending }()
	case <-ctx.Done():
		return refused, &Error{Server: true, err: context.Cause(ctx)}
	}
	ctx, stop := context.WithTimeout(ctx, s.Timeout)
	defer stop()
	session, err := s.open(ctx)
	if err != nil {
		return refused, &Error{Server: true, err: fmt.Errorf("mail server %s: %w", s.place(), err)}
	}
	defer session.close()
	return refused, session.deliver(s, composed, Recipients{fit, to.Some}, refused)
}

func (s *settings) place() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// session is one connection to the mail server, logged in.
type session struct {
	connection net.Conn
	client     *smtp.Client
	settled    func() bool // ends the watch over the context
	torn       bool        // a mail was begun and not ended: any further command would end it, as if it were whole
}

// open connects and logs in. The connection lives as long as the context at most.
func (s *settings) open(ctx context.Context) (*session, error) {
	o := &session{}
	options := []gomail.Option{
		gomail.WithPort(s.Port), gomail.WithTLSConfig(s.tls), gomail.WithTimeout(s.Timeout),
		gomail.WithDialContextFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
			connection, err := s.dial(ctx, network, address)
			o.connection = connection
			return connection, err
		}),
	}
	switch s.TLS {
	case StartTLS:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	case TLS: // the connection is TLS already, which the library finds out when it looks for it
		options = append(options, gomail.WithTLSPolicy(gomail.TLSOpportunistic))
	default:
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	}
	if s.User != "" {
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(s.User), gomail.WithPassword(s.Password))
	}
	dialer, err := gomail.NewClient(s.Host, options...)
	if err != nil {
		return nil, err
	}
	o.client, err = dialer.DialToSMTPClientWithContext(ctx)
	switch {
	case err == nil:
		o.settled = context.AfterFunc(ctx, func() { _ = o.connection.SetDeadline(time.Unix(1, 0)) })
		return o, nil
	case o.connection != nil:
		_ = o.connection.Close() // it is of no use
	}
	if errors.Is(err, gomail.ErrNoSupportedAuthDiscovered) && s.TLS == None {
		err = fmt.Errorf("%w: it takes passwords in the clear alone, which are not sent without TLS", err)
	}
	return nil, err
}

// dial connects. Nothing that is read or written goes on beyond the context's deadline.
func (s *settings) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: s.Timeout}
	connection, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		_ = connection.SetDeadline(deadline) // a TCP connection takes it
	}
	if s.TLS != TLS {
		return connection, nil
	}
	secure := tls.Client(connection, s.tls)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, connection.Close())
	}
	return secure, nil
}

// deliver sends the mail to those that the server takes, and notes the others. Where it puts one off, that is the error, or with some, where it
// puts off all.
func (o *session) deliver(s *settings, message *gomail.Msg, to Recipients, refused map[string]error) error {
	if err := o.client.Mail("<" + s.from.Address + ">"); err != nil {
		return &Error{Server: true, err: fmt.Errorf("mail server %s does not take mails from %s: %w", s.place(), s.from.Address, err)}
	}
	taken := 0
	later := map[string]error{}
	for _, address := range to.Addresses {
		switch err := o.client.Rcpt("<" + address + ">"); {
		case err == nil:
			taken++
		case permanent(err):
			refused[address] = err
		default:
			cut := parted(err)
			err = &Error{Server: cut, err: fmt.Errorf("mail server %s does not take mails to %s now: %w", s.place(), address, err)}
			if cut || !to.Some {
				return err
			}
			later[address] = err
		}
	}
	if taken == 0 {
		for _, err := range later {
			return err
		}
		return nil
	}
	maps.Copy(refused, later)
	if read, err := o.content(message); err != nil {
		return &Error{Server: parted(err), Permanent: permanent(err), Read: read, err: fmt.Errorf("mail server %s: %w", s.place(), err)}
	}
	return nil
}

// content hands over what the mail says; read is that the server has it all.
func (o *session) content(message *gomail.Msg) (read bool, err error) {
	writer, err := o.client.Data()
	if err != nil {
		return false, err
	}
	if _, err := message.WriteTo(writer); err != nil {
		o.torn = true
		return false, err
	}
	return true, writer.Close()
}

// close says goodbye. A mail that was taken is taken, whatever is answered.
func (o *session) close() {
	o.settled()
	if !o.torn {
		_ = o.client.Quit()
	}
	_ = o.connection.Close()
}

// code is the server's answer; 0 where it gave none.
func code(err error) int {
	if answer, ok := errors.AsType[*textproto.Error](err); ok {
		return answer.Code
	}
	return 0
}

func permanent(err error) bool { return code(err) >= 500 }

// parted says whether the server is away, or about to be: it is not about what it was asked.
func parted(err error) bool {
	const goingAway = 421
	return code(err) == 0 || code(err) == goingAway
}
