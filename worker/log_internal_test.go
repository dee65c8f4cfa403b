package worker

import (
	"testing"

	"github.com/sirupsen/logrus"
)

// TestDebugging: lines that the log does not take are not made, whatever stands around the logger.
func TestDebugging(t *testing.T) {
	t.Parallel()
	type wrapped struct{ *logrus.Logger }
	quiet, loud := logrus.New(), logrus.New()
	loud.SetLevel(logrus.DebugLevel)
	for name, c := range map[string]struct {
		log  logrus.FieldLogger
		want bool
	}{
		"a logger":           {quiet, false},
		"a debugging logger": {loud, true},
		"one with fields":    {quiet.WithField("a", 1), false},
		"and debugging":      {loud.WithField("a", 1), true},
		"one within another": {wrapped{quiet}, false},
		"that debugs":        {wrapped{loud}, true},
		"one that hides it":  {struct{ logrus.FieldLogger }{quiet}, true},
	} {
		if got := (&loop{log: c.log}).debugging(); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
