package store

import (
	"strings"
	"unicode/utf8"
)

// CheckID tells what is wrong with a document id, as a 400.
func CheckID(id string) error {
	if id != "" && id[0] != '_' {
		for i := range len(id) {
			if id[i] >= utf8.RuneSelf {
				return checkUTF8(id)
			}
		}
		return nil
	}
	switch {
	case id == "":
		return illegalID("Document id must not be empty")
	case id == designPrefix || id == localPrefix:
		return illegalID("Illegal document id `" + id + "`")
	case strings.HasPrefix(id, designPrefix) || strings.HasPrefix(id, localPrefix):
		return checkUTF8(id)
	}
	return illegalID("Only reserved document ids may start with underscore.")
}

func checkUTF8(id string) error {
	if !utf8.ValidString(id) {
		return illegalID("Document id must be valid UTF-8")
	}
	return nil
}

const (
	designPrefix = "_design/"
	localPrefix  = "_local/"
)

// isLocal tells whether id names a local document.
func isLocal(id string) bool { return strings.HasPrefix(id, localPrefix) }
