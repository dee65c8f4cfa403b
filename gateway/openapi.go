package gateway

import (
	"bytes"
	_ "embed" // the description
	"net/http"
)

//go:embed openapi.json
var description []byte

// prefixMark stands in the description for the beginning of all paths.
const prefixMark = "/__prefix__"

// describe answers with the description of all this, for programs.
func (x *exchange) describe() error {
	return x.method(map[string]func() error{http.MethodGet: func() error {
		prefix := x.opts.Prefix
		if prefix == "" {
			prefix = "/"
		}
		x.send(http.StatusOK, "application/json", bytes.Replace(description, []byte(prefixMark), []byte(prefix), 1))
		return nil
	}})
}
