package httpd_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/adlayer/after/store/script"
)

// setAll changes settings of a server, pairs of section/key and value, as an administrator by whichever way to log in there is.
func setAll(tb testing.TB, h http.Handler, settings ...string) {
	tb.Helper()
	for i := 0; i < len(settings); i += 2 {
		var w *httptest.ResponseRecorder
		login := bare(h, http.MethodPost, "/_session", `{"name":"admin","password":"secret"}`, "Content-Type", "application/json")
		cookie, _, _ := strings.Cut(login.Header().Get("Set-Cookie"), ";")
		for _, fields := range [][]string{{"Authorization", "Basic YWRtaW46c2VjcmV0"}, {"Cookie", cookie}, tokenOfAdmin, proxiedAdmin} {
			value, err := json.Marshal(settings[i+1])
			if err != nil {
				tb.Fatal(err)
			}
			if w = bare(h, http.MethodPut, "/_node/_local/_config/"+settings[i], string(value), fields...); w.Code == http.StatusOK {
				break
			}
		}
		if w.Code != http.StatusOK {
			tb.Fatalf("%s: %d %s", settings[i], w.Code, w.Body)
		}
	}
}

// bare sends a request with header fields, pairs of name and value.
func bare(h http.Handler, method, path, body string, fields ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i < len(fields); i += 2 {
		r.Header[fields[i]] = append(r.Header[fields[i]], fields[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// shows asks who somebody is that shows header fields.
func shows(h http.Handler, fields ...string) *httptest.ResponseRecorder {
	return bare(h, http.MethodGet, "/_session", "", fields...)
}

const (
	byToken  = "{chttpd_auth, jwt_authentication_handler}"
	byProxy  = "{chttpd_auth, proxy_authentication_handler}"
	byBasic  = "{chttpd_auth, default_authentication_handler}"
	tokenKey = "aGVsbG8="
)

var (
	tokenOfAdmin = []string{"Authorization", "Bearer " + signed(`{"alg":"HS256"}`, `{"sub":"x","exp":4102444800,"_couchdb.roles":["_admin"]}`)}
	proxiedAdmin = []string{"X-Auth-Couchdb-Username", "x", "X-Auth-Couchdb-Roles", "_admin"}
)

// signed is a token with the key above.
func signed(head, claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(head)) + "." + encode([]byte(claims))
	m := hmac.New(sha256.New, []byte("hello"))
	_, _ = m.Write([]byte(text))
	return text + "." + encode(m.Sum(nil))
}

// TestClaims: claims that are no times keep their token out, and so does a setting that cannot be read as a whole.
func TestClaims(t *testing.T) {
	t.Parallel()
	h := handler(t, memory(t))
	setAll(t, h, "chttpd/authentication_handlers", byToken+","+byBasic, "jwt_keys/hmac:_default", tokenKey)
	now := time.Now().Unix()
	past, future := strconv.FormatInt(now-100, 10), strconv.FormatInt(now+100, 10)
	for _, test := range []struct {
		asked, claims string
		status        int
	}{
		{"exp", `"exp":` + future, 200},
		{"exp", `"exp":` + past + `,"exp":` + future, 200}, // the last one counts
		{"exp", `"exp":` + future + `,"exp":` + past, 401},
		{"exp", `"exp":` + past, 401},
		{"exp", `"exp":null`, 401},
		{"exp", `"exp":"` + future + `"`, 401},
		{"exp", `"exp":[` + future + `]`, 401},
		{"exp", `"exp":1e300`, 200},
		{"exp", `"exp":1e400`, 400},
		{"exp", `"exp":-1e300`, 401},
		{"exp", `"EXP":` + future, 400},
		{"nbf", `"nbf":` + past, 200},
		{"nbf", `"nbf":` + future, 401},
		{"nbf", `"nbf":null`, 401},
		{"nbf", `"nbf":{}`, 401},
		{"iat", `"iat":` + future, 200},
		{"iat", `"iat":null`, 400},
		{"iat", `"iat":"1"`, 400},
		{`{iss, "me"}`, `"iss":"me"`, 200},
		{`{iss, "me"}`, `"iss":"you"`, 400},
		{`{iss, "me"}`, `"iss":null`, 400},
		{`{iss, "me"}`, `"iss":["me"]`, 400},
		{`exp, {iss, "me"}`, `"iss":"me"`, 400},
		{`{alg, "RS256"}`, `"exp":` + future, 500},
		{`EXP, {iss, "me"}`, `"iss":"me"`, 500},
		{`exp; {iss, "me"}`, `"iss":"me","exp":` + future, 500},
		{`{iss, ""}, exp`, `"iss":"me","exp":` + future, 500},
		{`exp, exp`, `"exp":` + future, 500},
		{``, `"exp":` + past, 200}, // as in CouchDB, others than are asked for are not looked at
	} {
		setAll(t, h, "jwt_auth/required_claims", test.asked)
		w := shows(h, "Authorization", "Bearer "+signed(`{"alg":"HS256"}`, `{"sub":"x",`+test.claims+`}`))
		if w.Code != test.status {
			t.Errorf("%s of {%s}: %d %s, want %d", test.asked, test.claims, w.Code, w.Body, test.status)
		}
	}
}

// TestFunctionsSeeNoCredentials: who writes functions cannot take the place of who asks them.
func TestFunctionsSeeNoCredentials(t *testing.T) {
	t.Parallel()
	s := startScripts(t, script.Options{})
	s.want("PUT", "/db/_design/v", `{"filters":{"f":"function (doc, req) { throw({forbidden: JSON.stringify(req.headers)}) }"}}`, 201)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/db/_changes?filter=v/f", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("admin", "secret")
	for name, value := range map[string]string{"X-Mine": "shown", "X-Auth-CouchDB-Token": "hidden"} {
		r.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if text := string(raw); err != nil || !strings.Contains(text, "shown") || strings.Contains(text, "hidden") || strings.Contains(text, "Basic") {
		t.Errorf("%d %s, %v", res.StatusCode, raw, err)
	}
}

// FuzzBearer: nobody is anybody by a token that was not signed, whatever it says.
func FuzzBearer(f *testing.F) {
	_, h := served(f)
	setAll(f, h, "chttpd/authentication_handlers", byToken+","+byBasic, "jwt_keys/hmac:_default", tokenKey, "jwt_keys/rsa:a", "no key", "jwt_keys/hmac:b", "%",
		"jwt_keys/hmac:c", "", "jwt_auth/required_claims", "")
	for _, seed := range []string{
		"", ".", "..", "...", "e30.e30.e30", signed(`{"alg":"HS256"}`, `{"sub":"x"}`), signed(`{"alg":"HS256"}`, `{"sub":"x","exp":null}`) + "=",
		signed(`{"alg":"none"}`, `{"sub":"x"}`), signed(`{"alg":"HS512","kid":null}`, `[]`), signed(`{"alg":"RS256","kid":"a"}`, `{"sub":"x"}`),
		signed(`{"alg":"HS256","kid":"b"}`, `{"sub":"x"}`), signed(`{"alg":"HS256","kid":"c"}`, `{"sub":"x"}`), signed(`{"alg":["HS256"]}`, `{"sub":{}}`),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		w := shows(h, "Authorization", "Bearer "+token)
		if w.Code != http.StatusOK {
			if w.Code >= http.StatusInternalServerError || !gjson.GetBytes(w.Body.Bytes(), "error").Exists() {
				t.Fatalf("%q: %d %s", token, w.Code, w.Body)
			}
			return
		}
		parts := strings.Split(token, ".")
		m := hmac.New(sha256.New, []byte("hello"))
		_, _ = m.Write([]byte(strings.Join(parts[:2], ".")))
		given, _ := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[2], "="))
		if len(parts) != 3 || !hmac.Equal(m.Sum(nil), given) || gjson.GetBytes(w.Body.Bytes(), "userCtx.name").String() == "" {
			t.Fatalf("%q: %d %s", token, w.Code, w.Body)
		}
	})
}

// FuzzAuthHandlers: whatever the list of the ways to log in says, headers that it has no way for mean nothing, and somebody can still log in.
func FuzzAuthHandlers(f *testing.F) {
	_, h := served(f)
	setAll(f, h, "jwt_keys/hmac:_default", tokenKey)
	for _, seed := range []string{
		"", "{}", byProxy, byToken, byBasic, byToken + byProxy, "proxy", "{chttpd_auth,}", "{a,b,c}", "{couch_httpd_auth,proxy_authentication_handler}", "{{{", "\x00",
		"{chttpd_auth, {chttpd_auth, jwt_authentication_handler}}", "{chttpd_auth, cookie_authentication_handler}",
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, list string, working bool) {
		list = strings.NewReplacer("\r", "", "\n", "").Replace(list) // a setting has one line
		setAll(t, h, "chttpd_auth/proxy_use_secret", strconv.FormatBool(!working))
		key, required := "chttpd/authentication_handlers", map[bool]string{true: "exp", false: "none"}[working]
		setAll(t, h, "jwt_auth/required_claims", required, key, list) // which a way to log in is left for, or this fails
		proxied, borne := shows(h, proxiedAdmin...), shows(h, tokenOfAdmin...)
		setAll(t, h, key, byBasic, "jwt_auth/required_claims", "exp")
		for way, w := range map[string]*httptest.ResponseRecorder{"proxy": proxied, "jwt": borne} {
			named := gjson.GetBytes(w.Body.Bytes(), "userCtx.name").String() != ""
			if named && !strings.Contains(list, way+"_authentication_handler") || w.Code >= 500 && working {
				t.Fatalf("%q: %s: %d %s", list, way, w.Code, w.Body)
			}
		}
	})
}
