package httpd

import (
	"context"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/mango"
	"github.com/adlayer/after/store/replicate"
)

// setting names one text of a section, in CouchDB's words.
type setting struct{ section, key string }

// settings are CouchDB's configuration as far as clients change it: texts in sections. Some of them act, see live; the others are kept for those who
// ask. What is set stays set after a restart, unless it was asked not to.
type settings struct {
	store *store.Store
	log   logrus.FieldLogger
	opts  Options
	first store.Limits // as the store was opened

	mu     sync.RWMutex
	base   map[setting]string // as the server was started
	stored map[setting]string // what was set since and is kept
	values map[setting]string // in force: all of these, and what was set without being kept
	others map[setting]string // what acts where nothing is set

	acting atomic.Pointer[live]
	admins func(map[string]string) // takes the section of administrators

	level   logrus.Level // of the log, as the server was started
	leveled bool         // it was set to another one
}

// live are the settings that act, ready for use.
type live struct {
	maxRequest            int64
	maxBulkDocs           int
	maxBulkGet            int
	maxDatabasesInfo      int
	usersSecurityEditable bool
	publicFields          []string
	sameSite              string
	cors                  CORS
	maintenance           string
	sessionAge            time.Duration
	shards                int
	uuids                 string
	uuidSuffix            string
	maxUUIDs              int
	hashes                hashPolicy
	handlers              *authHandlers
	lockouts              lockoutPolicy
	openToAll             bool // new databases are
	openNames             bool // everybody may list the databases
	jsonp                 bool // answers may be scripts
	uuid                  string
	vendor                map[string]string
	changesTimeout        time.Duration
	userRequired          bool
	userRequiredButForUp  bool
	sessionCookies        bool   // cookies end with the browser
	cookieDomain          string // "" for the server's
	frames                *framePolicy

	forwardedHost, forwardedProto, forwardedSSL string // the names of headers
	attachmentPolicy                            string // what a browser may do with an attachment that it shows; empty: all

	challenge  string // the WWW-Authenticate of a 401, "" for none
	loginPage  string // where browsers are sent that have to log in, "" for nowhere
	maxURI     int64  // bytes of a path with its query
	plusIsPlus bool   // in paths, where it else is a space

	minimalHeaders []string // for who prefers few
	passwords      passwordRules

	queries      mango.Settings
	replications replicate.Settings
}

// settingsName is where the store keeps settings.
const settingsName = "settings"

// adminsSection has the administrators that were made over HTTP, with their hashes.
const adminsSection = "admins"

// newSettings reads what was kept. admins gets the hashes of administrators, now and whenever they change.
func newSettings(st *store.Store, o Options, admins func(map[string]string)) *settings {
	s := &settings{
		admins: admins, store: st, log: o.Log, opts: o, first: st.Limits(),
		stored: map[setting]string{},
		base: map[setting]string{
			{"couchdb", "uuid"}:   st.UUID(),
			{"vendor", "name"}:    "after",
			{"vendor", "version"}: o.Version,
		},
	}
	if log := leveled(o.Log); log != nil {
		s.level = log.GetLevel()
	}
	if err := s.load(); err != nil {
		s.log.WithError(err).Error("store: settings that were changed over HTTP cannot be read, and do not act")
	}
	s.reload()
	return s
}

// load reads what was kept: {"section": {"key": "text"}}.
func (s *settings) load() error {
	raw, err := s.store.Setting(settingsName)
	if err != nil || raw == nil {
		return err
	}
	var sections map[string]map[string]string
	if err := json.Unmarshal(raw, &sections); err != nil {
		return err
	}
	for section, keys := range sections {
		for key, value := range keys {
			s.stored[setting{section, key}] = value
		}
	}
	return nil
}

// all gives all sections: what is set, and what acts where nothing is.
func (s *settings) all() map[string]map[string]string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := maps.Clone(s.others)
	maps.Copy(out, s.values)
	return inSections(out)
}

// set tells whether a setting is set.
func (s *settings) set(at setting) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, ok := s.values[at]
	return ok
}

func inSections(values map[setting]string) map[string]map[string]string {
	out := map[string]map[string]string{}
	for at, value := range values {
		if out[at.section] == nil {
			out[at.section] = map[string]string{}
		}
		out[at.section][at.key] = value
	}
	return out
}

// change sets a setting, or removes it where value is nil, and gives what it was. lasting keeps it over a restart.
func (s *settings) change(ctx context.Context, at setting, value *string, lasting bool) (old string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old = s.values[at]
	if lasting {
		next := maps.Clone(s.stored)
		if delete(next, at); value != nil {
			next[at] = *value
		}
		if err := s.save(ctx, next); err != nil {
			return "", err
		}
		s.stored = next
	}
	if delete(s.values, at); value != nil {
		s.values[at] = *value
	}
	s.act()
	return old, nil
}

// reload forgets what was set without being kept.
func (s *settings) reload() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values = maps.Clone(s.base)
	maps.Copy(s.values, s.stored)
	s.act()
}

func (s *settings) save(ctx context.Context, values map[setting]string) error {
	raw, err := json.Marshal(inSections(values))
	if err != nil {
		return err
	}
	return s.store.SetSetting(ctx, settingsName, raw)
}

// act puts into force what the texts say. What makes no sense counts as not set, as in CouchDB.
func (s *settings) act() {
	s.others = map[setting]string{}
	s.store.SetLimits(store.Limits{
		Document:   int(s.number("couchdb", "max_document_size", int64(s.first.Document))),
		Attachment: s.number("couchdb", "max_attachment_size", unbounded(s.first.Attachment)),
		ID:         int(s.number("couchdb", "max_document_id_length", unbounded(int64(s.first.ID)))),
	})
	s.store.SetCompressible(s.compressible())
	l := &live{
		maxRequest:            min(s.number("chttpd", "max_http_request_size", s.opts.MaxRequest), math.MaxInt64-1), // one more is read to tell
		maxBulkDocs:           int(s.number("couchdb", "max_bulk_docs_count", int64(s.opts.MaxBulkDocs))),
		maxBulkGet:            int(s.number("couchdb", "max_bulk_get_count", int64(s.opts.MaxBulkGet))),
		maxDatabasesInfo:      int(s.number("chttpd", "max_db_number_for_dbs_info_req", 100)),
		usersSecurityEditable: s.text("couchdb", "users_db_security_editable", strconv.FormatBool(s.opts.UsersSecurityEditable)) == "true",
		publicFields:          splitList(s.text("chttpd_auth", "public_fields", strings.Join(s.opts.PublicFields, ","))),
		sameSite:              s.text("chttpd_auth", "same_site", s.opts.SameSite),
		cors:                  s.cors(),
		maintenance:           s.text("couchdb", "maintenance_mode", "false"),
		sessionAge:            s.seconds("chttpd_auth", "timeout", s.opts.SessionTimeout),
		shards:                int(min(s.number("cluster", "q", 2), maxShards)),
		uuids:                 s.text("uuids", "algorithm", "sequential"),
		uuidSuffix:            s.text("uuids", "utc_id_suffix", ""),
		maxUUIDs:              int(s.number("uuids", "max_count", 1000)),
		hashes:                s.hashPolicy(),
		handlers:              s.authHandlers(),
		lockouts:              s.lockoutPolicy(),
		openToAll:             slices.Contains([]string{"everyone", "admin_local"}, s.text("couchdb", "default_security", "admin_only")),
		openNames:             s.text("chttpd", "admin_only_all_dbs", "true") == "false",
		jsonp:                 s.flag("chttpd", "allow_jsonp"),
		uuid:                  s.text("couchdb", "uuid", s.store.UUID()),
		vendor:                map[string]string{},
		changesTimeout:        s.milliseconds("chttpd", "changes_timeout", defaultTimeout),
		userRequired:          s.flag("chttpd", "require_valid_user") || s.flag("chttpd_auth", "require_valid_user"),
		userRequiredButForUp:  s.flag("chttpd", "require_valid_user_except_for_up"),
		sessionCookies:        s.text("chttpd_auth", "allow_persistent_cookies", "true") != "true",
		cookieDomain:          s.text("chttpd_auth", "cookie_domain", ""),
		frames:                s.framePolicy(),
		forwardedHost:         s.text("chttpd", "x_forwarded_host", "X-Forwarded-Host"),
		forwardedProto:        s.text("chttpd", "x_forwarded_proto", "X-Forwarded-Proto"),
		forwardedSSL:          s.text("chttpd", "x_forwarded_ssl", "X-Forwarded-Ssl"),
		challenge:             s.challenge(),
		loginPage:             s.text("chttpd_auth", "authentication_redirect", ""),
		maxURI:                s.longestURI(),
		plusIsPlus:            s.text("chttpd", "decode_plus_to_space", "true") == "false",
		minimalHeaders:        splitList(s.text("chttpd", "prefer_minimal", minimalHeaders)),
		passwords:             parsePasswordRules(s.text("chttpd_auth", "password_regexp", "")),
		queries:               s.queries(),
		replications:          s.replications(),
	}
	if s.text("csp", "attachments_enable", "true") == "true" {
		l.attachmentPolicy = s.text("csp", "attachments_header_value", "sandbox")
	}
	admins := map[string]string{}
	for at, value := range s.values {
		switch at.section {
		case adminsSection:
			admins[at.key] = value
		case "vendor":
			l.vendor[at.key] = value
		}
	}
	s.acting.Store(l)
	s.admins(admins)
	s.logLevel()
}

// longestURI is how many bytes a path with its query may have. So few that nobody could ask for the setting's end make no sense.
func (s *settings) longestURI() int64 {
	const least = 1024
	if n := s.number("chttpd", "max_uri_length", math.MaxInt64); n >= least {
		return n
	}
	return math.MaxInt64
}

// hashPolicy is how passwords are hashed.
func (s *settings) hashPolicy() hashPolicy {
	p := hashPolicy{
		rounds:  int(s.number("chttpd_auth", "iterations", int64(s.opts.HashRounds))),
		upgrade: s.text("chttpd_auth", "upgrade_hash_on_auth", "true") == "true", conflicts: s.flag("chttpd_auth", "allow_conflicted_user_docs"),
		least: int(s.number("chttpd_auth", "min_iterations", 1)),
		most:  int(s.number("chttpd_auth", "max_iterations", math.MaxInt64)),
	}
	if p.rounds < 1 || p.rounds > maxRounds {
		p.rounds = s.opts.HashRounds
	}
	return p
}

// lockoutPolicy is when wrong passwords lock an account. What makes no sense locks.
func (s *settings) lockoutPolicy() lockoutPolicy {
	mode := s.text("chttpd_auth_lockout", "mode", "enforce")
	return lockoutPolicy{
		off: mode == "off", warn: mode == "warn", threshold: int(max(1, s.number("chttpd_auth_lockout", "threshold", mostFailures))),
	}
}

// framePolicy says who may put answers into frames; nil where that is not asked for.
func (s *settings) framePolicy() *framePolicy {
	if !s.flag("chttpd", "enable_xframe_options") {
		return nil
	}
	return &framePolicy{sameOrigin: s.flag("x_frame_options", "same_origin"), hosts: splitList(s.text("x_frame_options", "hosts", ""))}
}

// challenge is what makes browsers ask for a name and a password.
func (s *settings) challenge() string {
	otherwise := ""
	if s.flag("chttpd_auth", "require_valid_user") {
		otherwise = `Basic realm="server"`
	}
	return s.text("chttpd", "WWW-Authenticate", otherwise)
}

func (s *settings) flag(section, key string) bool { return s.text(section, key, "false") == "true" }

// older are sections whose settings CouchDB still takes under an older name.
var older = map[string]string{"chttpd": "httpd", "chttpd_auth": "couch_httpd_auth"} //nolint:gochecknoglobals // a constant table

// text reads a setting.
func (s *settings) text(section, key, otherwise string) string {
	if text, ok := s.values[setting{section, key}]; ok {
		return text
	}
	if text, ok := s.values[setting{older[section], key}]; ok {
		return text
	}
	if otherwise != "" {
		s.others[setting{section, key}] = otherwise
	}
	return otherwise
}

// cors is which other origins are let in.
func (s *settings) cors() CORS {
	o := s.opts.CORS
	if s.text("chttpd", "enable_cors", strconv.FormatBool(len(o.Origins) > 0)) != "true" {
		return CORS{}
	}
	return usualCORS(CORS{
		Origins:     splitList(s.text("cors", "origins", strings.Join(o.Origins, ","))),
		Credentials: s.text("cors", "credentials", strconv.FormatBool(o.Credentials)) == "true",
		Headers:     splitList(s.text("cors", "headers", strings.Join(o.Headers, ","))),
		Methods:     splitList(s.text("cors", "methods", strings.Join(o.Methods, ","))),
		Exposed:     splitList(s.text("cors", "exposed_headers", "")),
		MaxAge:      s.seconds("cors", "max_age", o.MaxAge),
	})
}

// splitList reads a list with commas.
func splitList(text string) []string {
	var list []string
	for one := range strings.SplitSeq(text, ",") {
		if one = strings.TrimSpace(one); one != "" {
			list = append(list, one)
		}
	}
	return list
}

// infinity is a number that none is above.
const infinity = "infinity"

// unbounded is for a limit that is none where it is not above 0.
func unbounded(n int64) int64 {
	if n <= 0 {
		return math.MaxInt64
	}
	return n
}

// number reads a whole number.
func (s *settings) number(section, key string, otherwise int64) int64 {
	usual := infinity
	if otherwise < math.MaxInt64 {
		usual = strconv.FormatInt(otherwise, 10)
	}
	text := s.text(section, key, usual)
	if text == infinity {
		return math.MaxInt64
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return otherwise
	}
	return n
}

// seconds reads a duration; one that does not fit is the longest that does.
func (s *settings) seconds(section, key string, otherwise time.Duration) time.Duration {
	return s.duration(section, key, time.Second, otherwise)
}

// milliseconds is the same in another unit.
func (s *settings) milliseconds(section, key string, otherwise time.Duration) time.Duration {
	return s.duration(section, key, time.Millisecond, otherwise)
}

func (s *settings) duration(section, key string, unit, otherwise time.Duration) time.Duration {
	n := s.number(section, key, int64(otherwise/unit))
	return time.Duration(min(n, int64(math.MaxInt64/unit))) * unit
}

// queries are how _find answers.
func (s *settings) queries() mango.Settings {
	usual := mango.DefaultSettings()
	return mango.Settings{
		Limit: s.number("mango", "default_limit", usual.Limit), ScanRatio: s.number("mango", "index_scan_warning_threshold", usual.ScanRatio),
	}
}

// replications are how those of _replicate work that do not say it themselves.
func (s *settings) replications() replicate.Settings {
	const section = "replicator"
	usual := replicate.DefaultSettings()
	return replicate.Settings{
		Checkpoints: s.text(section, "use_checkpoints", strconv.FormatBool(usual.Checkpoints)) == "true",
		BulkGet:     s.text(section, "use_bulk_get", strconv.FormatBool(usual.BulkGet)) == "true",
		Interval:    s.milliseconds(section, "checkpoint_interval", usual.Interval),
		Timeout:     s.milliseconds(section, "connection_timeout", usual.Timeout),
		Retries:     int(s.number(section, "retries_per_request", int64(usual.Retries))),
		Batch:       int(s.number(section, "worker_batch_size", int64(usual.Batch))),
		Workers:     int(s.number(section, "worker_processes", int64(usual.Workers))),
	}.Bounded()
}

// logLevel makes the log say more or less, where it is one that can.
func (s *settings) logLevel() {
	log := leveled(s.log)
	if log == nil {
		return
	}
	text := s.text("log", "level", s.level.String())
	level, err := logrus.ParseLevel(strings.Replace(text, "notice", "info", 1))
	switch {
	case err == nil && text != s.level.String():
		s.leveled = true
	case !s.leveled:
		return
	case err != nil:
		level = s.level
	}
	log.SetLevel(level)
}

// leveled gives the logger behind a log, nil where it is another kind of one.
func leveled(log logrus.FieldLogger) *logrus.Logger {
	switch log := log.(type) {
	case *logrus.Logger:
		return log
	case *logrus.Entry:
		return log.Logger
	}
	return nil
}

// now are the settings in force.
func (s *settings) now() *live { return s.acting.Load() }

// UsersSecurityEditable tells whether administrators may change _security of _users.
func (s *settings) UsersSecurityEditable() bool { return s.now().usersSecurityEditable }

// PublicFields are the fields of other users' documents that are shown. The slice must not be changed.
func (s *settings) PublicFields() []string { return s.now().publicFields }
