package couchtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"strings"
)

// body takes in what a body makes use of.
func (u useSet) body(place, contentType string, body []byte) {
	media, params, err := mime.ParseMediaType(contentType)
	switch {
	case len(body) == 0:
	case err == nil && media == "multipart/related":
		u.multipart(body, params["boundary"])
	case strings.HasSuffix(place, "{attachment}"):
	case json.Valid(body):
		u.json(place, body)
	default:
		u.add("a body that is not JSON")
	}
}

// multipart is a document and its attachments.
func (u useSet) multipart(body []byte, boundary string) {
	parts := multipart.NewReader(bytes.NewReader(body), boundary)
	document, err := parts.NextRawPart()
	if err != nil {
		u.add("a body whose parts cannot be read")
		return
	}
	if text, err := io.ReadAll(document); err == nil {
		u.document("", text)
	}
	for n := 0; ; n++ {
		if _, err := parts.NextRawPart(); err != nil {
			u.add(fmt.Sprintf("a document and %d attachments in parts", n))
			return
		}
	}
}

func (u useSet) json(place string, body []byte) {
	method := place[strings.LastIndex(place, "/")+1:]
	switch method {
	case "{doc}", "{db}":
		u.document("", body)
	case "_find", "_explain":
		u.members("", body, map[string]func([]byte){"selector": u.selector, "sort": u.sort, "use_index": u.index})
	case "_changes":
		u.members("", body, map[string]func([]byte){"selector": u.selector})
	case "_index":
		u.members("", body, map[string]func([]byte){"index": func(index []byte) {
			u.members("index.", index, map[string]func([]byte){"partial_filter_selector": u.selector, "fields": u.sort})
		}})
	case "_bulk_docs":
		u.members("", body, map[string]func([]byte){"docs": func(docs []byte) {
			elements(docs, func(doc []byte) { u.document("docs[].", doc) })
		}})
	case "_revs_diff", "_missing_revs", "_purge": // the members are ids
		for _, revs := range membersOf(body) {
			u.deep("*", revs, 0)
		}
	default:
		u.deep("", body, 2) // docs[].rev, admins.names
	}
}

// members takes in the names of an object's members and what their values are, but for those that have a reading of their own.
func (u useSet) members(in string, object []byte, readings map[string]func([]byte)) {
	for name, value := range membersOf(object) {
		u.add("body " + in + name + ": " + shape(value))
		if read := readings[name]; read != nil {
			read(value)
		}
	}
}

// deep takes in the names of all members, so many levels of them.
func (u useSet) deep(in string, value []byte, levels int) {
	if in != "" {
		u.add("body " + in + ": " + shape(value))
	}
	if levels == 0 {
		return
	}
	for name, member := range membersOf(value) {
		at := strings.TrimPrefix(in+"."+name, ".")
		u.deep(at, member, levels-1)
		elements(member, func(element []byte) { u.deep(at+"[]", element, levels-1) })
	}
}

// document takes in what the database reads of a document: its own members.
func (u useSet) document(in string, doc []byte) {
	members := membersOf(doc)
	for name, value := range members {
		if !strings.HasPrefix(name, "_") {
			continue
		}
		u.add("body " + in + name + ": " + shape(value))
		if name != "_attachments" {
			continue
		}
		for _, attachment := range membersOf(value) {
			u.deep(in+"_attachments.*", attachment, 1)
		}
	}
	var id string
	if json.Unmarshal(members["_id"], &id) != nil {
		return
	}
	for _, prefix := range []string{"_design/", "_local/"} {
		if strings.HasPrefix(id, prefix) {
			u.add("body " + in + "_id: of " + prefix)
		}
	}
}

// selector takes in the operators of a selector, each with what it is given.
func (u useSet) selector(selector []byte) {
	for name, value := range membersOf(selector) {
		if !strings.HasPrefix(name, "$") {
			if strings.Contains(name, ".") {
				u.add("selector: a field within a field")
			}
			if strings.HasPrefix(name, "_") {
				u.add("selector: field " + name)
			}
			u.condition(value)
			continue
		}
		u.operator(name, value)
	}
}

// condition is what a selector says of a field.
func (u useSet) condition(value []byte) {
	inner := membersOf(value)
	if shape(value) != "object" {
		u.add("selector: equal to a " + shape(value))
		return
	}
	for name, argument := range inner {
		if strings.HasPrefix(name, "$") {
			u.operator(name, argument)
			continue
		}
		u.add("selector: a field within a field")
		u.condition(argument)
	}
}

func (u useSet) operator(name string, argument []byte) {
	u.add("selector: " + name + " " + shape(argument))
	switch name {
	case "$and", "$or", "$nor":
		elements(argument, u.selector)
	case "$not":
		u.condition(argument)
	case "$elemMatch", "$allMatch", "$keyMapMatch":
		u.condition(argument)
	}
}

func (u useSet) sort(fields []byte) {
	elements(fields, func(field []byte) {
		for _, way := range membersOf(field) {
			u.add("sort: " + string(way))
		}
		u.add("sort: by a " + shape(field))
	})
}

func (u useSet) index(index []byte) {
	n := 0
	elements(index, func([]byte) { n++ })
	u.add(fmt.Sprintf("use_index: %s of %d", shape(index), n))
}

// membersOf gives the members of an object; none of anything else.
func membersOf(value []byte) map[string]json.RawMessage {
	var members map[string]json.RawMessage
	_ = json.Unmarshal(value, &members)
	return members
}

// elements visits the elements of an array; nothing of anything else.
func elements(value []byte, visit func([]byte)) {
	var list []json.RawMessage
	_ = json.Unmarshal(value, &list)
	for _, element := range list {
		visit(element)
	}
}
