package httpd

import (
	"errors"
	"fmt"
	"strings"

	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/mango"
)

// passwordRule is an expression that new passwords of users must match.
type passwordRule struct {
	matches func(password string) bool
	reason  string // why it must, "" for none
}

// passwordRules are those of the setting password_regexp. err says what is wrong with it: no password is good enough then.
type passwordRules struct {
	rules []passwordRule
	err   error
}

// parsePasswordRules reads the setting, which CouchDB has as a term of Erlang: a list of expressions as texts, or as tuples with the reason:
// [{".{10,}", "Ten characters at least."}, "[A-Z]"].
func parsePasswordRules(text string) (r passwordRules) {
	p := termReader{rest: text}
	if p.space(); p.rest == "" {
		return passwordRules{}
	}
	if r.rules, r.err = p.rules(); r.err != nil {
		r.rules, r.err = nil, fmt.Errorf("the setting chttpd_auth/password_regexp: %w", r.err)
	}
	return r
}

// check refuses a password that does not match all.
func (r *passwordRules) check(password string) error {
	for _, rule := range r.rules {
		if !rule.matches(password) {
			return store.BadRequest("%s", strings.TrimRight("Password does not conform to requirements. "+rule.reason, " "))
		}
	}
	return nil
}

// checkPassword refuses a new password of a user that the settings do not allow.
func (c *call) checkPassword(password string) error {
	rules := &c.s.settings.now().passwords
	if rules.err != nil {
		c.s.log.WithError(rules.err).Error("store: no user can be given a password")
		return forbidden("Server cannot hash passwords at this time.")
	}
	return rules.check(password)
}

// termReader reads the few terms of Erlang that stand in the setting.
type termReader struct{ rest string }

func (p *termReader) space() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

// take takes a character, if it is the next one.
func (p *termReader) take(c byte) bool {
	p.space()
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *termReader) rules() (rules []passwordRule, err error) {
	if !p.take('[') {
		return nil, errors.New("it must be a list, [...]")
	}
	for !p.take(']') {
		if len(rules) > 0 && !p.take(',') {
			return nil, fmt.Errorf("a comma or the end of the list is missing before %q", p.rest)
		}
		rule, err := p.rule()
		if err != nil {
			return nil, err
		}
		rules = append(rules, rule)
	}
	p.take('.') // ends a term
	if p.space(); p.rest != "" {
		return nil, fmt.Errorf("%q stands behind its end", p.rest)
	}
	return rules, nil
}

func (p *termReader) rule() (rule passwordRule, err error) {
	tuple := p.take('{')
	expression, err := p.text()
	if err != nil {
		return rule, err
	}
	if rule.matches, err = mango.Pattern(expression); err != nil {
		return rule, err
	}
	if !tuple {
		return rule, nil
	}
	if p.take(',') {
		if rule.reason, err = p.text(); err != nil {
			return rule, err
		}
	}
	if !p.take('}') {
		return rule, fmt.Errorf("a } is missing before %q", p.rest)
	}
	return rule, nil
}

// escapes are the characters that stand for others behind a backslash in Erlang; any other stands for itself.
const escapes = "b\bd\x7fe\x1bf\fn\nr\rs t\tv\v"

func (p *termReader) text() (string, error) {
	if !p.take('"') {
		return "", fmt.Errorf("a text in double quotes is missing before %q", p.rest)
	}
	var b strings.Builder
	for i := 0; i < len(p.rest); i++ {
		c := p.rest[i]
		switch {
		case c == '"':
			p.rest = p.rest[i+1:]
			return b.String(), nil
		case c == '\\' && i+1 < len(p.rest):
			i++
			c = p.rest[i]
			for n := 0; n < len(escapes); n += 2 {
				if escapes[n] == p.rest[i] {
					c = escapes[n+1]
				}
			}
		}
		b.WriteByte(c)
	}
	return "", errors.New("a text has no end")
}
