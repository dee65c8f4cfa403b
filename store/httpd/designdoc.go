package httpd

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/adlayer/after/store"
)

// designField says what a member of a design document must be, if it is there. The path's last step may be "*": any member.
type designField struct {
	path  []string
	types []string
}

// designFields are the members that CouchDB looks at.
func designFields(language string) []designField {
	mapType := "string"
	if language == "query" {
		mapType = "object"
	}
	function := []string{"object", "string"}
	return []designField{
		{[]string{"filters"}, []string{"object"}},
		{[]string{"filters", "*"}, function},
		{[]string{"language"}, []string{"string"}},
		{[]string{"lists"}, []string{"object"}},
		{[]string{"lists", "*"}, function},
		{[]string{"options"}, []string{"object"}},
		{[]string{"rewrites"}, []string{"string", "array"}},
		{[]string{"shows"}, []string{"object"}},
		{[]string{"shows", "*"}, function},
		{[]string{"updates"}, []string{"object"}},
		{[]string{"updates", "*"}, function},
		{[]string{"validate_doc_update"}, []string{"string"}},
		{[]string{"views"}, []string{"object"}},
		{[]string{"views", "*"}, []string{"object"}},
		{[]string{"views", "*", "map"}, []string{mapType}},
		{[]string{"views", "*", "reduce"}, []string{"string"}},
	}
}

// checkDesign refuses a design document whose members are not what they must be.
func checkDesign(body []byte) *store.Error {
	var doc map[string]json.RawMessage
	if json.Unmarshal(body, &doc) != nil {
		return nil //nolint:nilerr // it has been read before: it is an object
	}
	var language string
	_ = json.Unmarshal(doc["language"], &language) // what is no string is told below
	for _, field := range designFields(language) {
		if bad := field.check(doc, nil, field.path); bad != nil {
			return invalidDesign("`" + strings.Join(bad, ".") + "` field must have " + strings.Join(field.types, " or ") + " type")
		}
	}
	var views map[string]map[string]json.RawMessage
	_ = json.Unmarshal(doc["views"], &views) // it has been looked at
	for name, view := range views {
		if name != "lib" && view["map"] == nil {
			return invalidDesign("View `" + name + "` must contain map function")
		}
	}
	return nil
}

func invalidDesign(reason string) *store.Error {
	return &store.Error{Status: http.StatusBadRequest, Name: "invalid_design_doc", Reason: reason}
}

// check gives the path of a member that is of another type, nil if there is none.
func (f designField) check(object map[string]json.RawMessage, at, path []string) []string {
	names := path[:1]
	if path[0] == "*" {
		names = names[:0:0]
		for name := range object {
			names = append(names, name)
		}
		slices.Sort(names)
	}
	for _, name := range names {
		raw, ok := object[name]
		if !ok || at != nil && at[0] == "views" && name == "lib" && len(path) > 1 {
			continue
		}
		here := append(slices.Clone(at), name)
		if len(path) == 1 {
			if !slices.Contains(f.types, jsonType(raw)) {
				return here
			}
			continue
		}
		var below map[string]json.RawMessage
		if json.Unmarshal(raw, &below) != nil {
			continue // its own field has it
		}
		if bad := f.check(below, here, path[1:]); bad != nil {
			return bad
		}
	}
	return nil
}

func jsonType(raw json.RawMessage) string {
	switch raw[0] {
	case '{':
		return "object"
	case '[':
		return "array"
	case '"':
		return "string"
	}
	return "other"
}
