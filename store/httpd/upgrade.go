package httpd

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"slices"

	"github.com/adlayer/after/store"
)

// hashPolicy is how passwords are hashed, and which hashes of users are good enough.
type hashPolicy struct {
	rounds      int  // of PBKDF2
	upgrade     bool // hashes that are made otherwise are replaced when their user logs in
	least, most int  // rounds of a user who may log in; 0: no bound
	conflicts   bool // users may log in whose documents have some
}

// allows refuses a hash whose rounds are out of bounds, as CouchDB does.
func (p hashPolicy) allows(h passwordHash) error {
	switch {
	case h.prf == simpleHash:
		return nil
	case p.least > 0 && h.rounds < p.least:
		return forbidden("Iteration count is too low for this server")
	case p.most > 0 && h.rounds > p.most:
		return forbidden("Iteration count is too high for this server")
	}
	return nil
}

// mostUpgrades bounds how many hashes are replaced at a time; whoever comes beyond that logs in again some day.
const mostUpgrades = 64

// upgrade replaces the stored hash of a user who has just shown the password by one that the policy asks for, behind the request. The salt stays,
// and with it the user's sessions.
func (a *authenticator) upgrade(row *store.Row, password, salt string, who *identity) {
	if !a.policy().upgrade {
		return
	}
	a.mu.Lock()
	full := a.upgrading[row.ID] || len(a.upgrading) >= mostUpgrades
	if !full {
		a.upgrading[row.ID] = true
	}
	a.mu.Unlock()
	if full {
		return
	}
	done := func() {
		a.mu.Lock()
		delete(a.upgrading, row.ID)
		a.mu.Unlock()
	}
	begun := a.begin(func(ctx context.Context) {
		defer done()
		if err := a.rehash(ctx, row, password, salt, who); err != nil && ctx.Err() == nil {
			a.log.WithError(err).WithField("user", who.name).Warn("store: the hash of a user's password cannot be replaced by one of today")
		}
	})
	if !begun {
		done()
	}
}

// rehash writes the user's document with a new hash, unless somebody else has written it since.
func (a *authenticator) rehash(ctx context.Context, row *store.Row, password, salt string, who *identity) error {
	db, err := a.store.Database(usersDatabase)
	if err != nil {
		return err
	}
	release, err := a.turn(ctx)
	if err != nil {
		return err
	}
	h, err := hashPassword(password, salt, a.policy().rounds)
	release()
	if err != nil {
		return err
	}
	body, err := h.write(row.Body)
	if err != nil {
		return err
	}
	results, err := db.Write(ctx, []store.Doc{{ID: row.ID, Rev: row.Rev, Body: body, Attachments: row.Attachments()}}, store.WriteOptions{})
	if err != nil || results[0].Err != nil { // a conflict: it is another's document now
		return err
	}
	next := *row
	next.Rev = results[0].Rev
	a.remember(&next, password, who)
	return nil
}

// write gives a user's document with the hash: its members come first, in CouchDB's order, then those that the document
// has besides, in theirs. What it had of another password is left out.
func (h passwordHash) write(doc []byte) ([]byte, error) {
	members := []shown{
		{"password_scheme", "pbkdf2"}, {"pbkdf2_prf", h.prf}, {"salt", h.salt}, {"iterations", h.rounds}, {"derived_key", hex.EncodeToString(h.key)},
	}
	hashed := len(members)
	err := eachMember(doc, func(name string, value json.RawMessage) error {
		isHash := slices.ContainsFunc(members[:hashed], func(m shown) bool { return m.name == name })
		if !isHash && name != "password" && name != "password_sha" {
			members = append(members, shown{name, value})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return appendObject(nil, members)
}
