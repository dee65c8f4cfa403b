package couchtest

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
)

// sessionChecks are about how clients log in, and what they see without rights.
func sessionChecks() []check {
	return []check{
		{"session/username", func(c *checker) {
			login := func(body string) *reply { return c.askAs("", "", "POST", "/_session", body) }
			name, password := quoted(c.server.User), quoted(c.server.Password)
			login(`{"username":`+name+`,"password":`+password+`}`).wants(200).has("name", name)
			login(`{"username":`+name+`,"name":`+name+`,"password":`+password+`}`).wants(200).has("name", name)
			login(`{"username":"x","name":`+name+`,"password":`+password+`}`).says(400, "bad_request", "request body contains different usernames")
			login(`{"password":`+password+`}`).says(400, "bad_request", "request body must contain a username")
			login(`{"name":"`+c.name+`"}`).says(401, "unauthorized", "Name or password is incorrect.")
			login(`{"name":"","password":""}`).says(401, "unauthorized", "Name or password is incorrect.")
		}},
		{"session/redirects", func(c *checker) {
			// A client that follows no redirects.
			c.http = &http.Client{Transport: c.http.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			goesTo := func(r *reply, path string) {
				r.wants(302)
				if at := r.header.Get("Location"); !strings.HasSuffix(at, path) || !strings.HasPrefix(at, "http") {
					c.failf("%s: goes to %q", r.what, at)
				}
			}
			right := `{"name":` + quoted(c.server.User) + `,"password":` + quoted(c.server.Password) + `}`
			goesTo(c.askAs("", "", "POST", "/_session?next=/a/b", right).has("ok", "true"), "/a/b")
			goesTo(c.askAs("", "", "POST", "/_session?fail=/login", `{"name":"`+c.name+`","password":"x"}`).has("error", `"unauthorized"`), "/login")
			goesTo(c.askAs("", "", "DELETE", "/_session?next=/bye").has("ok", "true"), "/bye")
			if refused := c.askAs("", "", "POST", "/_session?next=a", right).refuses(400, "bad_request"); refused.header.Get("Set-Cookie") != "" {
				c.failf("%s: gives a session away", refused.what)
			}
		}},
		{"settings/all-dbs-for-all", func(c *checker) {
			c.askAs("", "", "GET", "/_all_dbs").refuses(401, "unauthorized")
			restore := c.set("chttpd/admin_only_all_dbs", "false")
			names, info := c.askAs("", "", "GET", "/_all_dbs"), c.askAs("", "", "GET", "/_dbs_info")
			restore()
			names.wants(200)
			if !strings.Contains(string(names.body), c.name) {
				c.failf("the databases are %s", names.body)
			}
			info.refuses(401, "unauthorized")
		}},
		{"settings/vendor", func(c *checker) {
			restore := c.set("vendor/suite", c.name)
			r := c.askAs("", "", "GET", "/")
			restore()
			r.wants(200).has("vendor.suite", quoted(c.name))
		}},
		{"settings/admin-hash-as-given", func(c *checker) {
			const hash = `"-pbkdf2-43ecbd256a70a3a2f7de40d2374b6c3002918834,921a12f74df0c1052b3e562a23cd227f,10000"`
			key := "/_node/_local/_config/admins/" + c.name
			c.askRoot("PUT", key+"?raw=true", hash).wants(200).is(`""`)
			shown := c.askRoot("GET", key)
			c.askRoot("DELETE", key).wants(200).is(hash)
			shown.wants(200).is(hash)
		}},
		{"database/sizes", func(c *checker) {
			sizes := func() (file, active, external int64) {
				r := c.ask("GET", "").wants(200)
				return r.get("sizes.file").Int(), r.get("sizes.active").Int(), r.get("sizes.external").Int()
			}
			if file, active, external := sizes(); file <= 0 || active != 0 || external != 0 {
				c.failf("an empty database has a file of %d, %d active and %d external", file, active, external)
			}
			var docs, deletions []string
			for i := range 200 {
				text := strings.Repeat(strconv.Itoa(rand.Int()), 100) //nolint:gosec // a text, no secret
				docs = append(docs, `{"_id":"`+strconv.Itoa(i)+`","text":"`+text+`"}`)
			}
			for _, row := range c.ask("POST", "/_bulk_docs", `{"docs":[`+strings.Join(docs, ",")+`]}`).wants(201).get("#.rev").Array() {
				deletions = append(deletions, `{"_id":"`+strconv.Itoa(len(deletions))+`","_rev":`+row.Raw+`,"_deleted":true}`)
			}
			full, active, external := sizes()
			if full <= active || active <= 0 || external <= 0 {
				c.failf("a database with documents has a file of %d, %d active and %d external", full, active, external)
			}
			c.ask("POST", "/_bulk_docs", `{"docs":[`+strings.Join(deletions, ",")+`]}`).wants(201)
			if _, now, _ := sizes(); now >= active {
				c.failf("with documents %d bytes are active, without %d", active, now)
			}
			c.ask("POST", "/_compact", `{}`).wants(202)
			for c.ask("GET", "").wants(200).get("compact_running").Bool() {
				c.must(c.ctx.Err())
			}
			if file, _, _ := sizes(); file >= full {
				c.failf("the file had %d bytes with documents, and has %d without them", full, file)
			}
		}},
		{"database/purged-infos", func(c *checker) {
			c.ask("GET", "/_purged_infos").wants(200).is(`{"purged_infos":[]}`)
			c.askAs("", "", "GET", "/"+c.name+"/_purged_infos").refuses(401, "unauthorized")
			c.ask("POST", "/_purged_infos", `{}`).refuses(405, "method_not_allowed").has("reason", `"Only GET allowed"`)
		}},
	}
}
