package call_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/adlayer/after/internal/testcert"
	"github.com/adlayer/after/jobs"
	"github.com/adlayer/after/jobs/call"
	"github.com/adlayer/after/jobs/call/fence"
	"github.com/adlayer/after/webhook"
)

func unzip(t *testing.T, packed string) string {
	t.Helper()
	r, err := gzip.NewReader(strings.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(plain)
}

// TestBoundedBody takes a gigabyte, and one that is packed, in little memory.
func TestBoundedBody(t *testing.T) {
	t.Parallel()
	block := bytes.Repeat([]byte("x"), 1<<20)
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	if _, err := zip.Write(block); err != nil || zip.Close() != nil {
		t.Fatal(err)
	}
	address, _ := recorder(t, func(w http.ResponseWriter, r *http.Request) {
		part := block
		if r.URL.Path == "/packed" { // as many archives, one behind the other, are one
			w.Header().Set("Content-Encoding", "gzip")
			part = packed.Bytes()
		}
		for range 1 << 10 {
			if _, err := w.Write(part); err != nil {
				return
			}
		}
	})
	c := fresh(t, call.Options{MaxBody: 1000})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, path := range []string{"/", "/packed"} {
		result, err := c.Run(t.Context(), document(t, "a", nil), arguments(t, `{"url":"%s"}`, address+path))
		if err != nil {
			t.Fatal(err)
		}
		if text, _ := result.Body.(string); !result.Truncated || text != strings.Repeat("x", 1000) || result.Bytes > 128<<10 {
			t.Errorf("%s: truncated %v, %d bytes kept of %d read", path, result.Truncated, len(text), result.Bytes)
		}
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 256<<20 { // of all tests that run meanwhile; the bodies are 2 GiB
		t.Errorf("%d MB were allocated", grown>>20)
	}
}

// raw is a server that answers every connection with the same bytes, whatever they are, and then closes it or holds it open.
func raw(t *testing.T, answer string, hold bool) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); close(ended); <-done })
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = http.ReadRequest(bufio.NewReader(conn))
			_, _ = io.WriteString(conn, answer)
			if hold {
				<-ended
			}
			conn.Close()
		}
	}()
	return "http://" + l.Addr().String()
}

// TestBadServers fail in every way. Each failure counts as no answer.
func TestBadServers(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		answer string
		hold   bool
		says   string
	}{
		"closes at once":    {"", false, "EOF"},
		"no HTTP":           {"SSH-2.0-x\r\n", false, "malformed HTTP"},
		"malformed header":  {"HTTP/1.1 200 OK\r\nbad header\r\n\r\n", false, "malformed MIME header"},
		"bad length":        {"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", false, "bad Content-Length"},
		"closes mid-body":   {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", false, "unexpected EOF"},
		"bad chunks":        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", false, "invalid byte in chunk length"},
		"bad gzip":          {"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", false, "reading the answer"},
		"endless headers":   {"HTTP/1.1 200 OK\r\nA: " + strings.Repeat("x", 512<<10), false, "exceeded"},
		"hangs":             {"", true, "no answer within the call's timeout of 50ms"},
		"hangs mid-headers": {"HTTP/1.1 200 OK\r\nA: b\r\n", true, "no answer within the call's timeout of 50ms"},
		"hangs mid-body":    {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", true, "no answer within the call's timeout of 50ms"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			timeout := ""
			if test.hold {
				timeout = `,"timeout":"50ms"`
			}
			c := fresh(t, call.Options{})
			result, err := c.Run(t.Context(), document(t, "a", nil), arguments(t, `{"url":"%s"%s}`, raw(t, test.answer, test.hold), timeout))
			if got := outcome(result, err); got != "retry 0" || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%s: %v, want %s", got, err, test.says)
			}
		})
	}
}

// TestRedirects follows them, and keeps what is secret from other hosts.
func TestRedirects(t *testing.T) {
	t.Parallel()
	there, foreign := recorder(t, nil)
	here, own := recorder(t, func(w http.ResponseWriter, r *http.Request) {
		to, status := r.URL.Query().Get("to"), http.StatusFound
		if code := r.URL.Query().Get("code"); code != "" {
			_, _ = fmt.Sscan(code, &status)
		}
		switch {
		case r.URL.Path == "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case to != "":
			http.Redirect(w, r, to, status)
		}
	})
	c := fresh(t, call.Options{
		SigningKeys: []string{secret}, CallbackURL: "https://after.example/base/", Credentials: map[string]string{"me": "* basic ada:lovelace"},
		Deny: []string{"denied.example"},
	})
	run := func(query, more string) (*call.Result, error) {
		return c.Run(t.Context(), document(t, "a", nil), arguments(t, `{"url":"%s/?%s","body":"content","credential":"me","callback":true,
			"headers":{"X-Api-Key":"key","Accept":"text/plain","Cookie":"c=1"}%s}`, here, query, more))
	}
	result, err := run("to=/end", "")
	if err != nil || len(result.Redirects) != 1 || result.Redirects[0] != here+"/end" {
		t.Fatalf("%v, %v", result, err)
	}
	if r := own()[1]; r.Method != http.MethodGet || r.body != "" || r.Header.Get("X-Api-Key") != "key" || r.Header.Get("Authorization") == "" ||
		r.Header.Get("Content-Type") != "" {
		t.Errorf("within the host: %s %v", r.Method, r.Header)
	} else if v, _ := webhook.NewVerifier(secret); v != nil {
		if _, err := v.Verify(r.Header, nil); err != nil {
			t.Error(err)
		}
	}
	if _, err := run("code=307&to="+url.QueryEscape(there+"/end"), ""); err != nil {
		t.Fatal(err)
	}
	r := foreign()[0]
	if r.Method != http.MethodPost || r.body != "content" || r.Header.Get("Accept") != "text/plain" || r.Header.Get("X-Task-Id") != "a" {
		t.Errorf("to another host: %s %q %v", r.Method, r.body, r.Header)
	}
	for _, name := range []string{"Authorization", "X-Api-Key", "Cookie", "Webhook-Signature", "Webhook-Id", "X-After-Callback", "Referer"} {
		if r.Header.Get(name) != "" {
			t.Errorf("another host sees %s", name)
		}
	}
	for _, test := range []struct {
		method, code, want string
		body               string
	}{
		{"PUT", "301", "PUT", "content"}, {"DELETE", "302", "DELETE", "content"}, {"PATCH", "308", "PATCH", "content"}, {"PUT", "303", "GET", ""}, {"POST", "301", "GET", ""},
	} {
		if _, err := run("code="+test.code+"&to=/end", `,"method":"`+test.method+`"`); err != nil {
			t.Fatal(err)
		}
		if all := own(); all[len(all)-1].Method != test.want || all[len(all)-1].body != test.body {
			t.Errorf("%s after %s: %s with %q", test.method, test.code, all[len(all)-1].Method, all[len(all)-1].body)
		}
	}
	if result, err := run("to=/end", `,"redirects":false`); err != nil || result.Status != http.StatusFound {
		t.Errorf("not followed: %v, %v", result, err)
	}
	for query, says := range map[string]string{
		"to=http://denied.example/":        "denied.example must not be called",
		"to=http://169.254.169.254/latest": "169.254.169.254 must not be called: it is a link-local address",
		"to=http://[::ffff:169.254.1.1]/":  "must not be called",
		"to=file:///etc/passwd":            "what is no http or https address",
		"to=http://":                       "what is no http or https address",
	} {
		if _, err := run(query, ""); err == nil || !strings.Contains(err.Error(), says) || !jobs.IsPermanent(err) {
			t.Errorf("%s: %v", query, err)
		}
	}
	_, err = c.Run(t.Context(), document(t, "a", nil), arguments(t, `{"url":"%s/loop","redirects":3}`, here))
	if code, _ := jobs.CodeOf(err); code != http.StatusFound || !strings.Contains(err.Error(), "more than 3 times") {
		t.Errorf("a loop: %v", err)
	}
}

// resolver answers every question for an address with those that next gives.
func resolver(t *testing.T, next func(name string) [][4]byte) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { conn.Close(); <-done })
	go func() {
		defer close(done)
		buffer := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buffer[:n]) != nil {
				continue
			}
			m.Response, m.Additionals = true, nil
			if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
				for _, address := range next(strings.TrimSuffix(q.Name.String(), ".")) {
					m.Answers = append(m.Answers, dnsmessage.Resource{
						Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}, Body: &dnsmessage.AResource{A: address},
					})
				}
			}
			if packed, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(packed, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// TestNamesOfForbiddenAddresses: a name that resolves to what is refused is refused when it is connected to, also the second time.
func TestNamesOfForbiddenAddresses(t *testing.T) {
	t.Parallel()
	address, requests := recorder(t, nil)
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(address, "http://"))
	var asked atomic.Int32
	names := resolver(t, func(name string) [][4]byte {
		switch {
		case name == "rebinds.example" && asked.Add(1) > 1, name == "metadata.example":
			return [][4]byte{{169, 254, 169, 254}}
		}
		return [][4]byte{{127, 0, 0, 1}}
	})
	c := fresh(t, call.Options{Resolver: names})
	run := func(c *call.Caller, host string) error {
		_, err := c.Run(t.Context(), document(t, "a", nil), arguments(t, `{"url":"http://%s:%s/","timeout":"10s"}`, host, port))
		c.Close() // so that the next call connects anew
		return err
	}
	if err := run(c, "rebinds.example"); err != nil || len(requests()) != 1 {
		t.Fatal(err)
	}
	for _, host := range []string{"rebinds.example", "metadata.example"} {
		var refused *fence.RefusalError
		if err := run(c, host); !errors.As(err, &refused) || !jobs.IsPermanent(err) {
			t.Errorf("%s: %v", host, err)
		}
	}
	if err := run(fresh(t, call.Options{Resolver: names, Deny: []string{"loopback"}}), "local.example"); err == nil {
		t.Error("a name of a denied network was called")
	}
	if err := run(fresh(t, call.Options{Resolver: names, Allow: []string{"*.example"}}), "local.example"); err != nil {
		t.Error(err)
	}
}

// TestProxy sends through one. Its own address is not fenced; what it is asked for is, by name and by address.
func TestProxy(t *testing.T) {
	t.Parallel()
	var through atomic.Int32
	proxy, _ := recorder(t, func(w http.ResponseWriter, r *http.Request) {
		through.Add(1)
		if r.URL.Host != "target.example" || r.Header.Get("X-Task-Id") != "a" {
			t.Errorf("the proxy was asked for %s", r.URL)
		}
		fmt.Fprint(w, "by proxy")
	})
	names := resolver(t, func(name string) [][4]byte {
		if name == "target.example" {
			return [][4]byte{{192, 0, 2, 1}}
		}
		return [][4]byte{{169, 254, 169, 254}}
	})
	c := fresh(t, call.Options{Proxy: proxy, Resolver: names, Deny: []string{"loopback"}})
	run := func(host string) (*call.Result, error) {
		return c.Run(t.Context(), document(t, "a", nil), arguments(t, `{"url":"http://%s/x","timeout":"10s"}`, host))
	}
	if result, err := run("target.example"); err != nil || result.Body != "by proxy" {
		t.Fatalf("%v, %v", result, err)
	}
	for _, host := range []string{"metadata.goog", "inner.example", "127.0.0.1", "169.254.169.254"} {
		if _, err := run(host); err == nil || !jobs.IsPermanent(err) || !strings.Contains(err.Error(), "must not be called") {
			t.Errorf("%s: %v", host, err)
		}
	}
	if n := through.Load(); n != 1 {
		t.Errorf("the proxy was asked %d times", n)
	}
}

// TestTLS speaks HTTP/2 to a server of a private authority, which asks for a certificate of the client.
func TestTLS(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	file := func(name string) string { return filepath.Join(folder, name) }
	authority, err := testcert.New(file("ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"server", "client"} {
		if _, err := authority.Issue(file(name+".pem"), file(name+".key")); err != nil {
			t.Fatal(err)
		}
	}
	pair, err := tls.LoadX509KeyPair(file("server.pem"), file("server.key"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if content, err := os.ReadFile(file("ca.pem")); err != nil || !pool.AppendCertsFromPEM(content) {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s, %d certificates", r.Proto, len(r.TLS.PeerCertificates))
	}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequestClientCert}
	s.EnableHTTP2 = true
	s.Config.ErrorLog = nil
	s.StartTLS()
	t.Cleanup(s.Close)
	ca := "ca=" + file("ca.pem")
	c := fresh(t, call.Options{TLS: map[string]string{
		"ours": ca, "with": ca + "; certificate=" + file("client.pem") + ";key=" + file("client.key"), "blind": "insecure=true",
	}})
	for name, want := range map[string]string{
		"ours": "HTTP/2.0, 0 certificates", "with": "HTTP/2.0, 1 certificates", "blind": "HTTP/2.0, 0 certificates", "": "",
	} {
		result, err := c.Run(t.Context(), document(t, "a", nil), arguments(t, `{"url":"%s","tls":"%s"}`, s.URL, name))
		switch {
		case want == "" && (err == nil || !strings.Contains(err.Error(), "certificate signed by unknown authority")):
			t.Errorf("without the authority: %v", err)
		case want != "" && (err != nil || result.Body != want || result.Timing.TLS == 0):
			t.Errorf("%s: %v, %v", name, result, err)
		}
	}
	trusting := fresh(t, call.Options{CAFile: file("ca.pem")})
	if _, err := trusting.Run(t.Context(), document(t, "a", nil), arguments(t, `{"url":"%s"}`, s.URL)); err != nil {
		t.Error(err)
	}
}

// TestCallback: an endpoint that answers 202 was given a URL that names this very run.
func TestCallback(t *testing.T) {
	t.Parallel()
	address, requests := recorder(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/202" {
			w.WriteHeader(http.StatusAccepted)
		}
	})
	c := fresh(t, call.Options{SigningKeys: []string{secret}, CallbackURL: "https://after.example/base/"})
	run := func(path, callback string, fields map[string]any) error {
		_, err := c.Run(t.Context(), document(t, "a", fields), arguments(t, `{"url":"%s%s","callback":%s}`, address, path, callback))
		return err
	}
	if err := run("/200", "true", nil); err != nil {
		t.Errorf("an answer at once: %v", err)
	}
	for i, test := range []struct {
		callback string
		fields   map[string]any
		within   time.Duration
	}{{"true", nil, time.Hour}, {"true", map[string]any{"timeout": "2h"}, 2 * time.Hour}, {`"10m"`, map[string]any{"timeout": "2h"}, 10 * time.Minute}} {
		begun := time.Now()
		d, ok := jobs.AwaitOf(run("/202", test.callback, test.fields))
		if !ok || d != test.within {
			t.Errorf("awaited for %v, want %v", d, test.within)
		}
		token, found := strings.CutPrefix(requests()[i+1].Header.Get("X-After-Callback"), "https://after.example/base/callback/")
		v, err := webhook.NewVerifier(secret)
		if err != nil || !found {
			t.Fatal(err, found)
		}
		got, err := v.Callback(token)
		if err != nil || got.Task != "a" || got.Attempt != 1 || got.Key != "a@"+nominal+"/1-a" || got.Expires.Sub(begun) < test.within ||
			got.Expires.Sub(begun) > test.within+time.Minute {
			t.Errorf("%v, %v", got, err)
		}
	}
	if err := run("/202", "false", nil); err != nil || requests()[4].Header.Get("X-After-Callback") != "" {
		t.Errorf("not asked for: %v", err)
	}
}

// TestCredentials logs in by a name of the configuration, and shows nothing of it in errors.
func TestCredentials(t *testing.T) {
	t.Parallel()
	address, requests := recorder(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("from-file\nmore"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := fresh(t, call.Options{Credentials: map[string]string{
		"b": "127.0.0.1 bearer s3cret", "u": "example.org,127.0.0.1 basic ada:s3 cret", "f": "* bearer @" + file,
	}})
	for name, want := range map[string]string{"b": "Bearer s3cret", "u": "Basic YWRhOnMzIGNyZXQ=", "f": "Bearer from-file"} {
		_, err := c.Run(t.Context(), document(t, "a", nil), arguments(t, `{"url":"%s","credential":"%s","headers":{"Authorization":"own"}}`, address, name))
		all := requests()
		if got := all[len(all)-1].Header.Get("Authorization"); got != want || strings.Contains(err.Error(), "s3") {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
	for _, text := range []string{"", "x", "bearer s3cret", "* bearer", "* digest s3cret", "* basic s3cret", "http://x bearer s3cret", "* bearer @/nowhere/s3"} {
		if _, err := call.New(call.Options{Credentials: map[string]string{"n": text}}); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestTiming is kept in milliseconds.
func TestTiming(t *testing.T) {
	t.Parallel()
	address, _ := recorder(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "body") })
	c := fresh(t, call.Options{})
	var timings [2]call.Timing
	for i := range timings {
		result, err := c.Run(t.Context(), document(t, "a", nil), arguments(t, `{"url":"%s"}`, strings.Replace(address, "127.0.0.1", "localhost", 1)))
		if err != nil {
			t.Fatal(err)
		}
		timings[i] = result.Timing
	}
	first, second := timings[0], timings[1]
	if first.DNS == 0 || first.Connect == 0 || first.FirstByte == 0 || first.Total < first.FirstByte || first.TLS != 0 {
		t.Errorf("the first call: %+v", first)
	}
	if second.DNS != 0 || second.Connect != 0 || second.FirstByte == 0 {
		t.Errorf("a connection that was there: %+v", second)
	}
	if raw, err := json.Marshal(call.Timing{Total: 1.25}); err != nil || string(raw) != `{"total":1.25}` {
		t.Errorf("%s, %v", raw, err)
	}
}
