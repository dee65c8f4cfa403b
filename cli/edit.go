package cli

import (
	"context"

	"github.com/spf13/cobra"
)

// edited is what the commands that edit tasks print with --json.
type edited struct {
	ID     string `json:"id"`
	Status string `json:"status,omitempty"`
	Error  string `json:"error,omitempty"`
}

// edit does something to each task and tells of each: with the status it then has, and a phrase for people. One that fails does not keep the others from it; the exit status is
// the first failure's.
func (a *app) edit(cmd *cobra.Command, ids []string, status, phrase string, do func(context.Context, *session, string) error) error {
	s, err := a.connect(cmd)
	if err != nil {
		return err
	}
	defer s.close()
	defer a.progress("editing")()
	var first error
	for _, id := range ids {
		err := do(cmd.Context(), s, id)
		if err == nil {
			err = a.told(edited{ID: id, Status: status}, "%s: %s", id, phrase)
			if err != nil {
				return err
			}
			continue
		}
		if first == nil {
			first = &silentError{code: codeOf(err)}
		}
		if a.json {
			if err := a.printJSON(edited{ID: id, Error: err.Error()}); err != nil {
				return err
			}
		} else {
			a.say("%s: %s", id, hint(err))
		}
		if unreachable(err) {
			return first // nor will the others be
		}
	}
	return first
}
