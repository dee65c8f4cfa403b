package config

import (
	"iter"
	"maps"
	"net/url"
	"slices"
	"strings"
)

func find(path string) (Key, bool) {
	for _, key := range Keys() {
		if key.Path == path {
			return key, true
		}
	}
	return Key{}, false
}

func isSection(path string) bool {
	for _, key := range Keys() {
		if strings.HasPrefix(key.Path, path+".") {
			return true
		}
	}
	return false
}

func sortedKeys(section map[string]any) []string { return slices.Sorted(maps.Keys(section)) }

func mapKeys(given map[string]string) iter.Seq[string] { return maps.Keys(given) }

// lookup gives a variable's last value, "" if it is not set.
func lookup(environ []string, name string) string {
	value := ""
	for _, entry := range environ {
		if n, v, _ := strings.Cut(entry, "="); n == name {
			value = v
		}
	}
	return value
}

func hasPassword(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.User == nil {
		// What cannot be read is refused elsewhere; only something before an @ is of interest here.
		return err != nil && strings.Contains(text, "@")
	}
	_, has := u.User.Password()
	return has
}

// nearest is the key or section most like path, "" where none is close enough to be a slip of the pen.
func nearest(path string) string {
	var known []string
	for _, key := range Keys() {
		known = append(known, key.Path)
		parts := strings.Split(key.Path, ".")
		for i := 1; i < len(parts); i++ {
			known = append(known, strings.Join(parts[:i], "."))
		}
	}
	return closest(path, known)
}

func nearVariable(name string) string {
	var known []string
	for _, key := range Keys() {
		known = append(known, key.Variable())
	}
	if near := closest(name, known); near != "" {
		return "; is " + near + " meant?"
	}
	return "; docs/config.md lists them"
}

func closest(word string, known []string) string {
	best, least := "", 4
	for _, candidate := range known {
		if d := distance(word, candidate); d < least {
			best, least = candidate, d
		}
	}
	return best
}

// distance counts the letters to change, add or leave out to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		above := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := above
			if a[i] != b[j] {
				cost++
			}
			above = row[j+1]
			row[j+1] = min(cost, row[j]+1, above+1)
		}
	}
	return row[len(b)]
}
