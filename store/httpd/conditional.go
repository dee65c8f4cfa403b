package httpd

import (
	"net/http"
	"slices"
	"strings"
)

// cached names the ETag of an answer, and answers 304 where the client has it already; then nothing more is to be sent. A client's list may
// name several. As in CouchDB a star is no ETag.
func (c *call) cached(etag string) bool {
	c.w.Header().Set("ETag", etag)
	if !matches(c.r.Header.Get("If-None-Match"), etag) {
		return false
	}
	c.w.WriteHeader(http.StatusNotModified)
	return true
}

// matches tells whether an If-None-Match names an ETag, if only a weak one: proxies that compress answers weaken their ETags.
func matches(header, etag string) bool {
	given := strings.FieldsFunc(header, func(r rune) bool { return r == ',' || r == ' ' })
	return slices.ContainsFunc(given, func(one string) bool { return strings.TrimPrefix(one, "W/") == etag })
}
