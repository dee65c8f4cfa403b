package embedded_test

import (
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/adlayer/after/cli/embedded"
	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/internal/testcert"
)

// TestTLS serves https with a certificate of a private authority, which is renewed on the way.
func TestTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca, cert, key := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	authority, err := testcert.New(ca)
	if err != nil {
		t.Fatal(err)
	}
	first, err := authority.Issue(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	o := options(t, filepath.Join(dir, "data"), "127.0.0.1:0")
	o.Certificate, o.Key = cert, key
	server, err := embedded.Serve(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	trust := x509.NewCertPool()
	if content, err := os.ReadFile(ca); err != nil || !trust.AppendCertsFromPEM(content) {
		t.Fatal(err)
	}
	if !strings.HasPrefix(server.URL(), "https://127.0.0.1:") {
		t.Error(server.URL())
	}
	ask := func(secure *tls.Config) error {
		client, err := couch.Dial(server.URL(), couch.Options{User: "a", Password: "b", TLS: secure})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		_, err = client.Server(t.Context())
		return err
	}
	if err := ask(&tls.Config{RootCAs: trust}); err != nil {
		t.Error(err)
	}
	if err := ask(nil); err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("without the authority: %v", err)
	}
	if err := ask(&tls.Config{RootCAs: trust, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	checkCookie(t, server.URL(), trust)

	serial := func() *big.Int {
		conn, err := tls.Dial("tcp", server.Address(), &tls.Config{RootCAs: trust})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber
	}
	if got := serial(); got.Cmp(first) != 0 {
		t.Errorf("%v instead of %v", got, first)
	}
	second, err := authority.Issue(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	if got := serial(); got.Cmp(second) != 0 {
		t.Errorf("after it was renewed: %v instead of %v", got, second)
	}
	if err := os.WriteFile(key, []byte("half of a k"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := serial(); got.Cmp(second) != 0 {
		t.Errorf("while the files make no sense: %v instead of %v", got, second)
	}
	third, err := authority.Issue(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	if got := serial(); got.Cmp(third) != 0 {
		t.Errorf("and once they do: %v instead of %v", got, third)
	}
}

func checkCookie(t *testing.T, url string, trust *x509.CertPool) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust}}}
	defer client.CloseIdleConnections()
	res, err := client.Post(url+"/_session", "application/json", strings.NewReader(`{"name":"a","password":"b"}`))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if cookies := res.Cookies(); len(cookies) != 1 || !cookies[0].Secure || !cookies[0].HttpOnly {
		t.Errorf("%v %v", res.Status, cookies)
	}
}

// TestWrongCertificate refuses to serve with files that make no sense, rather than without TLS.
func TestWrongCertificate(t *testing.T) {
	t.Parallel()
	o := options(t, filepath.Join(t.TempDir(), "data"), "127.0.0.1:0")
	o.Certificate, o.Key = "nowhere.pem", "nowhere.pem"
	if server, err := embedded.Serve(t.Context(), o); err == nil || !strings.Contains(err.Error(), "store.tls: ") {
		t.Errorf("%v %v", server, err)
	}
}
