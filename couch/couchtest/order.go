package couchtest

import (
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// order compares the order of the members of all objects in two JSON values that are alike but for it. Clients can see it.
func (c *comparison) order(at []string, want, got gjson.Result) {
	switch {
	case c.isLoose(at):
	case want.IsObject():
		if w, g := memberNames(want), memberNames(got); !slices.Equal(w, g) {
			c.differ(place(at), "members in the order "+strings.Join(w, " "), strings.Join(g, " "))
			return
		}
		have := got.Map()
		want.ForEach(func(name, value gjson.Result) bool {
			c.order(below(at, name.String()), value, have[name.String()])
			return true
		})
	case want.IsArray() && !c.shuffled:
		have := got.Array()
		for i, value := range want.Array() {
			c.order(below(at, strconv.Itoa(i)), value, have[i])
		}
	}
}

func memberNames(object gjson.Result) (names []string) {
	object.ForEach(func(name, _ gjson.Result) bool {
		names = append(names, name.String())
		return true
	})
	return names
}
