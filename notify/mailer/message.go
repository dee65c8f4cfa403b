package mailer

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	gomail "github.com/wneessen/go-mail"

	"github.com/adlayer/after/notify"
)

const (
	mostShown   = 8 << 10 // bytes of a result that the text of a mail shows; longer ones are attached
	mostSubject = 200     // bytes
)

// message is what a mail says.
type message struct {
	id         string // of the mail, without the part behind the @
	subject    string
	text       string
	attachment string // its name, "" where there is none
	content    []byte
}

// single writes the mail of one notice.
func (s *settings) single(n *notify.Notice) (*message, error) {
	sum := sha256.Sum256([]byte(n.ID))
	msg := &message{id: hex.EncodeToString(sum[:16])}
	v := viewOf(n)
	text, kind := shownResult(n.Result)
	if len(text) > mostShown {
		msg.attachment, msg.content = "result."+kind, []byte(text)
		v.Attached = msg.attachment
	} else {
		v.Result = text
	}
	return msg, s.write(msg, subjectTemplate, bodyTemplate, v)
}

// gathered writes the mail of a digest.
func (s *settings) gathered(d *Digest) (*message, error) {
	msg := &message{id: d.id()}
	return msg, s.write(msg, digestSubjectTemplate, digestTemplate, d.view())
}

// write fills in what the templates make. Where the configuration's own fail, ours take their place, and the mail says so: one that nobody gets
// would hide more than a mail that looks otherwise.
func (s *settings) write(msg *message, subject, body string, data any) error {
	var failed []string
	var written [2]string
	for i, name := range []string{subject, body} {
		text, err := s.templates.execute(name, data)
		if err != nil {
			failed = append(failed, "The template of the configuration failed, and the program's own was taken: "+untitled(err))
			if text, err = s.fallback.execute(name, data); err != nil {
				return fmt.Errorf("the template %s: %w", name, err)
			}
		}
		written[i] = text
	}
	msg.subject = shortened(visible(strings.Join(strings.Fields(written[0]), " ")), mostSubject)
	msg.text = legible(strings.Join(append([]string{written[1]}, failed...), "\n"))
	return nil
}

// shownResult gives a result as people read it: a text as it is, anything else as JSON with its lines indented.
func shownResult(raw json.RawMessage) (text, kind string) {
	if len(raw) == 0 || string(raw) == "null" {
		return "", ""
	}
	if raw[0] == '"' && json.Unmarshal(raw, &text) == nil {
		return legible(text), "txt"
	}
	var b bytes.Buffer
	if json.Indent(&b, raw, "", "  ") != nil {
		return legible(string(raw)), "txt"
	}
	return b.String(), "json"
}

// compose makes the mail. All that comes from tasks is encoded by the library; addresses were checked.
func (s *settings) compose(msg *message, to []string) (*gomail.Msg, error) {
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	m.FromMailAddress(s.from)
	if err := m.To(to...); err != nil {
		return nil, fmt.Errorf("the recipients: %w", err)
	}
	m.Subject(msg.subject)
	m.SetDate() // when it leaves: one that was held up shall not be sorted in among those of days ago
	_, domain, _ := strings.Cut(s.from.Address, "@")
	m.SetMessageIDWithValue(msg.id + "@" + domain)
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	m.SetGenHeader("X-Auto-Response-Suppress", "All")
	m.SetGenHeader("X-Mailer", s.Agent)
	m.SetBodyString(gomail.TypeTextPlain, msg.text)
	if msg.attachment != "" {
		kind := gomail.ContentType("application/json")
		if strings.HasSuffix(msg.attachment, ".txt") {
			kind = "text/plain; charset=utf-8"
		}
		m.AttachReadSeeker(msg.attachment, bytes.NewReader(msg.content), gomail.WithFileContentType(kind))
	}
	return m, nil
}
