package httpd

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/sirupsen/logrus"

	"github.com/adlayer/after/store"
)

// identity is who asks.
type identity struct {
	name  string // empty: nobody
	roles []string
	admin bool   // of the server
	via   string // how it was shown: "default" (basic), "cookie", "proxy", "jwt"
	renew string // the cookie that goes on where the one that was shown ends; empty while that is far
}

// authenticator knows passwords. A credential that was checked once is remembered by its keyed digest, so that it costs no hashing again.
type authenticator struct {
	store   *store.Store
	log     logrus.FieldLogger
	counts  *counts
	key     [32]byte                          // of what is remembered
	cookies []byte                            // the secret of cookies, the same for ever
	admins  map[string]*admin                 // of the configuration
	former  map[string]string                 // the hashes that these had when the server started, where the store knows them
	more    atomic.Pointer[map[string]*admin] // made over HTTP
	locks   *lockout
	// sessionAge is how long a session lasts from its last renewal.
	sessionAge func() time.Duration
	// policy is how passwords are to be hashed.
	policy func() hashPolicy
	// handlers are the ways to show who asks.
	handlers func() *authHandlers
	// begin runs what goes on beside requests, until the server ends; false where it has.
	begin   func(func(context.Context)) bool
	hashing chan struct{} // a place for each hash that may be computed at a time

	mu      sync.RWMutex
	checked map[[32]byte]checkedUser
	secrets map[[32]byte]*identity
	epoch   uint64 // of the administrators: what was checked in an earlier one is not remembered
	// upgrading are the users whose stored hash is being replaced.
	upgrading map[string]bool
}

// maxChecked bounds what is remembered; beyond it all is forgotten and checked anew.
const maxChecked = 4096

func newAuthenticator(st *store.Store, o Options, figures *counts, begin func(func(context.Context)) bool) *authenticator {
	a := &authenticator{
		store: st, log: o.Log, counts: figures, admins: map[string]*admin{}, locks: newLockout(), begin: begin,
		sessionAge: func() time.Duration { return o.SessionTimeout },
		policy:     func() hashPolicy { return hashPolicy{rounds: o.HashRounds} },
		hashing:    make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
		checked:    map[[32]byte]checkedUser{}, secrets: map[[32]byte]*identity{}, upgrading: map[string]bool{},
	}
	_, _ = rand.Read(a.key[:]) // never fails
	a.cookies = a.secret()
	a.addAdmins(o.Admins)
	return a
}

// cookieSecret is the setting that has the secret of cookies.
const cookieSecret = "cookie-secret"

// secret gives the store's secret, and makes one the first time, so that those who logged in stay so when the server starts anew.
func (a *authenticator) secret() []byte {
	secret, err := a.store.Setting(cookieSecret)
	if err == nil && len(secret) > 0 {
		return secret
	}
	secret = make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	if err == nil {
		err = a.store.SetSetting(context.Background(), cookieSecret, secret)
	}
	if err != nil {
		a.log.WithError(err).Warn("store: the secret of cookies cannot be kept: a restart ends all sessions")
	}
	return secret
}

func (a *authenticator) digest(kind byte, text string) (out [32]byte) {
	m := hmac.New(sha256.New, a.key[:])
	_, _ = m.Write([]byte{kind})
	_, _ = m.Write([]byte(text))
	m.Sum(out[:0])
	return out
}

func unauthorized(reason string) error {
	return &store.Error{Status: http.StatusUnauthorized, Name: "unauthorized", Reason: reason}
}

func wrongPassword() error { return unauthorized("Name or password is incorrect.") }

func (a *authenticator) basic(r *http.Request, text string) (*identity, error) {
	digest := a.digest('b', text)
	a.mu.RLock()
	who, epoch := a.secrets[digest], a.epoch
	a.mu.RUnlock()
	if who != nil {
		a.counts.known.Add(1)
		return who, nil
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil {
		return nil, store.BadRequest("Authorization header has invalid base64 value")
	}
	name, password, _ := strings.Cut(string(raw), ":")
	who, lasting, err := a.check(r, name, password)
	if err != nil {
		return nil, err
	}
	if lasting {
		a.mu.Lock()
		if len(a.secrets) >= maxChecked {
			clear(a.secrets)
		}
		if a.epoch == epoch {
			a.secrets[digest] = who
		}
		a.mu.Unlock()
	}
	return who, nil
}

// check verifies a name and a password that a request brings, unless too many wrong ones came from there. What the same server has found
// right before is not refused to an administrator: one wrong client beside it would turn a whole fleet away. lasting tells that the answer
// cannot change until the administrators do.
func (a *authenticator) check(r *http.Request, name, password string) (who *identity, lasting bool, err error) {
	if name == "" && password == "" || name == "_" && password == "_" { // the latter log out of browsers
		return &identity{}, true, nil
	}
	from := attemptOf(r, name)
	if err := a.locks.check(from); err != nil {
		return nil, false, err
	}
	who, lasting, err = a.verify(r.Context(), name, password)
	switch {
	case err == nil:
		if err := a.locks.passed(from); err != nil {
			return nil, false, err
		}
	case asError(err).Status == http.StatusUnauthorized && a.locks.failed(from):
		a.log.WithFields(logrus.Fields{"user": name, "address": from.address}).Warn("store: too many wrong passwords for an account from that address; unless chttpd_auth_lockout/mode says otherwise it is locked there")
	}
	return who, lasting, err
}

func (a *authenticator) verify(ctx context.Context, name, password string) (who *identity, lasting bool, err error) {
	if known := a.administrator(name); known != nil {
		right, err := a.isAdmin(ctx, known, name, password)
		if err == nil && !right {
			err = wrongPassword()
		}
		if err != nil {
			return nil, false, err
		}
		return &identity{name: name, roles: []string{"_admin"}, admin: true, via: "default"}, true, nil
	}
	who, err = a.user(ctx, name, password)
	return who, false, err
}

func (c *call) needAdmin() error {
	if c.who.admin {
		return nil
	}
	return unauthorized("You are not a server admin.")
}

// serverPaths are those of the server that are nobody's secret, or that see to their own rights.
var serverPaths = map[string]bool{ //nolint:gochecknoglobals // a constant table
	"_up": true, "_uuids": true, "_session": true, "_replicate": true, "_utils": true, usersDatabase: true, replicatorDatabase: true,
}

// mayAsk refuses what only administrators of the server may ask for, whether or not it is there. path is what comes behind the first part, name.
func (c *call) mayAsk(name string, path []string) error {
	var first string
	if len(path) > 0 {
		first = path[0]
	}
	switch {
	case name == "_all_dbs" && c.s.settings.now().openNames:
	case strings.HasPrefix(name, "_") && !serverPaths[name]:
		return c.needAdmin()
	case name == usersDatabase || name == replicatorDatabase:
		if first == "_all_docs" || first == "_changes" {
			return c.needAdmin()
		}
	}
	switch first {
	case "_purge", "_purged_infos", "_purged_infos_limit", "_sync_shards", "_auto_purge":
		return c.needAdmin()
	}
	return nil
}

const defaultSecurity = `{"members":{"roles":["_admin"]},"admins":{"roles":["_admin"]}}`

// securityObject is a database's _security as it is enforced.
type securityObject struct {
	raw     []byte
	Admins  people `json:"admins"`
	Members people `json:"members"`
	// Readers is the old name of members.
	Readers *people `json:"readers"`
}

type people struct {
	Names []string `json:"names"`
	Roles []string `json:"roles"`
}

func (p *people) empty() bool { return len(p.Names) == 0 && len(p.Roles) == 0 }

func (p *people) has(who *identity) bool {
	if who.name != "" && slices.Contains(p.Names, who.name) {
		return true
	}
	for _, role := range who.roles {
		if slices.Contains(p.Roles, role) {
			return true
		}
	}
	return false
}

func checkSecurity(raw []byte) error {
	if _, err := parseSecurity(raw); err != nil || raw[0] != '{' {
		return store.BadRequest("The security object must have `admins` and `members` with lists of strings as `names` and `roles`.")
	}
	return nil
}

func parseSecurity(raw []byte) (*securityObject, error) {
	if raw == nil {
		raw = []byte(defaultSecurity)
	}
	sec := &securityObject{raw: raw}
	if err := jsonv2.Unmarshal(raw, sec); err != nil {
		return nil, err
	}
	if sec.Readers != nil && sec.Members.empty() {
		sec.Members = *sec.Readers
	}
	return sec, nil
}

// securityKey is where a database keeps its parsed security object.
type securityKey struct{}

type securityCache struct {
	mu  sync.Mutex
	sec *securityObject
}

func (c *call) securityObject() (*securityObject, error) {
	cache, ok := c.db.Attach(securityKey{}, func() any { return new(securityCache) }).(*securityCache)
	if !ok {
		cache = new(securityCache)
	}
	cache.mu.Lock()
	defer cache.mu.Unlock()
	raw := c.db.Security()
	if raw == nil {
		raw = []byte(defaultSecurity)
	}
	if cache.sec != nil && bytes.Equal(cache.sec.raw, raw) {
		return cache.sec, nil
	}
	sec, err := parseSecurity(raw)
	if err == nil {
		cache.sec = sec
	}
	return sec, err
}

// needMember lets members, admins and, where there are no members, everybody in.
func (c *call) needMember() error {
	if c.who.admin {
		return nil
	}
	sec, err := c.securityObject()
	if err != nil {
		return err
	}
	if sec.Members.empty() || sec.Members.has(c.who) || sec.Admins.has(c.who) {
		return nil
	}
	if c.who.name == "" {
		return unauthorized("You are not authorized to access this db.")
	}
	return &store.Error{Status: http.StatusForbidden, Name: "forbidden", Reason: "You are not allowed to access this db."}
}

const notDatabaseAdmin = "You are not a db or server admin."

// databaseAdmin lets administrators of the database in, and refuses others with the given error.
func (c *call) databaseAdmin(refusal error) error {
	if c.who.admin {
		return nil
	}
	sec, err := c.securityObject()
	if err != nil {
		return err
	}
	if sec.Admins.has(c.who) {
		return nil
	}
	return refusal
}
