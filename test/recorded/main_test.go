package recorded_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/adlayer/after/store/script"
)

func TestMain(m *testing.M) {
	script.Main()
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/dlclark/regexp2/v2.runClock"),               // it ends by itself, a second after the last match
		goleak.IgnoreTopFunction("gopkg.in/natefinch/lumberjack%2ev2.(*Logger).millRun"), // it has no end: commands write their logs through it
	)
}
