package task_test

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/adlayer/after/task"
)

// A document that is due runs at once; its outcome is the only write.
func Example() {
	document, err := task.Decode([]byte(`{"_id":"hello","_rev":"1-8f3bd8a9","worker":"manobi","job":"log","mine":[1, 2],"date":"2026-11-18T09:00:00Z"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	view := task.View{Now: time.Date(2026, 11, 18, 9, 0, 0, 0, time.UTC), Self: task.Self{Member: "m", Incarnation: "i"}}
	decision := task.Decide(document, view)
	fmt.Println(decision.Action, decision.Next.Key())

	decision = task.Settle(decision.Next, task.Outcome{Started: view.Now, Finished: view.Now, Result: json.RawMessage(`"hello"`)}, view)
	fmt.Println(decision.Action, decision.Next.Status)
	fmt.Println(string(decision.Next.Encode()[:80]))
	// Output:
	// start hello@2026-11-18T09:00:00Z/1-8f3bd8a9
	// end done
	// {"_id":"hello","_rev":"1-8f3bd8a9","worker":"manobi","job":"log","mine":[1, 2],"
}
