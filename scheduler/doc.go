// Package scheduler holds what is due when: a timer wheel over any comparable key, and a ticker that keeps to wall time.
//
// The two are independent of each other and of everything else in this module; any program can use them:
//
//	wheel := scheduler.New[string]()
//	wheel.Add("tea", time.Now().Add(4*time.Minute))
//	ticker := scheduler.NewTicker()
//	defer ticker.Stop()
//	for now := range ticker.C() {
//		wheel.Expire(now, func(key string, due time.Time) { fmt.Println(key) })
//		if next, ok := wheel.Next(); ok {
//			ticker.WakeAt(next)
//		}
//	}
//
// [Wheel] is plain data: it takes the time as an argument, holds no lock and starts no goroutine. [Ticker] is the only
// part that reads a clock.
//
// # How the wheel is built
//
// Time is cut into seconds. The current second has a list for each of its milliseconds; the 2048 seconds of the current
// block (34 minutes) have a list each; the 2048 blocks around it (48 days) a list each; and the 2048 super-blocks around
// those (272 years) a list each. An entry lies in the finest list that the present allows and moves inward as the present
// approaches, at most three times in its life. A bit for each list says whether it holds anything, so that an hour without
// entries costs a few instructions.
//
// With a million entries the time goes into waiting for memory, not into computing. Entries therefore stay where they are,
// in a dense array of fixed chunks, and the lists hold pairs of an entry's place and its instant, fourteen to a bundle: moving
// a list inward reads bundles one after another and writes to each entry where it lies now, without waiting for it. A hash
// table of eight-byte slots leads from a key to its place. Nothing else is allocated for an entry, and growing copies no
// entries.
package scheduler
