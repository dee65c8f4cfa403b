package httpd

import (
	"regexp"
	"strings"
)

// compressibleTypes are those that the store compresses where nothing is set, in CouchDB's words.
const compressibleTypes = "text/*, application/javascript, application/json, application/xml"

// compressible is which types of attachments are stored compressed; nil for those that the store takes by itself.
func (s *settings) compressible() func(contentType string) bool {
	types := s.text("attachments", "compressible_types", compressibleTypes)
	if level := s.number("attachments", "compression_level", 8); level < 1 || level > 9 {
		return func(string) bool { return false }
	}
	if types == compressibleTypes {
		return nil
	}
	return typesLike(types)
}

// typesLike tells whether a content type is one of a list, in which a star stands for any text. Parameters of the type do not count.
func typesLike(list string) func(contentType string) bool {
	var patterns []string
	for _, one := range splitList(list) {
		patterns = append(patterns, strings.ReplaceAll(regexp.QuoteMeta(one), `\*`, ".*"))
	}
	expression, err := regexp.Compile(`(?is)^\s*(?:` + strings.Join(patterns, "|") + `)(?:\s*;.*)?\s*$`)
	if len(patterns) == 0 || err != nil { // it is no text, or too long
		return func(string) bool { return false }
	}
	return expression.MatchString
}
