package config

import (
	"errors"
	"fmt"
	"net"
	"net/mail"
	"strings"
	"time"
)

// Notify says how long and how often people and programs are told what came of tasks.
type Notify struct {
	Keep     time.Duration `koanf:"keep"`
	Retry    time.Duration `koanf:"retry"`
	TakeOver time.Duration `koanf:"take_over"`
}

// Mail is the mail server that mails leave through, and what they say. Password holds the password, wherever it came from.
type Mail struct {
	Host         string        `koanf:"host"`
	Port         int           `koanf:"port"`
	TLS          string        `koanf:"tls"`
	CAFile       string        `koanf:"ca_file"`
	User         string        `koanf:"user"`
	Password     string        `koanf:"password"`
	PasswordFile string        `koanf:"password_file"`
	From         string        `koanf:"from"`
	Allow        []string      `koanf:"allow"`
	Window       time.Duration `koanf:"window"`
	Templates    string        `koanf:"templates"`
}

func notifyKeys() []Key {
	return []Key{
		{
			Path: "notify.retry", Kind: Duration, Default: "5s", check: checkPositive,
			Doc: "How long a notice (a task's `notify`) that could not be posted or mailed waits before it is tried again. Each further wait is twice as long, up to an hour.",
		},
		{
			Path: "notify.keep", Kind: Duration, Default: "3d", check: checkPositive,
			Doc: "How old a notice may become before it is given up, which the log tells.",
		},
		{
			Path: "notify.take_over", Kind: Duration, Default: "15m", check: checkDuration,
			Doc: "When no process has run a worker of this fleet for this long, this one tells the notices that wait of it. `0s`: never; they wait for a process of that worker, and are given up when they are older than `notify.keep`.",
		},
	}
}

func mailKeys() []Key {
	return []Key{
		{
			Path: "mail.host", Kind: Text, Default: "", check: checkMailHost,
			Doc: "The mail server (SMTP) that takes the mails of a task's `notify`: a name, without a scheme or a port. Empty: none leave, and such notices wait in the database, for as long as `notify.keep`.",
		},
		{
			Path: "mail.port", Kind: Number, Default: int64(0), check: checkRange(0, 65535),
			Doc: "Its port. 0: 587 with `starttls`, 465 with `tls`, 25 with `none`.",
		},
		{
			Path: "mail.tls", Kind: Text, Default: "starttls", check: checkOneOf("starttls", "tls", "none"),
			Doc: "`starttls`: the connection begins in the clear and must become TLS. `tls`: it is TLS from its beginning. `none`: it stays in the clear, and no password is sent that others could read.",
		},
		{
			Path: "mail.ca_file", Kind: Path, Default: "",
			Doc: "A file of certificates (PEM) of authorities that are trusted beside those of the system.",
		},
		{
			Path: "mail.user", Kind: Text, Default: "",
			Doc: "The user to log in as, who needs a password. Empty: nobody logs in.",
		},
		{
			Path: "mail.password", Kind: Text, Default: "", Secret: true,
			Doc: "The user's password. Meant for its variable.",
		},
		{
			Path: "mail.password_file", Kind: Path, Default: "",
			Doc: "A file whose first line is the password. It goes before `mail.password`.",
		},
		{
			Path: "mail.from", Kind: Text, Default: "", check: checkFrom,
			Doc: "Whom mails are from: `after@example.org`, or `After <after@example.org>`. Required with `mail.host`.",
		},
		{
			Path: "mail.allow", Kind: List, Default: []string{}, check: checkAllow,
			Doc: "Who may be mailed: addresses, and domains such as `example.org`; patterns such as `*.example.org` are refused. Empty: everybody. Whoever may write tasks may have mails sent.",
		},
		{
			Path: "mail.window", Kind: Duration, Default: "10m", check: checkDuration,
			Doc: "Once a mail has left, what comes for the same recipients within this time is gathered into one. `0s`: each notice is a mail.",
		},
		{
			Path: "mail.templates", Kind: Path, Default: "",
			Doc: "A folder of templates (`subject.txt`, `body.txt`, `digest-subject.txt`, `digest.txt`) that take the place of the program's own, each that is there.",
		},
	}
}

func checkFrom(value any) error {
	text, _ := value.(string)
	if _, err := mail.ParseAddress(text); text != "" && err != nil {
		return fmt.Errorf("%q is no mail address", text)
	}
	return nil
}

func checkMailHost(value any) error {
	text, _ := value.(string)
	if strings.ContainsAny(text, "/@ \t\r\n") {
		return fmt.Errorf("%q is no name of a host: write mail.example.org", text)
	}
	if host, port, err := net.SplitHostPort(text); err == nil {
		return fmt.Errorf("%q names a port: write mail.host %s and mail.port %s", text, host, port)
	}
	return nil
}

// checkAllow refuses what can be nobody's address or domain, and would let nobody be mailed.
func checkAllow(value any) error {
	entries, _ := value.([]string)
	for _, entry := range entries {
		name, domain, whole := strings.Cut(entry, "@")
		if !whole {
			domain = name
		}
		if domain == "" || strings.ContainsAny(entry, " \t\r\n,<>*") || strings.Contains(domain, "@") {
			return fmt.Errorf("%q is neither an address, as ops@example.org, nor a domain, as example.org", entry)
		}
	}
	return nil
}

// check says what is missing, and reads the file that holds the password.
func (m *Mail) check(source string) error {
	if m.Host != "" && m.From == "" {
		return errors.New("mail.from is missing: whom are mails from?")
	}
	if m.PasswordFile != "" {
		password, err := firstLine(m.PasswordFile)
		if err != nil {
			return fmt.Errorf("%s: mail.password_file: %w", source, err)
		}
		m.Password = password
	}
	if m.Password != "" && m.User == "" {
		return errors.New("mail.user is missing: there is a password, and nobody to log in as")
	}
	if m.Password == "" && m.User != "" {
		return errors.New("mail.password is missing: there is a mail.user to log in as (AFTER_MAIL_PASSWORD, or mail.password_file)")
	}
	return nil
}

// firstLine reads a secret that is the first line of a file.
func firstLine(file string) (string, error) {
	content, err := readBounded(file)
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(content), "\n")
	if line = strings.TrimSuffix(line, "\r"); line == "" {
		return "", fmt.Errorf("the first line of %s is empty", file)
	}
	return line, nil
}
