package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/adlayer/after/cli/embedded"
	"github.com/adlayer/after/config"
	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/mango"
)

// storeActions are what "after store" can do, each with what it takes.
func storeActions() map[string]string {
	return map[string]string{"check": "", "stats": "", "backup": "the new folder", "restore": "the folder of the backup"}
}

func newStore(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "store check | stats | backup <folder> | restore <folder>",
		Short: "Check, copy and measure the embedded store",
		Long: `Looks after the folder of the embedded store (store.data).

check reads all that is in the folder and says in words what is wrong: revision trees, update sequences, counters,
indexes, and the checksum of every block. It changes nothing. The status is 1 where something is wrong. While a process
serves the folder, check a backup of it.

stats shows the databases, their sizes, the cache and what the engine does.

backup copies the store, as it is at one moment, into a folder that is not there yet. Reads and writes go on. On the same
file system it is done at once and takes little space at first. A folder with the name is complete.

restore checks a backup, and copies it into the store's folder, which must be empty or not there.

While a process serves the folder, stats and backup ask it, at store.listen, as couch.user or one of store.admins.`,
		Example: `  after store check
  after store stats --json
  after store backup /var/backups/after-2026-12-24
  after store check --data /var/backups/after-2026-12-24
  after store restore /var/backups/after-2026-12-24 --data /var/lib/after/data`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("say what to do: check, stats, backup or restore")
			}
			what, known := storeActions()[args[0]]
			switch {
			case !known:
				return fmt.Errorf("%q is none of check, stats, backup and restore", args[0])
			case what != "" && len(args) == 1:
				return fmt.Errorf("%s is missing", what)
			case what == "" && len(args) > 1:
				return fmt.Errorf("%q is too much: %s takes the folder as --data", args[1], args[0])
			case len(args) > 2:
				return fmt.Errorf("%q is too much: only %s is wanted", args[2], what)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.load(cmd)
			if err != nil {
				return err
			}
			data, err := c.DataFolder()
			if err != nil {
				return err
			}
			switch args[0] {
			case "check":
				return a.checkStore(cmd.Context(), data)
			case "stats":
				return a.statsOfStore(cmd.Context(), c, data)
			case "backup":
				return a.backUpStore(cmd.Context(), c, data, args[1])
			default:
				return a.restoreStore(cmd.Context(), data, args[1])
			}
		},
	}
	keyFlags(cmd, "store.data", "store.listen")
	a.jsonFlag(cmd)
	return cmd
}

// lookAt opens a store for reading and closes it again.
func lookAt(data string, look func(*store.Store) error) error {
	st, err := store.OpenReadOnly(data, store.Options{})
	if errors.Is(err, os.ErrNotExist) {
		return &codeError{err: err, code: exitNotFound}
	}
	if err != nil {
		return err
	}
	return errors.Join(look(st), st.Close())
}

func (a *app) checkStore(ctx context.Context, data string) error {
	done := a.progress("checking " + data)
	defer done()
	err := lookAt(data, func(st *store.Store) error {
		err := a.examine(ctx, st)
		done()
		if err != nil || a.json {
			return err
		}
		return a.println(data + ": sound, " + counted(len(st.Databases()), "database"))
	})
	if held, ok := errors.AsType[*store.HeldError](err); ok {
		return fmt.Errorf("%w\nA folder is checked at rest: end that process, or make a backup and check it:\n"+
			"  after store backup %[2]s\n  after store check --data %[2]s", held, quoted(data+"-backup"))
	}
	return err
}

// examine prints what is wrong with a store; its error says how much that is.
func (a *app) examine(ctx context.Context, st *store.Store) error {
	found := 0
	var printing error
	report := func(p store.Problem) {
		found++
		if a.json {
			printing = errors.Join(printing, a.printJSON(p))
		} else {
			printing = errors.Join(printing, a.println(oneLine(p.String())))
		}
	}
	err := st.Check(ctx, report)
	if err == nil {
		err = mango.Check(ctx, st, report)
	}
	if err = errors.Join(err, printing); err == nil && found > 0 {
		err = fail(exitFailure, "the check found %s: restore the folder from a backup, or ask for help with this list", counted(found, "problem"))
	}
	return err
}

func (a *app) statsOfStore(ctx context.Context, c *config.Config, data string) error {
	var stats store.Report
	err := lookAt(data, func(st *store.Store) (err error) {
		stats, err = st.Stats()
		return err
	})
	if held, ok := errors.AsType[*store.HeldError](err); ok {
		var raw []byte
		if raw, err = askServer(ctx, c, data, held, http.MethodGet, "/_after/store/stats", nil); err == nil {
			err = json.Unmarshal(raw, &stats)
		}
	}
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(stats)
	}
	return a.printStats(&stats)
}

func (a *app) printStats(s *store.Report) error {
	databases := &table{headers: []string{"DATABASE", "DOCUMENTS", "DELETED", "SEQUENCE", "SUPERSEDED", "DISK"}}
	for _, d := range s.Databases {
		databases.add(d.Name, strconv.FormatInt(d.Docs, 10), strconv.FormatInt(d.Deleted, 10), strconv.FormatUint(d.Seq, 10),
			strconv.FormatInt(d.Superseded, 10), size(d.Disk))
	}
	if err := a.printTable(databases); err != nil {
		return err
	}
	whole := &table{headers: []string{"STORE", ""}}
	whole.add("uuid", s.UUID)
	whole.add("format", strconv.Itoa(s.Format))
	whole.add("disk", size(s.Disk))
	whole.add("log", size(s.Log))
	whole.add("cache", fmt.Sprintf("%s, %d hits, %d misses", size(uint64(max(s.Cache.Size, 0))), s.Cache.Hits, s.Cache.Misses))
	whole.add("memtables", fmt.Sprintf("%d, %s", s.Memtables.Count, size(s.Memtables.Size)))
	whole.add("compactions", fmt.Sprintf("%d, %d running, %s to do", s.Compactions.Count, s.Compactions.Running, size(s.Compactions.Debt)))
	if s.Failed != "" {
		whole.add("failed", s.Failed)
	}
	return a.printTable(whole)
}

// size shows a number of bytes in three digits or so.
func size(n uint64) string {
	const step = 1024
	if n < step {
		return strconv.FormatUint(n, 10) + " B"
	}
	value, unit := float64(n)/step, 0
	for units := "KMGTPE"; value >= step && unit < len(units)-1; unit++ {
		value /= step
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGTPE"[unit])
}

// backup is what backup and restore print with --json.
type backup struct {
	Data   string `json:"data"`
	Backup string `json:"backup"`
}

func (a *app) backUpStore(ctx context.Context, c *config.Config, data, folder string) error {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return fmt.Errorf("the backup's folder: %w", err)
	}
	if err := store.IsStore(data, store.Options{}); err != nil {
		return &codeError{err: err, code: exitNotFound}
	}
	defer a.progress("backing up " + data)()
	st, err := store.Open(data, store.Options{})
	if err == nil {
		err = errors.Join(st.Backup(ctx, folder), st.Close())
	} else if held, ok := errors.AsType[*store.HeldError](err); ok {
		var body []byte
		if body, err = json.Marshal(map[string]string{"folder": folder}); err == nil {
			_, err = askServer(ctx, c, data, held, http.MethodPost, "/_after/store/backup", body)
		}
	}
	if err != nil {
		return inWords(err)
	}
	if a.json {
		return a.printJSON(backup{data, folder})
	}
	return a.println(data + ": backed up to " + folder)
}

func (a *app) restoreStore(ctx context.Context, data, folder string) error {
	defer a.progress("restoring " + data)()
	err := store.Restore(ctx, folder, data, store.Options{}, func(st *store.Store) error { return a.examine(ctx, st) })
	if errors.Is(err, os.ErrNotExist) {
		return &codeError{err: err, code: exitNotFound}
	}
	if err != nil {
		return inWords(err)
	}
	if a.json {
		return a.printJSON(backup{data, folder})
	}
	return a.println(data + ": restored from " + folder)
}

// inWords gives the store's refusals, which are in CouchDB's terms, the exit status and the words of a command.
func inWords(err error) error {
	refused, ok := errors.AsType[*store.Error](err)
	if !ok {
		return err
	}
	if refused.Status == http.StatusPreconditionFailed {
		return fail(exitConflict, "%s", refused.Reason)
	}
	return fail(exitFailure, "%s", refused.Reason)
}

// askServer asks the process that holds the store's folder.
func askServer(ctx context.Context, c *config.Config, data string, held *store.HeldError, method, path string, body []byte) (_ []byte, err error) {
	address, o := "http://"+c.Store.Listen, couch.Options{UserAgent: "after/" + Version(), Timeout: time.Hour}
	if c.Store.Secure() {
		address = "https://" + c.Store.Listen
		if o.TLS, err = ownCertificate(c); err != nil {
			return nil, &codeError{err: err, code: exitUsage}
		}
	}
	if embedded.MeansListener(c.Couch.URL, c.Store.Listen, c.Store.Secure()) && c.Couch.User != "" {
		o.User, o.Password = c.Couch.User, c.Couch.Password
	} else {
		o.User, o.Password = plainAdmin(c)
	}
	server, err := couch.Dial(address, o)
	if err != nil {
		return nil, &codeError{err: err, code: exitUsage}
	}
	defer server.Close()
	greeting, err := server.Server(ctx)
	switch {
	case couch.IsUnauthorized(err):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w\nIt was asked at %s (store.listen): %w", held, c.Store.Listen, err)
	case !embedded.Holds(data, greeting.UUID):
		return nil, fmt.Errorf("%w\nWhat answers at %s (store.listen) serves another store: name its address with --listen", held, c.Store.Listen)
	}
	status, answer, err := server.Do(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
	if status == http.StatusOK {
		return answer, nil
	}
	var refused struct{ Error, Reason string }
	if err := json.Unmarshal(answer, &refused); err != nil || refused.Reason == "" {
		refused.Reason = http.StatusText(status)
	}
	return nil, refusal(status, refused.Reason, o.User)
}

// refusal is the error of a status that the server gave.
func refusal(status int, reason, user string) error {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return fail(exitDenied, "the server does not let %q do this: %s\nName one of store.admins, by AFTER_COUCH_USER and AFTER_COUCH_PASSWORD say.", user, reason)
	case http.StatusPreconditionFailed:
		return fail(exitConflict, "%s", reason)
	}
	return fail(exitFailure, "%s", reason)
}

// plainAdmin is one of the store's own users whose password is known here.
func plainAdmin(c *config.Config) (name, password string) {
	names := []string{}
	for name, password := range c.Store.Admins {
		if !strings.HasPrefix(password, "-") { // a hash
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "", ""
	}
	name = slices.Min(names)
	return name, c.Store.Admins[name]
}
