package httpd

import (
	"context"
	"crypto/subtle"
	"strings"
	"sync"
)

// admin is an administrator of the configuration.
type admin struct {
	quick [32]byte            // the keyed digest of a plain password
	plain bool                // there is one
	hash  func() passwordHash // as CouchDB shows it
	salt  string              // binds cookies to the password
}

// newAdmin takes a password as the configuration has it: a hash of CouchDB's, or plain. A plain one is known by its digest. Its hash is made when
// somebody asks for it: that is half a second of work, which nobody should wait for at the start.
func (a *authenticator) newAdmin(name, password string) *admin {
	known := &admin{salt: string(a.mac(name+"\x00"+password, "admin"))}
	if !isHash(password) {
		known.plain, known.quick = true, a.digest('a', name+"\x00"+password)
		known.hash = sync.OnceValue(func() passwordHash {
			h, _ := hashPassword(password, a.rounds) // one without a key matches nothing
			return h
		})
		return known
	}
	h, ok := parseHash(password)
	if !ok {
		a.log.WithField("user", name).Error("store: the hash of an administrator's password cannot be read: nobody can log in as that one")
	}
	known.hash = func() passwordHash { return h }
	return known
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
		more[name] = a.newAdmin(name, hash)
	}
	a.more.Store(&more)
	a.mu.Lock()
	clear(a.secrets) // of those who are none any more
	a.epoch++
	a.mu.Unlock()
}

// shown are the hashes of all administrators, by name.
func (a *authenticator) shown() map[string]string {
	out := map[string]string{}
	for name, known := range *a.more.Load() {
		out[name] = known.hash().String()
	}
	for name, known := range a.admins {
		out[name] = known.hash().String()
	}
	return out
}

// isAdmin compares a password with that of an administrator. A wrong one takes as long to refuse as a name that nobody has.
func (a *authenticator) isAdmin(ctx context.Context, known *admin, name, password string) (bool, error) {
	if got := a.digest('a', name+"\x00"+password); known.plain && subtle.ConstantTimeCompare(got[:], known.quick[:]) == 1 {
		return true, nil
	}
	release, err := a.turn(ctx)
	if err != nil {
		return false, err
	}
	defer release()
	if known.plain || !known.hash().sound() {
		a.nobody(name).matches(password)
		return false, nil
	}
	return known.hash().matches(password), nil
}

// isHash tells whether a password of the configuration means a hash.
func isHash(password string) bool {
	return strings.HasPrefix(password, "-pbkdf2") || strings.HasPrefix(password, "-hashed-")
}
