package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/adlayer/after/client"
	"github.com/adlayer/after/task"
)

// toldFlags say who is told what came of a task, and how often it is expected.
type toldFlags struct {
	notify, on []string
	expect     string
}

func (o *toldFlags) add(flags *pflag.FlagSet) {
	flags.StringSliceVar(&o.notify, "notify", nil, "tell a mail `address` or a URL what came of it; may be given more than once")
	flags.StringSliceVar(&o.on, "notify-on", nil, "the `events` to tell: done, error, recovered, missed (default: for mails all but done)")
	flags.StringVar(&o.expect, "expect", "", "tell when it was not done for this `long`: 1h, \"25 hours\"")
}

// into puts what the flags say into a task.
func (o *toldFlags) into(spec *client.Spec) error {
	if o.expect != "" {
		if _, err := task.ParsePeriod(o.expect); err != nil {
			return fmt.Errorf("--expect: %w", err)
		}
		spec.Expect = o.expect
	}
	switch {
	case len(o.notify) == 0 && len(o.on) > 0:
		return fmt.Errorf("--notify-on belongs to --notify: say who is told of %s", strings.Join(o.on, ", "))
	case len(o.notify) == 0:
		return nil
	}
	to := &task.Notify{}
	for _, who := range o.notify {
		switch isURL := strings.Contains(who, "://"); {
		case isURL && to.URL != "":
			return fmt.Errorf("--notify %s: one URL is told, and that is %s already", who, to.URL)
		case isURL:
			to.URL = who
		default:
			to.Email = append(to.Email, who)
		}
	}
	for _, event := range o.on {
		if !slices.Contains(task.Events(), task.Event(event)) {
			return fmt.Errorf("--notify-on %q is none of done, error, recovered, missed", event)
		}
		to.On = append(to.On, task.Event(event))
	}
	spec.Notify = to
	return nil
}
