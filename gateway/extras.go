package gateway

import (
	"encoding/json"
	"strings"

	"github.com/adlayer/after/task"
)

// checkExtras puts what others act on, notify and expect, into the fields of the document, once it has its shape.
func checkExtras(o *order, fields map[string]json.RawMessage) error {
	if o.Notify != nil {
		if _, err := task.ParseNotify(o.Notify); err != nil {
			return badNotify(err)
		}
		fields["notify"] = o.Notify
	}
	if o.Expect != nil {
		if _, err := task.ParseExpect(o.Expect); err != nil {
			return bad("expect", "%v", err)
		}
		fields["expect"] = o.Expect
	}
	return nil
}

// badNotify tells what is wrong with a notify, under the name of the key where it lies in one.
func badNotify(err error) error {
	for _, key := range []string{"url", "email", "on"} {
		if what, found := strings.CutPrefix(err.Error(), key+": "); found {
			return bad("notify."+key, "%s", what)
		}
	}
	return bad("notify", "%v", err)
}
