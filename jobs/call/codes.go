package call

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// Code is a status code, a class of them such as 5xx, or 0, which is no answer at all.
type Code struct{ low, high int }

// ParseCode reads a code.
func ParseCode(text string) (Code, error) {
	if len(text) == 3 && text[1:] == "xx" && text[0] >= '1' && text[0] <= '5' {
		low := int(text[0]-'0') * 100
		return Code{low, low + 99}, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n != 0 && (n < 100 || n > 599) {
		return Code{}, fmt.Errorf("%q is no status code: write 404, \"5xx\", or 0 for no answer at all", text)
	}
	return Code{n, n}, nil
}

// UnmarshalJSON reads a number or a text.
func (c *Code) UnmarshalJSON(raw []byte) error {
	text := string(raw)
	if raw[0] == '"' {
		if err := json.Unmarshal(raw, &text); err != nil {
			return err
		}
	}
	code, err := ParseCode(text)
	*c = code
	return err
}

// Codes say what becomes of a task by the status of the answer. A single code goes before a class. A list that is nil is the default's.
type Codes struct {
	Done   []Code `json:"done"`
	Retry  []Code `json:"retry"`
	Error  []Code `json:"error"`
	Remove []Code `json:"remove"`
}

// defaultCodes are what holds where nobody says otherwise.
func defaultCodes() Codes {
	return Codes{
		Done:   []Code{{200, 299}, {300, 399}},
		Retry:  []Code{{0, 0}, {408, 408}, {425, 425}, {429, 429}, {500, 599}},
		Error:  []Code{},
		Remove: []Code{},
	}
}

type verdict int

const (
	none verdict = iota
	done
	retry
	failed
	remove
)

func (c *Codes) lists() [4]struct {
	verdict verdict
	codes   []Code
} {
	return [4]struct {
		verdict verdict
		codes   []Code
	}{{done, c.Done}, {retry, c.Retry}, {failed, c.Error}, {remove, c.Remove}}
}

// check finds a code that stands in two lists.
func (c *Codes) check() error {
	if len(c.Done)+len(c.Retry)+len(c.Error)+len(c.Remove) == 0 {
		return nil
	}
	seen := map[Code]verdict{}
	for _, list := range c.lists() {
		for _, code := range list.codes {
			if other, found := seen[code]; found && other != list.verdict {
				return fmt.Errorf("%s is in two lists", code)
			}
			seen[code] = list.verdict
		}
	}
	return nil
}

func (c Code) String() string {
	if c.low != c.high {
		return fmt.Sprintf("%dxx", c.low/100)
	}
	return strconv.Itoa(c.low)
}

// find looks a status up in one set of lists.
func (c *Codes) find(status int) verdict {
	class := none
	for _, list := range c.lists() {
		for _, code := range list.codes {
			switch {
			case code.low == status && code.high == status:
				return list.verdict
			case code.low <= status && status <= code.high:
				class = list.verdict
			}
		}
	}
	return class
}

// of says what a status means by the task's codes, and by the defaults where those say nothing.
func (c *Codes) of(status int, defaults *Codes) verdict {
	if v := c.find(status); v != none {
		return v
	}
	rest := *defaults
	if c.Done != nil {
		rest.Done = nil
	}
	if c.Retry != nil {
		rest.Retry = nil
	}
	if c.Error != nil {
		rest.Error = nil
	}
	if c.Remove != nil {
		rest.Remove = nil
	}
	if v := rest.find(status); v != none {
		return v
	}
	return failed
}

// over are the codes where a list that is nil is that of the defaults.
func (c *Codes) over(defaults Codes) Codes {
	all := *c
	if all.Done == nil {
		all.Done = defaults.Done
	}
	if all.Retry == nil {
		all.Retry = defaults.Retry
	}
	if all.Error == nil {
		all.Error = defaults.Error
	}
	if all.Remove == nil {
		all.Remove = defaults.Remove
	}
	return all
}
