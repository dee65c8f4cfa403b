package cli

import "testing"

func TestListedFigures(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ got, want string }{
		{failed(listed{Errors: 3}), "3"},
		{failed(listed{Errors: 3, Refused: 2}), "3 (2 refused)"},
		{running(listed{Running: 1, Queued: 2, Stuck: 1}), "1 (+2 waiting) (1 stuck)"},
		{lateness(0), "0 ms"},
		{lateness(99_999), "99999 ms"},
		{lateness(217_482_287_664), "2517 d 3 h"},
		{clock(known(-999)), "0 s"},
		{clock(known(-3_600_500)), "-3600 s"},
	} {
		if test.got != test.want {
			t.Errorf("%q instead of %q", test.got, test.want)
		}
	}
}
