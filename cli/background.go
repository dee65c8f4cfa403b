package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/adlayer/after/cli/logfile"
	"github.com/adlayer/after/cli/process"
	"github.com/adlayer/after/config"
)

// detachedFlag marks the process in the background; it is not shown in the help.
const detachedFlag = "detached"

// modes are how a process that stays runs.
type modes struct {
	background bool // -b: start another one and return
	detached   bool // this is that other one
}

func (m *modes) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&m.background, "background", "b", false, "run in the background; return once it is ready, or say why it is not")
	cmd.Flags().BoolVar(&m.detached, detachedFlag, false, "")
	if err := cmd.Flags().MarkHidden(detachedFlag); err != nil {
		panic(err) // the flag is defined one line above
	}
}

// stay runs a process that stays: this one, or one in the background where the flags want that.
func (a *app) stay(cmd *cobra.Command, m modes, names []string, run func(c *config.Config, v *voice) error) error {
	c, err := a.load(cmd)
	if err != nil {
		return err
	}
	if m.background && !m.detached {
		return a.launch(cmd, c, names)
	}
	v := &voice{app: a, detached: m.detached}
	return v.ended(run(c, v))
}

// launch starts this command in the background and waits for its report.
func (a *app) launch(cmd *cobra.Command, c *config.Config, names []string) error {
	state, err := c.StateFolder()
	if err != nil {
		return err
	}
	log := logfile.Path(state, names[0])
	if err := os.MkdirAll(filepath.Dir(log), 0o700); err != nil {
		return fmt.Errorf("making the folder of the log: %w", err)
	}
	args := []string{cmd.Name(), "--" + detachedFlag}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if f.Name != "background" && f.Name != detachedFlag {
			args = append(args, "--"+f.Name+"="+f.Value.String())
		}
	})
	args = append(append(args, "--"), cmd.Flags().Args()...)
	ctx, stop := interruptible(cmd.Context())
	defer stop()
	done := a.progress("starting in the background")
	report, pid, err := process.Detach(ctx, args, log+".stderr")
	done()
	if err != nil {
		return err
	}
	if !report.Ready {
		return &codeError{err: fmt.Errorf("%s", report.Error), code: report.Code}
	}
	if a.json {
		return a.printJSON(map[string]any{"pid": pid, "names": names, "log": log})
	}
	for _, note := range report.Notes {
		if err := a.println(note); err != nil {
			return err
		}
	}
	return a.println(fmt.Sprintf("running in the background as process %d; its log: after log %s -f", pid, quoted(names[0])))
}

// voice tells the person who started a process what it does: on the screen at once, or, from the background, in the report.
type voice struct {
	app      *app
	detached bool
	notes    []string
	told     bool
}

func (v *voice) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if v.detached {
		v.notes = append(v.notes, text)
		return
	}
	if v.app.json {
		v.app.say("%s", text)
		return
	}
	if err := v.app.println(text); err != nil {
		v.app.say("%s", err)
	}
}

// ready says that all is well. It counts once.
func (v *voice) ready(names []string) error {
	if v.told {
		return nil
	}
	v.told = true
	if !v.detached {
		if v.app.json {
			return v.app.printJSON(map[string]any{"pid": os.Getpid(), "names": names})
		}
		return nil
	}
	return process.Tell(os.Stdout, process.Report{Ready: true, Notes: v.notes})
}

// ended reports an error that came before the process was ready, and gives what is left to say of it here.
func (v *voice) ended(err error) error {
	if !v.detached {
		return err
	}
	if err == nil && !v.told {
		err = errors.New("it was stopped before it was ready")
	}
	if err == nil {
		return nil
	}
	if v.told {
		return &silentError{code: codeOf(err)}
	}
	v.told = true
	if tellErr := process.Tell(os.Stdout, process.Report{Error: hint(err), Code: codeOf(err)}); tellErr != nil {
		return err
	}
	return &silentError{code: codeOf(err)}
}
