package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/adlayer/after/when"
)

// most are the bounds of numbers of the store.
const (
	mostMegabytes   = 1 << 20
	mostConnections = 1_000_000
)

func storeKeys() []Key {
	return slices.Concat(storeOwnKeys(), sizeKeys(), tlsKeys("store", "the embedded store", ""), limitKeys(), sessionKeys(), storePageKeys())
}

func storeOwnKeys() []Key {
	return []Key{
		{
			Path: "store.listen", Kind: Text, Default: "127.0.0.1:5984", Flag: "listen", check: checkAddress,
			Doc: "Where the embedded store listens. `after start` serves the store itself where this is the address of " +
				"`couch.url` and nothing answers there. An address that other machines can reach is refused while a password is the default one.",
		},
		{
			Path: "store.data", Kind: Path, Default: "", Flag: "data",
			Doc: "The folder of the embedded store's data. Empty: the user's usual place for data.",
		},
		{
			Path: "store.durability", Kind: Text, Default: "full", check: checkOneOf("full", "relaxed"),
			Doc: "`full`: a write to the embedded store is answered when it is on disk. `relaxed`: it is answered before, and brought to disk within a " +
				"second or so; a power cut, or the death of the process, can cost what was answered last. The log says so at each start.",
		},
		{
			Path: "store.admins", Kind: Map, Default: map[string]string{"after": DefaultPassword}, Secret: true, check: checkAdmins,
			Doc: "The embedded store's administrators and their passwords, plain or as hashes of CouchDB (`-pbkdf2:sha256-…`). The file's object replaces the default whole. " +
				"In the variable: JSON, or `name:password` pairs with commas between them.",
		},
		{
			Path: "store.admins_file", Kind: Path, Default: "",
			Doc: "A file with one `name:password` on each line, used instead of `store.admins`.",
		},
	}
}

// sizeKeys are what bounds requests to the embedded store: as CouchDB's settings of these names, which can be changed while it is served.
func sizeKeys() []Key {
	most := checkRange(0, 1<<40)
	return []Key{
		{
			Path: "store.max_document_size", Kind: Number, Default: int64(8_000_000), check: checkRange(1, 1<<31-1),
			Doc: "The largest document that the embedded store takes, in bytes, attachments not counted.",
		},
		{
			Path: "store.max_attachment_size", Kind: Number, Default: int64(4 << 30), check: most,
			Doc: "The largest attachment that it takes, in bytes. 0: none is too large.",
		},
		{
			Path: "store.max_http_request_size", Kind: Number, Default: int64(256 << 20), check: checkRange(1, 1<<40),
			Doc: "The largest body of a request that it takes, in bytes. Attachments that come alone or behind their document do not count.",
		},
		{
			Path: "store.max_document_id_length", Kind: Number, Default: int64(0), check: checkRange(0, 1<<20),
			Doc: "The longest id of a document, in bytes. 0: none is too long.",
		},
		{
			Path: "store.max_bulk_docs_count", Kind: Number, Default: int64(200_000), check: checkRange(1, 10_000_000),
			Doc: "How many documents one `_bulk_docs` may write.",
		},
		{
			Path: "store.max_bulk_get_count", Kind: Number, Default: int64(200_000), check: checkRange(1, 10_000_000),
			Doc: "How many documents one `_bulk_get` may ask for.",
		},
	}
}

func limitKeys() []Key {
	return []Key{
		{
			Path: "store.limits.memory", Kind: Number, Default: int64(512), check: checkRange(1, mostMegabytes),
			Doc: "How many megabytes of request bodies are in memory at a time, all requests together. Beyond it the answer is 503. 1 to 1048576.",
		},
		{
			Path: "store.limits.connections", Kind: Number, Default: int64(20_000), check: checkRange(1, mostConnections),
			Doc: "How many connections there are at a time. A further one takes the place of one that asks nothing, or waits. 1 to 1000000.",
		},
		{
			Path: "store.limits.stall", Kind: Duration, Default: "1m", check: checkPositive,
			Doc: "For how long a client may send nothing of a request body, or take nothing of an answer. Feeds may be silent for longer.",
		},
		{
			Path: "store.limits.rate", Kind: Number, Default: int64(1024), check: checkRange(1, mostMegabytes),
			Doc: "How many bytes a second a request body must bring on the whole. 1 to 1048576.",
		},
	}
}

func sessionKeys() []Key {
	return []Key{
		{
			Path: "store.session.timeout", Kind: Duration, Default: "10m", check: checkPositive,
			Doc: "How long a session cookie is good for. Requests renew it.",
		},
		{
			Path: "store.session.same_site", Kind: Text, Default: "", check: checkOneOf("", "strict", "lax", "none"),
			Doc: "The `SameSite` of session cookies: `strict`, `lax` or `none`. Empty: they have none, as CouchDB's.",
		},
		{
			Path: "store.users.security_editable", Kind: Bool, Default: false,
			Doc: "Whether administrators may change `_security` of `_users`, which opens it to users: each reads and writes the own document.",
		},
		{
			Path: "store.users.public_fields", Kind: List, Default: []string{},
			Doc: "The fields of documents of `_users` that everybody sees who may read that database.",
		},
	}
}

func storePageKeys() []Key {
	origins := "The origins of web pages that may use the store from a browser, `https://app.example:8443` say; `*` for all. Empty: none."
	keys := corsKeys("store", origins, "The headers that their requests may have. Empty: those of CouchDB's default.")
	return slices.Insert(keys, len(keys)-1, Key{
		Path: "store.cors.methods", Kind: List, Default: []string{},
		Doc: "The methods that their requests may have. Empty: those of CouchDB's default.",
	})
}

func checkAdmins(value any) error {
	admins, _ := value.(map[string]string)
	if len(admins) == 0 {
		return errors.New("names nobody: at least one user with a password is needed")
	}
	for name, password := range admins {
		switch {
		case name == "" || strings.ContainsAny(name, ":\r\n"):
			return fmt.Errorf("%q cannot be a user's name: it must not be empty nor have a colon in it", name)
		case password == "":
			return fmt.Errorf("the password of %q is empty", name)
		}
	}
	return nil
}

func checkPositive(value any) error {
	if err := checkDuration(value); err != nil {
		return err
	}
	text, _ := value.(string)
	if d, _ := when.ParseDuration(text); d <= 0 {
		return fmt.Errorf("%q is not above zero", text)
	}
	return nil
}

// check refuses settings that are right each by itself but not together.
func (s Store) check() error {
	return errors.Join(s.TLS.check("store"), s.CORS.check("store"))
}
