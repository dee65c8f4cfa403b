package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/adlayer/after/client"
	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/task"
	"github.com/adlayer/after/when"
)

type importOptions struct {
	worker, zone string
	users        bool
	dry, yes     bool
}

func newImport(a *app) *cobra.Command {
	var o importOptions
	cmd := &cobra.Command{
		Use:   "import crontab [file]",
		Short: "Make tasks of the lines of a crontab",
		Long: `Makes a task of each line of a crontab: the job exec, with the shell and the command. The file is standard input where none
is named or it is "-". What would be written is shown before anything is; on a terminal you are asked, elsewhere --yes is
needed.

Comments above a line become its note. Settings such as PATH= are exported by the shell before the command; SHELL is the
shell, CRON_TZ the zone of the lines below it, RANDOM_DELAY a jitter. % and \% in a command mean what they mean to cron.
Lines with @reboot cannot be tasks. No mail is sent, and commands run as the worker's user in its folder.

Each line has an id of its own that stays the same, so that a second import of it finds the task there, and leaves it. As
with cron, dates that pass while no worker is there do not run later; other than with cron, a date that comes while the
command still runs is left out (--overlap of after add). The worker must allow the shell in jobs.exec.allow.

The exit status is 1 if a line could not be taken; the others are.`,
		Example: `  crontab -l | after import crontab --worker manobi --dry-run
  after import crontab /etc/crontab --user-column --worker manobi --yes`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return errors.New("say what to import: crontab")
			case args[0] != "crontab":
				return fmt.Errorf("%q cannot be imported, only crontab can", args[0])
			case len(args) > 2:
				return fmt.Errorf("%q is too much: one file is read", args[2])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.importCrontab(cmd, args[1:], o) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.worker, "worker", "", "the `worker` that runs them")
	flags.BoolVar(&o.users, "user-column", false, "lines name a user after the schedule, as in /etc/crontab")
	flags.StringVar(&o.zone, "timezone", "", "the `zone` of lines above the first CRON_TZ (default: your own)")
	flags.BoolVar(&o.dry, "dry-run", false, "show what would be written, and write nothing")
	flags.BoolVar(&o.yes, "yes", false, "write without asking")
	keyFlags(cmd, serverKeys()...)
	a.jsonFlag(cmd)
	return cmd
}

// imported is one line as import prints it with --json.
type imported struct {
	Line   int             `json:"line"`
	ID     string          `json:"id,omitempty"`
	Words  string          `json:"words,omitempty"`
	Status string          `json:"status"` // "planned", "waiting", "there", "error"
	Error  string          `json:"error,omitempty"`
	Task   json.RawMessage `json:"task,omitempty"`
}

func (a *app) importCrontab(cmd *cobra.Command, files []string, o importOptions) error {
	c, specs, err := a.readCrontab(files, o)
	if err != nil {
		return &usageError{err: err, command: cmd.CommandPath()}
	}
	good := slices.DeleteFunc(slices.Clone(c.entries), func(e cronEntry) bool { return e.err != nil })
	if err := a.showCrontab(c, specs, a.json && o.yes); err != nil {
		return err
	}
	switch {
	case len(good) == 0:
		a.say("there is nothing to import")
	case o.dry:
		a.say("%s would be written", counted(len(good), "task"))
	case o.yes:
		err = a.writeCrontab(cmd, good, specs, o)
	case len(files) == 0 || files[0] == "-" || !a.terminal || !term.IsTerminal(int(os.Stdin.Fd())):
		return misuse(cmd.CommandPath(), "nothing was written: --yes writes %s", counted(len(good), "task"))
	case a.asked("Write " + counted(len(good), "task") + "? [y/N] "):
		err = a.writeCrontab(cmd, good, specs, o)
	default:
		a.say("nothing was written")
	}
	if err == nil && len(good) < len(c.entries) {
		return &silentError{code: exitFailure} // each line has said why
	}
	return err
}

// asked asks a question on the terminal.
func (a *app) asked(question string) bool {
	fmt.Fprint(a.Err, question) //nolint:errcheck // who does not see it will not say yes
	answer, err := bufio.NewReader(a.In).ReadString('\n')
	if err != nil {
		a.say("") // nobody ended the line
	}
	answer = strings.ToLower(strings.TrimSpace(answer))
	return err == nil && (answer == "y" || answer == "yes")
}

// readCrontab reads the file, and makes the task of each line that can be one.
func (a *app) readCrontab(files []string, o importOptions) (*crontab, map[string]client.Spec, error) {
	switch {
	case o.worker == "":
		return nil, nil, errors.New("say who runs them: --worker")
	case o.dry && o.yes:
		return nil, nil, errors.New("--dry-run writes nothing, and --yes does: give one of them")
	}
	loc, err := ruleZone(o.zone)
	if err != nil {
		return nil, nil, err
	}
	if len(files) == 0 {
		files = []string{"-"}
		if f, ok := a.In.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
			return nil, nil, errors.New(`name the file; or, of your own crontab: crontab -l | after import crontab --worker <name>`)
		}
	}
	text, err := a.read(files[0])
	if err != nil {
		return nil, nil, err
	}
	now := a.now()
	c := &crontab{users: o.users, scope: when.Scope{Now: now, Zone: loc}}
	if c.zone = loc.String(); c.zone == "Local" {
		c.zone = ""
		c.scope.Zone = nil
		a.say("the name of your zone is not known: UTC is taken (--timezone says another)")
	}
	c.read(string(text))
	specs := map[string]client.Spec{}
	for i := range c.entries {
		e := &c.entries[i]
		if e.err != nil {
			continue
		}
		spec := e.spec(o.worker)
		if _, e.err = spec.Task(now); e.err == nil {
			specs[e.id] = spec
		}
	}
	return c, specs, nil
}

// spec is the task of a line.
func (e *cronEntry) spec(worker string) client.Spec {
	arguments := map[string]any{"command": e.shell, "args": []string{"-c", e.script}}
	if e.stdin != "" {
		arguments["stdin"] = e.stdin
	}
	var repeat any = e.rule
	if e.jitter != "" {
		repeat = map[string]any{"cron": e.rule, "jitter": e.jitter}
	}
	raw, err := json.Marshal(repeat)
	if err != nil {
		raw = nil // texts can be encoded
	}
	return client.Spec{
		ID: e.id, Worker: worker, Job: "exec", Arguments: arguments, Timezone: e.zone, Repeat: raw, Missed: task.MissedSkip,
		Tags: []string{"crontab"}, Note: e.note, Data: map[string]string{"crontab": e.text},
	}
}

// showCrontab shows what each line becomes, or only those that cannot be tasks.
func (a *app) showCrontab(c *crontab, specs map[string]client.Spec, wrong bool) error {
	t := &table{headers: []string{"LINE", "ID", "WHEN", "COMMAND"}}
	for _, e := range c.entries {
		switch {
		case a.json && e.err != nil:
			if err := a.printJSON(imported{Line: e.line, Status: "error", Error: e.err.Error()}); err != nil {
				return err
			}
		case wrong && e.err == nil:
		case a.json:
			planned, err := specs[e.id].Task(a.now())
			if err != nil {
				return err
			}
			if err := a.printJSON(imported{Line: e.line, ID: e.id, Words: e.words, Status: "planned", Task: planned.Encode()}); err != nil {
				return err
			}
		case e.err != nil:
			a.say("line %d: %s", e.line, oneLine(e.err.Error()))
		default:
			t.add(strconv.Itoa(e.line), e.id, e.words, e.command)
		}
	}
	for _, note := range c.notes {
		a.say("%s", oneLine(note))
	}
	if a.json || len(t.rows) == 0 {
		return nil
	}
	return a.printTable(t)
}

// writeCrontab writes the tasks that are not there yet.
func (a *app) writeCrontab(cmd *cobra.Command, entries []cronEntry, specs map[string]client.Spec, o importOptions) error {
	s, err := a.connect(cmd)
	if err != nil {
		return err
	}
	defer s.close()
	list := make([]client.Spec, len(entries))
	for i, e := range entries {
		list[i] = specs[e.id]
	}
	written, there := 0, 0
	_, errs := s.tasks.AddAll(cmd.Context(), list)
	for i, e := range entries {
		status := "waiting"
		switch {
		case couch.IsConflict(errs[i]):
			status = "there"
			there++
		case errs[i] != nil:
			return errs[i]
		default:
			written++
		}
		if a.json {
			if err := a.printJSON(imported{Line: e.line, ID: e.id, Words: e.words, Status: status}); err != nil {
				return err
			}
		}
	}
	return a.sumUpImport(cmd.Context(), s, o.worker, written, there)
}

func (a *app) sumUpImport(ctx context.Context, s *session, worker string, written, there int) error {
	text := counted(written, "task") + " written"
	if there > 0 {
		text += fmt.Sprintf("; %d were there already, and are as they were", there)
	}
	a.say("%s", text)
	if written > 0 {
		a.warnOfAbsence(ctx, s, worker, a.now())
	}
	return nil
}
