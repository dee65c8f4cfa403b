package task

import "strconv"

func decodePlan(value []byte) *Plan {
	if len(value) == 0 || value[0] != '{' {
		return nil
	}
	p := &Plan{}
	err := eachField(value, func(key, value []byte) error {
		switch string(key) {
		case "from":
			p.From = instant(value)
		case "index":
			p.Index = number(value)
		case "nominal":
			p.Nominal = instant(value)
		case "due":
			p.Due = instant(value)
		case "key":
			p.Key = textOf(value)
		case "rule":
			p.Rule = textOf(value)
		case "calendars":
			p.Calendars = textOf(value)
		case "paused":
			p.Paused = string(value) == "true"
		case "ended":
			p.Ended = string(value) == "true"
		case "last":
			p.Last = decodeEnded(value)
		case "back":
			p.Back = decodeFiring(value)
		case "catchup":
			p.CatchUp = instant(value)
		case "skipped":
			p.Skipped = instant(value)
		case "interrupted":
			p.Interrupted = string(value) == "true"
		case "awaits":
			p.Awaits = string(value) == "true"
		case "done":
			p.Done = instant(value)
		case "recovers":
			p.Recovers = string(value) == "true"
		}
		return nil
	})
	if err != nil || p.From.IsZero() || p.Nominal.IsZero() || p.Due.IsZero() || p.Key == "" {
		return nil
	}
	return p
}

func decodeFiring(value []byte) *Firing {
	if len(value) == 0 || value[0] != '{' {
		return nil
	}
	f := &Firing{}
	err := eachField(value, func(key, value []byte) error {
		switch string(key) {
		case "index":
			f.Index = number(value)
		case "nominal":
			f.Nominal = instant(value)
		case "due":
			f.Due = instant(value)
		case "key":
			f.Key = textOf(value)
		case "retries":
			f.Retries = number(value)
		case "interrupted":
			f.Interrupted = string(value) == "true"
		case "ended":
			f.Ended = string(value) == "true"
		}
		return nil
	})
	if err != nil || f.Nominal.IsZero() || f.Due.IsZero() || f.Key == "" {
		return nil
	}
	return f
}

func decodeEnded(value []byte) *Ended {
	if len(value) == 0 || value[0] != '{' {
		return nil
	}
	e := &Ended{}
	err := eachField(value, func(key, value []byte) error {
		switch string(key) {
		case "nominal":
			e.Nominal = instant(value)
		case "at":
			e.At = instant(value)
		case "status":
			e.Status = Status(textOf(value))
		}
		return nil
	})
	if err != nil || e.Nominal.IsZero() {
		return nil
	}
	return e
}

// wholeNumber reads a whole number; anything else is 0.
func wholeNumber(value []byte) int64 {
	n, err := strconv.ParseInt(string(shorten(value)), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func decodeClaim(value []byte) *Claim {
	if len(value) == 0 || value[0] != '{' {
		return nil
	}
	c := &Claim{}
	err := eachField(value, func(key, value []byte) error {
		switch string(key) {
		case "worker":
			c.Worker = textOf(value)
		case "member":
			c.Member = textOf(value)
		case "incarnation":
			c.Incarnation = textOf(value)
		case "write":
			c.Write = number(value)
		}
		return nil
	})
	if err != nil || c.Incarnation == "" {
		return nil
	}
	return c
}

func decodeFailure(value []byte) *Failure {
	if len(value) == 0 || value[0] != '{' {
		return nil
	}
	f := &Failure{}
	err := eachField(value, func(key, value []byte) error {
		switch string(key) {
		case "message":
			f.Message = textOf(value)
		case "kind":
			f.Kind = textOf(value)
		case "attempt":
			f.Attempt = number(value)
		case "code":
			f.Code = wholeNumber(value)
		case "next":
			f.Next = instant(value)
		}
		return nil
	})
	if err != nil {
		return nil
	}
	return f
}
