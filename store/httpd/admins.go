package httpd

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/adlayer/after/store"
)

// admin is an administrator of the configuration.
type admin struct {
	quick atomic.Pointer[[32]byte] // the keyed digest of a plain password, until its hash is there; else nil
	hash  func() passwordHash      // as CouchDB shows it
	plain bool                     // it was given as one
	given string                   // the text of the hash, where it was given as one
	salt  string                   // binds cookies to the password
}

// adminHashes is where the store keeps the hashes of the configuration's plain passwords: {"name": "-pbkdf2:sha256-…"}. A password that is the
// same at the next start keeps its hash.
const adminHashes = "admin-hashes"

// adminPause is how long a start has the processors for itself before plain passwords are hashed.
const adminPause = time.Second

// newAdmin takes a password as the configuration has it: a hash of CouchDB's, or plain. A plain one becomes a hash when somebody asks for it, or
// soon after the start, see hashAdmins: that is half a second of work, which nobody should wait for. Until then it is known by its digest. former is
// the hash that it had before, if any.
func (a *authenticator) newAdmin(name, password, former string) *admin {
	known := &admin{salt: string(a.mac(name+"\x00"+password, "admin"))}
	if !isHash(password) {
		quick := a.digest('a', name+"\x00"+password)
		known.plain = true
		known.quick.Store(&quick)
		known.hash = sync.OnceValue(func() passwordHash {
			defer known.quick.Store(nil)
			rounds := a.policy().rounds
			if h, ok := parseHash(former); ok && h.isLike(rounds) && h.matches(password) {
				return h
			}
			h, _ := hashPassword(password, store.NewUUID(), rounds) // one without a key matches nothing
			return h
		})
		return known
	}
	h, ok := parseHash(password)
	if !ok {
		a.log.WithField("user", name).Error("store: the hash of an administrator's password cannot be read: nobody can log in as that one")
	}
	known.hash, known.given = func() passwordHash { return h }, password
	return known
}

// addAdmins takes the administrators of the configuration.
func (a *authenticator) addAdmins(passwords map[string]string) {
	raw, err := a.store.Setting(adminHashes)
	if err == nil && raw != nil {
		err = json.Unmarshal(raw, &a.former)
	}
	if err != nil {
		a.log.WithError(err).Warn("store: the hashes of administrators' passwords cannot be read, and are made anew")
	}
	for name, password := range passwords {
		a.admins[name] = a.newAdmin(name, password, a.former[name])
	}
}

// hashAdmins replaces the plain passwords of the configuration by their hashes a moment after the start. It ends early with ctx.
func (a *authenticator) hashAdmins(ctx context.Context) {
	pause, cancel := context.WithTimeout(ctx, adminPause)
	<-pause.Done()
	cancel()
	a.keepHashes(ctx)
}

// keepHashes makes the hashes of plain passwords, unless they were asked for before, and keeps them.
func (a *authenticator) keepHashes(ctx context.Context) {
	hashes := map[string]string{}
	for name, known := range a.admins {
		if !known.plain {
			continue
		}
		if ctx.Err() != nil {
			return
		}
		release, err := a.turn(ctx)
		if err != nil {
			return
		}
		hashes[name] = known.hash().String()
		release()
	}
	if maps.Equal(hashes, a.former) {
		return
	}
	raw, err := json.Marshal(hashes)
	if err == nil {
		err = a.store.SetSetting(context.WithoutCancel(ctx), adminHashes, raw)
	}
	if err != nil {
		a.log.WithError(err).Warn("store: the hashes of administrators' passwords cannot be kept, and are made anew at the next start")
	}
}

// administrator finds one by name; nil where there is none.
func (a *authenticator) administrator(name string) *admin {
	if known := a.admins[name]; known != nil {
		return known
	}
	return (*a.more.Load())[name]
}

// setMore makes those administrators of the server whose hashes are given, beside those of the configuration.
func (a *authenticator) setMore(hashes map[string]string) {
	more := make(map[string]*admin, len(hashes))
	for name, hash := range hashes {
		more[name] = a.newAdmin(name, hash, "")
	}
	a.more.Store(&more)
	a.mu.Lock()
	clear(a.secrets) // of those who are none any more
	clear(a.checked) // the settings may ask for other hashes now
	a.epoch++
	a.mu.Unlock()
}

// shown are the hashes of all administrators, by name.
func (a *authenticator) shown() map[string]string {
	out := map[string]string{}
	for name, known := range *a.more.Load() {
		out[name] = known.shown()
	}
	for name, known := range a.admins {
		out[name] = known.shown()
	}
	return out
}

// shown is the hash as it was given, or made.
func (a *admin) shown() string {
	if a.given != "" {
		return a.given
	}
	return a.hash().String()
}

// isAdmin compares a password with that of an administrator. A wrong one takes as long to refuse as a name that nobody has.
func (a *authenticator) isAdmin(ctx context.Context, known *admin, name, password string) (bool, error) {
	got, quick := a.digest('a', name+"\x00"+password), known.quick.Load()
	if quick != nil && subtle.ConstantTimeCompare(got[:], quick[:]) == 1 {
		return true, nil
	}
	release, err := a.turn(ctx)
	if err != nil {
		return false, err
	}
	defer release()
	if quick != nil || !known.hash().sound() {
		a.nobody(name).matches(password)
		return false, nil
	}
	return known.hash().matches(password), nil
}

// isHash tells whether a password of the configuration means a hash.
func isHash(password string) bool {
	return strings.HasPrefix(password, "-pbkdf2") || strings.HasPrefix(password, "-hashed-")
}
