package couchtest

import (
	"net/http"
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
		{"database/purged-infos", func(c *checker) {
			c.ask("GET", "/_purged_infos").wants(200).is(`{"purged_infos":[]}`)
			c.askAs("", "", "GET", "/"+c.name+"/_purged_infos").refuses(401, "unauthorized")
			c.ask("POST", "/_purged_infos", `{}`).refuses(405, "method_not_allowed").has("reason", `"Only GET allowed"`)
		}},
	}
}
