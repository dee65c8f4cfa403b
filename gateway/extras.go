package gateway

import (
	"encoding/json"
	"net/url"
	"slices"

	jsonv2 "github.com/go-json-experiment/json"
)

// notice is the shape of an order's notify.
type notice struct {
	URL   string   `json:"url,omitempty"`
	Email []string `json:"email,omitempty"`
	On    []string `json:"on,omitempty"`
}

// events are what somebody can be told of.
func events() []string { return []string{"done", "error", "recovered", "missed"} }

// checkExtras puts what others act on, notify and expect, into the fields of the document, once it has its shape.
func checkExtras(o *order, fields map[string]json.RawMessage) error {
	if o.Notify != nil {
		if err := checkNotice(o.Notify); err != nil {
			return err
		}
		fields["notify"] = o.Notify
	}
	if o.Expect != nil {
		if json.Unmarshal(o.Expect, &o.every) != nil {
			return bad("expect", "it is a text: every 1h, say")
		}
		if _, err := period(o.every); err != nil {
			return bad("expect", "%q is no period: write every 1h, say", o.every)
		}
		fields["expect"] = o.Expect
	}
	return nil
}

func checkNotice(raw json.RawMessage) error {
	var n notice
	if err := jsonv2.Unmarshal(raw, &n, jsonv2.RejectUnknownMembers(true)); err != nil {
		return bad("notify", "it is an object of url, email (a list) and on (a list): %v", err)
	}
	if n.URL == "" && len(n.Email) == 0 {
		return bad("notify", "it says neither a url nor an email address")
	}
	if u, err := url.Parse(n.URL); n.URL != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		return bad("notify.url", "it is no http:// or https:// address")
	}
	for _, event := range n.On {
		if !slices.Contains(events(), event) {
			return bad("notify.on", "%q is none of done, error, recovered and missed", event)
		}
	}
	return nil
}
