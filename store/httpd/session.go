package httpd

import (
	"crypto/hmac"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/adlayer/after/store"
)

const (
	cookieName = "AuthSession"
	// defaultSession is CouchDB's.
	defaultSession = 10 * time.Minute

	maxCredentials = 64 << 10 // bytes
)

// newCookie signs the name and the time; the salt of the password makes that a new password ends the sessions of the old one.
func (a *authenticator) newCookie(name, salt string, now time.Time) string {
	text := name + ":" + strings.ToUpper(strconv.FormatInt(now.Unix(), 16))
	return base64.RawURLEncoding.EncodeToString(append([]byte(text+":"), a.sign(text, salt)...))
}

// otherCookie is what a cookie is worth that is none of this server's: nothing, but it may be another's, such as that of a CouchDB of the same
// machine which signs with SHA-1. Browsers send it to both.
func otherCookie(raw []byte) (*identity, error) {
	parts := strings.SplitN(string(raw), ":", 3)
	if len(parts) == 3 {
		if _, err := strconv.ParseInt(parts[1], 16, 64); err == nil {
			return &identity{}, nil
		}
	}
	return nil, store.BadRequest("Malformed AuthSession cookie. Please clear your cookies.")
}

// cookie reads a session cookie. One that ran out, or that another process signed, is nobody's.
func (a *authenticator) cookie(value string) (*identity, error) {
	raw, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil {
		return otherCookie(nil)
	}
	const macLen = 32
	if len(raw) <= macLen {
		return otherCookie(raw)
	}
	text, sum := strings.TrimSuffix(string(raw[:len(raw)-macLen]), ":"), raw[len(raw)-macLen:]
	parts := strings.Split(text, ":")
	if len(parts) < 2 {
		return otherCookie(raw)
	}
	name := strings.Join(parts[:len(parts)-1], ":")
	at, err := strconv.ParseInt(parts[len(parts)-1], 16, 64)
	if err != nil {
		return otherCookie(raw)
	}
	age := time.Since(time.Unix(at, 0))
	lasts := a.sessionAge()
	if age > lasts || age < -lasts {
		return &identity{}, nil
	}
	who, salt, err := a.named(name)
	if err != nil || who == nil || !hmac.Equal(a.sign(text, salt), sum) {
		return &identity{}, err
	}
	if age > lasts/10 {
		who.renew = a.newCookie(name, salt, time.Now())
	}
	return who, nil
}

// named gives who has a name, and what binds cookies to the password; nil where there is nobody.
func (a *authenticator) named(name string) (who *identity, salt string, err error) {
	if known := a.administrator(name); known != nil {
		return &identity{name: name, roles: []string{"_admin"}, admin: true, via: "cookie"}, known.salt, nil
	}
	row, err := a.userRow(name)
	if store.IsNotFound(err) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	var u userDoc
	if jsonv2.Unmarshal(row.Body, &u) != nil {
		return nil, "", nil //nolint:nilerr // a damaged record is nobody
	}
	return &identity{name: name, roles: u.Roles, via: "cookie"}, u.Salt, nil
}

// present gives the rights that somebody has by now. Whoever was removed since has none left.
func (a *authenticator) present(who *identity) (*identity, error) {
	if who.name == "" || who.isVouchedFor() {
		return who, nil
	}
	now, _, err := a.named(who.name)
	switch {
	case err != nil:
		return nil, err
	case now == nil:
		return nil, unauthorized("You are no user of this server any more.")
	}
	now.via = who.via
	return now, nil
}

func (c *call) setCookie(value string) {
	now := c.s.settings.now()
	text := cookieName + "=" + value + "; Version=1"
	if !now.sessionCookies {
		lasts := c.s.auth.sessionAge()
		text += fmt.Sprintf("; Expires=%s; Max-Age=%d", time.Now().Add(lasts).UTC().Format(http.TimeFormat), int(lasts.Seconds()))
	}
	if c.r.TLS != nil {
		text += "; Secure"
	}
	text += "; Path=/; HttpOnly"
	if now.cookieDomain != "" {
		text += "; Domain=" + now.cookieDomain
	}
	if same := now.sameSite; same != "" {
		text += "; SameSite=" + same
	}
	c.w.Header().Set("Set-Cookie", text)
}

func (c *call) session() error {
	switch c.r.Method {
	case http.MethodGet, http.MethodHead:
		if c.who.name == "" && c.flag("basic") {
			return unauthorized("Please login.")
		}
		return c.answer(http.StatusOK, c.sessionInfo())
	case http.MethodPost:
		return c.logIn()
	case http.MethodDelete:
		status, err := c.redirected("next", http.StatusOK)
		if err != nil {
			return err
		}
		c.setCookie("")
		return c.answer(status, []byte(`{"ok":true}`))
	}
	return c.allow(http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete)
}

func (c *call) sessionInfo() []byte {
	b := append([]byte(`{"ok":true,"userCtx":`), appendUser(nil, c.who)...)
	b = append(b, `,"info":{"authentication_handlers":[`...)
	for i, name := range c.s.settings.now().handlers.names {
		if i > 0 {
			b = append(b, ',')
		}
		b = store.AppendString(b, name)
	}
	b = append(b, ']')
	if c.who.via != "" {
		b = store.AppendString(append(b, `,"authenticated":`...), c.who.via)
	}
	return append(b, "}}"...)
}

// appendUser adds {"name":...,"roles":[...]}.
func appendUser(b []byte, who *identity) []byte {
	b = append(b, `{"name":`...)
	if who.name == "" {
		b = append(b, "null"...)
	} else {
		b = store.AppendString(b, who.name)
	}
	b = append(b, `,"roles":[`...)
	for i, role := range who.roles {
		if i > 0 {
			b = append(b, ',')
		}
		b = store.AppendString(b, role)
	}
	return append(b, "]}"...)
}

func (c *call) logIn() error {
	name, password, err := c.credentials()
	if err != nil {
		return err
	}
	who, _, err := c.s.auth.check(c.r, name, password)
	if err == nil && who.name == "" { // what logs out of browsers logs nobody in
		err = wrongPassword()
	}
	if err != nil {
		return c.refuseLogin(err)
	}
	_, salt, err := c.s.auth.named(name)
	if err != nil {
		return err
	}
	status, err := c.redirected("next", http.StatusOK)
	if err != nil {
		return err
	}
	c.setCookie(c.s.auth.newCookie(name, salt, time.Now()))
	b := appendUser([]byte(`{"ok":true,`), who)
	b = append(b[:len(`{"ok":true,`)], b[len(`{"ok":true,`)+1:]...) // the two objects are one
	return c.answer(status, b)
}

// refuseLogin answers a login that failed; who asks for that is sent to another page.
func (c *call) refuseLogin(err error) error {
	e := asError(err)
	if e.Status != http.StatusUnauthorized {
		return err
	}
	status, redirect := c.redirected("fail", e.Status)
	if redirect != nil {
		return redirect
	}
	c.setCookie("")
	if status == e.Status {
		return err
	}
	return c.answer(status, appendError(nil, e))
}

// redirected gives the status of an answer that goes on at the path that a parameter names, if there is one.
func (c *call) redirected(parameter string, otherwise int) (int, error) {
	if !c.q.Has(parameter) {
		return otherwise, nil
	}
	path := c.q.Get(parameter)
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") { // the latter would be another server
		return 0, store.BadRequest("path must begin with a /.")
	}
	c.w.Header().Set("Location", c.base()+path)
	return http.StatusFound, nil
}

// credentials reads name and password from JSON or a form. A name may also be called username. A password that is not there is an empty one.
func (c *call) credentials() (name, password string, err error) {
	kind, _, _ := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	raw, done, err := c.bodyUpTo(maxCredentials) // anybody may send them
	if err != nil {
		return "", "", err
	}
	defer done()
	switch kind {
	case "application/json":
		m, err := decodeObject(raw)
		if err != nil {
			return "", "", err
		}
		form := url.Values{}
		for _, member := range []string{"name", "username", "password"} {
			var text string
			if value, there := m[member]; !there {
				continue
			} else if value[0] != '"' || json.Unmarshal(value, &text) != nil {
				return "", "", store.BadRequest("`%s` must be a string", member)
			}
			form.Set(member, text)
		}
		return fromForm(form)
	case "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(raw))
		if err != nil {
			return "", "", store.BadRequest("request body must contain a username")
		}
		return fromForm(form)
	}
	return "", "", badType("Content-Type must be 'application/x-www-form-urlencoded' or 'application/json'")
}

func fromForm(form url.Values) (name, password string, err error) {
	name = form.Get("name")
	switch {
	case !form.Has("name") && !form.Has("username"):
		return "", "", store.BadRequest("request body must contain a username")
	case !form.Has("name"):
		name = form.Get("username")
	case form.Has("username") && form.Get("username") != name:
		return "", "", store.BadRequest("request body contains different usernames")
	}
	return name, form.Get("password"), nil
}
