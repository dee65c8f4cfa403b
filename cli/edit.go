package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/adlayer/after/client"
	"github.com/adlayer/after/couch"
)

// edited is what the commands that edit tasks print with --json.
type edited struct {
	ID     string `json:"id"`
	Status string `json:"status,omitempty"`
	Error  string `json:"error,omitempty"`
}

// edit does something to each task and tells of each: with the status it then has, and a phrase for people.
func (a *app) edit(cmd *cobra.Command, ids []string, status, phrase string, do func(context.Context, *session, string) error) error {
	return a.editEach(cmd, ids, status, func(ctx context.Context, s *session, id string) (string, error) {
		return phrase, do(ctx, s, id)
	})
}

// editEach is edit where the phrase depends on the task. One that fails does not keep the others from it; the exit status is the first
// failure's.
func (a *app) editEach(cmd *cobra.Command, ids []string, status string, do func(context.Context, *session, string) (string, error)) error {
	s, err := a.connect(cmd)
	if err != nil {
		return err
	}
	defer s.close()
	defer a.progress("editing")()
	var first error
	for _, id := range ids {
		phrase, err := do(cmd.Context(), s, id)
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
			if err := a.printJSON(edited{ID: id, Error: reason(err)}); err != nil {
				return err
			}
		} else {
			a.say("%s: %s", id, reason(err))
		}
		if unreachable(err) {
			return first // nor will the others be
		}
	}
	return first
}

// reason is what to say of an error that is about one task, whose id stands beside it.
func reason(err error) string {
	if why, ok := standing(err); ok {
		return why
	}
	return hint(err)
}

// missing says whether the server told that there is no such document, or none any more: another 404 is of something else.
func missing(err error) bool {
	refused, ok := errors.AsType[*couch.Error](err)
	return ok && (refused.Reason == "missing" || refused.Reason == "deleted")
}

// standing says whether an error means only that the task is not there or not as it would have to be, and how it is.
func standing(err error) (why string, ok bool) {
	switch {
	case couch.IsNotFound(err) && missing(err):
		return "there is no such task", true
	case client.IsRefused(err):
		refused, _ := errors.AsType[*couch.Error](err)
		return refused.Reason, true
	}
	return "", false
}
