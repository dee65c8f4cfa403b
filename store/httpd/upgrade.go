package httpd

import (
	"context"
	"encoding/hex"
	"encoding/json"

	"github.com/adlayer/after/store"
)

// hashPolicy is how passwords are hashed, and which hashes of users are good enough.
type hashPolicy struct {
	rounds      int  // of PBKDF2
	upgrade     bool // hashes that are made otherwise are replaced when their user logs in
	least, most int  // rounds of a user who may log in; 0: no bound
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
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(row.Body, &doc); err != nil {
		return err
	}
	delete(doc, "password_sha")
	if err := h.put(doc); err != nil {
		return err
	}
	body, err := json.Marshal(doc)
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

// put sets the members of a user's document that have the hash.
func (h passwordHash) put(doc map[string]json.RawMessage) error {
	for name, value := range map[string]any{
		"password_scheme": "pbkdf2", "pbkdf2_prf": h.prf, "iterations": h.rounds, "salt": h.salt, "derived_key": hex.EncodeToString(h.key),
	} {
		raw, err := json.Marshal(value)
		if err != nil {
			return err
		}
		doc[name] = raw
	}
	return nil
}
