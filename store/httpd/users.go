package httpd

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha1" //nolint:gosec // CouchDB's default hash for stored passwords
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"strconv"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/adlayer/after/store"
)

const (
	usersDatabase = "_users"
	userPrefix    = "org.couchdb.user:"
	// defaultHashRounds is CouchDB's number; a credential that was checked is remembered.
	defaultHashRounds = 600_000
)

// passwordHash is a stored password. One without a key matches nothing.
type passwordHash struct {
	prf    string // of PBKDF2: "sha", "sha224", "sha256", "sha384", "sha512"; "simple" for one round of SHA-1, which CouchDB had once
	rounds int
	salt   string
	key    []byte
}

const simpleHash = "simple"

// hashFunctions are those of PBKDF2.
var hashFunctions = map[string]func() hash.Hash{ //nolint:gochecknoglobals // a constant table
	"sha": sha1.New, "sha224": sha256.New224, "sha256": sha256.New, "sha384": sha512.New384, "sha512": sha512.New,
}

const maxRounds = 10_000_000

// sound tells whether the hash can be compared with.
func (h passwordHash) sound() bool {
	if h.prf == simpleHash {
		return len(h.key) == sha1.Size
	}
	return hashFunctions[h.prf] != nil && len(h.key) > 0 && h.rounds > 0 && h.rounds <= maxRounds
}

func (h passwordHash) matches(password string) bool {
	if !h.sound() {
		return false
	}
	if h.prf == simpleHash {
		got := sha1.Sum([]byte(password + h.salt)) //nolint:gosec // passwords of old CouchDBs
		return subtle.ConstantTimeCompare(got[:], h.key) == 1
	}
	got, err := pbkdf2.Key(hashFunctions[h.prf], password, []byte(h.salt), h.rounds, len(h.key))
	return err == nil && subtle.ConstantTimeCompare(got, h.key) == 1
}

// String is CouchDB's form of an administrator's password.
func (h passwordHash) String() string {
	if h.prf == simpleHash {
		return fmt.Sprintf("-hashed-%x,%s", h.key, h.salt)
	}
	return fmt.Sprintf("-pbkdf2:%s-%x,%s,%d", h.prf, h.key, h.salt, h.rounds)
}

// parseHash reads CouchDB's form of a hashed administrator's password: -pbkdf2-key,salt,rounds, -pbkdf2:sha256-key,salt,rounds or
// -hashed-key,salt.
func parseHash(text string) (h passwordHash, ok bool) {
	var rest string
	if rest, ok = strings.CutPrefix(text, "-hashed-"); ok {
		key, salt, _ := strings.Cut(rest, ",")
		h.prf, h.salt = simpleHash, salt
		h.key, _ = hex.DecodeString(key) // none is not sound
		return h, h.sound()
	}
	if rest, ok = strings.CutPrefix(text, "-pbkdf2"); !ok {
		return h, false
	}
	prf, rest, _ := strings.Cut(rest, "-")
	parts := strings.Split(rest, ",")
	if len(parts) != 3 || (prf != "" && prf[0] != ':') {
		return passwordHash{}, false
	}
	h = passwordHash{prf: cmp.Or(strings.TrimPrefix(prf, ":"), "sha"), salt: parts[1]}
	h.key, _ = hex.DecodeString(parts[0]) // none is not sound
	h.rounds, _ = strconv.Atoi(parts[2])  // likewise
	return h, h.sound()
}

// hashPassword makes the stored form of a password.
func hashPassword(password, salt string, rounds int) (passwordHash, error) {
	h := passwordHash{prf: "sha256", rounds: rounds, salt: salt}
	key, err := pbkdf2.Key(sha256.New, password, []byte(h.salt), h.rounds, sha256.Size)
	h.key = key
	return h, err
}

// isLike tells whether the hash is one that hashPassword makes with so many rounds.
func (h passwordHash) isLike(rounds int) bool { return h.prf == "sha256" && h.rounds == rounds }

// userDoc is what a document of _users says. It is read with the names of members as they stand: "Roles" are no roles.
type userDoc struct {
	Name       string   `json:"name"`
	Type       string   `json:"type"`
	Roles      []string `json:"roles"`
	Scheme     string   `json:"password_scheme"`
	PRF        string   `json:"pbkdf2_prf"`
	Iterations int      `json:"iterations"`
	Derived    string   `json:"derived_key"`
	Salt       string   `json:"salt"`
	Simple     string   `json:"password_sha"`
}

// checkedUser remembers a password that matched a revision of the user's document.
type checkedUser struct {
	rev store.Rev
	who *identity
}

// stored is the password as the document has it; not sound where there is none.
func (u *userDoc) stored() passwordHash {
	h := passwordHash{prf: cmp.Or(u.PRF, "sha"), rounds: u.Iterations, salt: u.Salt}
	text := u.Derived
	switch u.Scheme {
	case "pbkdf2":
	case simpleHash, "":
		h.prf, text = simpleHash, u.Simple
	default:
		return passwordHash{}
	}
	h.key, _ = hex.DecodeString(text) // none is not sound
	return h
}

// user verifies a name and password against _users. That takes the same work whether or not there is such a user: time must not tell who is known.
func (a *authenticator) user(ctx context.Context, name, password string) (*identity, error) {
	var u userDoc
	row, err := a.userRow(name)
	switch {
	case err == nil:
		if known := a.known(row, password); known != nil {
			a.counts.known.Add(1)
			return known, nil
		}
		if jsonv2.Unmarshal(row.Body, &u) != nil {
			u = userDoc{}
		}
	case !store.IsNotFound(err):
		return nil, err
	}
	a.counts.unknown.Add(1)
	release, err := a.turn(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	h := u.stored()
	if !h.sound() {
		a.nobody(name).matches(password)
		return nil, wrongPassword()
	}
	if err := a.policy().allows(h); err != nil {
		return nil, err
	}
	if !h.matches(password) {
		return nil, wrongPassword()
	}
	who := &identity{name: name, roles: u.Roles, via: "default"}
	a.remember(row, password, who)
	if !h.isLike(a.policy().rounds) {
		a.upgrade(row, password, h.salt, who)
	}
	return who, nil
}

// nobody is a password that nobody has, to compare with where there is none.
func (a *authenticator) nobody(name string) passwordHash {
	return passwordHash{prf: "sha256", rounds: a.policy().rounds, salt: name, key: make([]byte, sha256.Size)}
}

// known gives who was found before with a password and this revision of the document.
func (a *authenticator) known(row *store.Row, password string) *identity {
	digest := a.digest('u', row.ID+"\x00"+password)
	a.mu.RLock()
	defer a.mu.RUnlock()
	if known, ok := a.checked[digest]; ok && known.rev == row.Rev {
		return known.who
	}
	return nil
}

func (a *authenticator) remember(row *store.Row, password string, who *identity) {
	digest := a.digest('u', row.ID+"\x00"+password)
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.checked) >= maxChecked {
		clear(a.checked)
	}
	a.checked[digest] = checkedUser{row.Rev, who}
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
	if err != nil {
		return nil, err
	}
	if row.Deleted {
		return nil, store.NotFound("deleted")
	}
	if row.Branched && !a.policy().conflicts {
		tree, err := snap.Tree(row.ID)
		if err != nil {
			return nil, err
		}
		for _, leaf := range tree.Leaves() {
			if !leaf.Deleted && leaf.Rev != row.Rev {
				return nil, unauthorized("User document conflicts must be resolved before the document is used for authentication purposes.")
			}
		}
	}
	return row, nil
}

// hash makes the stored form of a new password, in turn with those.
func (a *authenticator) hash(ctx context.Context, password string) (passwordHash, error) {
	release, err := a.turn(ctx)
	if err != nil {
		return passwordHash{}, err
	}
	defer release()
	return hashPassword(password, store.NewUUID(), a.policy().rounds)
}

// turn waits until a hash may be computed. Who has gone leaves the queue.
func (a *authenticator) turn(ctx context.Context) (release func(), err error) {
	release = func() { <-a.hashing }
	select {
	case a.hashing <- struct{}{}:
		return release, nil
	default:
	}
	select {
	case a.hashing <- struct{}{}:
		return release, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// sign signs text for cookies, with the secret of the settings or else the store's own.
func (a *authenticator) sign(text, salt string) []byte {
	secret := a.handlers().secret
	if len(secret) == 0 {
		secret = a.cookies
	}
	return sign(secret, text, salt)
}

// mac signs text for this store alone.
func (a *authenticator) mac(text, salt string) []byte { return sign(a.cookies, text, salt) }

func sign(secret []byte, text, salt string) []byte {
	m := hmac.New(sha256.New, append(slices.Clone(secret), salt...))
	_, _ = m.Write([]byte(text))
	return m.Sum(nil)
}
