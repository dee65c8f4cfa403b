package httpd

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha1" //nolint:gosec // CouchDB's default hash for stored passwords
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"hash"
	"slices"
	"strconv"
	"strings"

	"github.com/adlayer/after/store"
)

const (
	usersDatabase = "_users"
	userPrefix    = "org.couchdb.user:"
	// defaultHashRounds is CouchDB's number; a credential that was checked is remembered.
	defaultHashRounds = 600_000
)

// passwordHash is a stored password.
type passwordHash struct {
	prf    string // "sha", "sha256", "sha512"
	rounds int
	salt   string
	key    []byte
}

func (h passwordHash) new() func() hash.Hash {
	switch h.prf {
	case "sha":
		return sha1.New
	case "sha512":
		return sha512.New
	}
	return sha256.New
}

const maxRounds = 10_000_000

func (h passwordHash) matches(password string) bool {
	got, err := pbkdf2.Key(h.new(), password, []byte(h.salt), h.rounds, len(h.key))
	return err == nil && subtle.ConstantTimeCompare(got, h.key) == 1
}

// parseHash reads CouchDB's form of a hashed administrator's password: -pbkdf2-key,salt,rounds or -pbkdf2:sha256-key,salt,rounds.
func parseHash(text string) (passwordHash, bool) {
	rest, ok := strings.CutPrefix(text, "-pbkdf2")
	if !ok {
		return passwordHash{}, false
	}
	h := passwordHash{prf: "sha"}
	if prf, after, ok := strings.Cut(rest, "-"); ok {
		if prf != "" {
			h.prf = strings.TrimPrefix(prf, ":")
		}
		rest = after
	}
	parts := strings.Split(rest, ",")
	if len(parts) != 3 {
		return passwordHash{}, false
	}
	var err error
	h.key, err = hex.DecodeString(parts[0])
	h.salt = parts[1]
	rounds, err2 := strconv.Atoi(parts[2])
	h.rounds = rounds
	return h, err == nil && err2 == nil && len(h.key) > 0 && rounds > 0 && rounds <= maxRounds
}

// hashPassword makes the stored form of a new password.
func hashPassword(password string, rounds int) (passwordHash, error) {
	h := passwordHash{prf: "sha256", rounds: rounds, salt: store.NewUUID()}
	key, err := pbkdf2.Key(h.new(), password, []byte(h.salt), h.rounds, sha256.Size)
	h.key = key
	return h, err
}

// userDoc is what a document of _users says.
type userDoc struct {
	Name       string   `json:"name"`
	Type       string   `json:"type"`
	Roles      []string `json:"roles"`
	Scheme     string   `json:"password_scheme"`
	PRF        string   `json:"pbkdf2_prf"`
	Iterations int      `json:"iterations"`
	Derived    string   `json:"derived_key"`
	Salt       string   `json:"salt"`
}

// checkedUser remembers a password that matched a revision of the user's document.
type checkedUser struct {
	rev store.Rev
	who *identity
}

// user verifies a name and password against _users.
func (a *authenticator) user(name, password string) (*identity, error) {
	row, err := a.userRow(name)
	if err != nil {
		if store.IsNotFound(err) {
			a.hashes(passwordHash{prf: "sha256", rounds: a.rounds, salt: name, key: make([]byte, sha256.Size)}, password) // time must not tell who is known
			return nil, wrongPassword()
		}
		return nil, err
	}
	digest := a.digest('u', name+"\x00"+password)
	a.mu.RLock()
	known, ok := a.checked[digest]
	a.mu.RUnlock()
	if ok && known.rev == row.Rev {
		return known.who, nil
	}
	var u userDoc
	if json.Unmarshal(row.Body, &u) != nil || u.Scheme != "pbkdf2" || u.Iterations < 1 || u.Iterations > maxRounds {
		return nil, wrongPassword()
	}
	key, err := hex.DecodeString(u.Derived)
	h := passwordHash{prf: u.PRF, rounds: u.Iterations, salt: u.Salt, key: key}
	if u.PRF == "" {
		h.prf = "sha"
	}
	if err != nil || len(key) == 0 || !a.hashes(h, password) {
		return nil, wrongPassword()
	}
	who := &identity{name: name, roles: u.Roles, via: "default"}
	a.mu.Lock()
	if len(a.checked) >= maxChecked {
		clear(a.checked)
	}
	a.checked[digest] = checkedUser{row.Rev, who}
	a.mu.Unlock()
	return who, nil
}

// userRow reads the document of a user; a 404 if there is none.
func (a *authenticator) userRow(name string) (*store.Row, error) {
	db, err := a.store.Database(usersDatabase)
	if err != nil {
		return nil, err
	}
	snap, err := db.Snapshot()
	if err != nil {
		return nil, err
	}
	defer snap.Close() //nolint:errcheck // the reads have told all there is
	row, err := snap.Get(userPrefix + name)
	if err == nil && row.Deleted {
		err = store.NotFound("deleted")
	}
	return row, err
}

// hashes compares a password with a hash. That is dear by intent, so only a few are computed at a time: wrong passwords must not take the
// machine from those who do no wrong.
func (a *authenticator) hashes(h passwordHash, password string) bool {
	a.hashing <- struct{}{}
	defer func() { <-a.hashing }()
	return h.matches(password)
}

// mac signs text for cookies.
func (a *authenticator) mac(text, salt string) []byte {
	m := hmac.New(sha256.New, append(slices.Clone(a.cookies), salt...))
	_, _ = m.Write([]byte(text))
	return m.Sum(nil)
}

// prepareUser makes a document of _users fit to be stored: the password is replaced by its hash.
func (c *call) prepareUser(d *store.Doc) error {
	if c.db.Name() != usersDatabase || d.Deleted || strings.HasPrefix(d.ID, "_") {
		return nil
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(d.Body, &m); err != nil {
		return store.BadRequest("invalid UTF-8 JSON")
	}
	if err := checkUser(d.ID, m); err != nil {
		return err
	}
	var password string
	raw, ok := m["password"]
	if !ok || string(raw) == "null" {
		return nil
	}
	if json.Unmarshal(raw, &password) != nil {
		return forbidden("Password value of '" + string(raw) + "' is invalid.")
	}
	h, err := hashPassword(password, c.s.opts.HashRounds)
	if err != nil {
		return err
	}
	delete(m, "password")
	for name, value := range map[string]any{
		"password_scheme": "pbkdf2", "pbkdf2_prf": h.prf, "iterations": h.rounds, "salt": h.salt,
		"derived_key": hex.EncodeToString(h.key),
	} {
		if m[name], err = json.Marshal(value); err != nil {
			return err
		}
	}
	d.Body, err = json.Marshal(m)
	return err
}

func forbidden(reason string) error {
	return &store.Error{Status: 403, Name: "forbidden", Reason: reason}
}

// checkUser holds the shape that CouchDB's own validation of _users asks for.
func checkUser(id string, m map[string]json.RawMessage) error {
	var name, kind string
	var roles []string
	if json.Unmarshal(m["type"], &kind) != nil || kind != "user" {
		return forbidden("doc.type must be user")
	}
	if json.Unmarshal(m["name"], &name) != nil || name == "" {
		return forbidden("doc.name is required")
	}
	switch {
	case m["roles"] == nil:
		return forbidden("doc.roles must exist")
	case m["roles"][0] != '[':
		return forbidden("doc.roles must be an array")
	case json.Unmarshal(m["roles"], &roles) != nil:
		return forbidden("doc.roles can only contain strings")
	}
	if id != userPrefix+name {
		return forbidden("Doc ID must be of the form org.couchdb.user:name")
	}
	for _, role := range roles {
		if strings.HasPrefix(role, "_") {
			return forbidden("No system roles (starting with underscore) in users db.")
		}
	}
	return nil
}
