package gateway

import (
	"encoding/base64"
	"mime"
	"net/http"
	"strings"

	"github.com/tidwall/gjson"
)

// result answers with what the endpoint answered, in its own type. It comes from somebody whom the reader need not trust: a browser
// neither guesses its type nor lets it do anything.
func (x *exchange) result(id string) error {
	t, err := x.read(id)
	if err != nil {
		return err
	}
	if t.Result == nil {
		return missing("the task " + id + " has no result: its status is " + string(x.entryOf(t).Status))
	}
	h := x.w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	result := gjson.ParseBytes(t.Result)
	if t.Job != jobName || !result.IsObject() || !result.Get("status").Exists() {
		x.send(http.StatusOK, "application/json", t.Result)
		return nil
	}
	kind := result.Get("headers.content-type").String()
	media, _, err := mime.ParseMediaType(kind)
	if err != nil {
		kind, media = "application/octet-stream", ""
	}
	if result.Get("truncated").Bool() {
		h.Set("X-After-Truncated", "true")
	}
	if status := result.Get("status").Raw; status != "" {
		h.Set("X-After-Status", status)
	}
	x.send(http.StatusOK, kind, bodyOf(result, media))
	return nil
}

// bodyOf gives the bytes of an endpoint's answer as they are kept: text as a string, JSON as it is, anything else in base64.
func bodyOf(result gjson.Result, media string) []byte {
	if encoded := result.Get("base64"); encoded.Exists() {
		raw, _ := base64.StdEncoding.DecodeString(encoded.Str) // the worker wrote it
		return raw
	}
	body := result.Get("body")
	isJSON := media == "application/json" || strings.HasSuffix(media, "+json")
	if body.Type == gjson.String && !isJSON {
		return []byte(body.Str)
	}
	return []byte(body.Raw)
}
