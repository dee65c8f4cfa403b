package webhook_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/adlayer/after/webhook"
)

// A receiver takes what is signed, and looks at the id to do nothing twice.
func ExampleVerifier_Middleware() {
	secret := webhook.NewSecret() // in a receiver: what the sender has, os.Getenv("WEBHOOK_SECRET") say
	verifier, err := webhook.NewVerifier(secret)
	if err != nil {
		fmt.Println(err)
		return
	}
	hook := verifier.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		m, _ := webhook.FromContext(r.Context())
		fmt.Println("received", m.ID)
	}))

	signer, err := webhook.NewSigner(secret)
	if err != nil {
		fmt.Println(err)
		return
	}
	body := `{"hello":"world"}`
	r := httptest.NewRequest(http.MethodPost, "/hook", strings.NewReader(body))
	if err := signer.Sign(r.Header, webhook.ID("greeting"), time.Now(), []byte(body)); err != nil {
		fmt.Println(err)
		return
	}
	hook.ServeHTTP(httptest.NewRecorder(), r)

	forged := httptest.NewRequest(http.MethodPost, "/hook", strings.NewReader(`{"hello":"nobody"}`))
	forged.Header = r.Header
	answer := httptest.NewRecorder()
	hook.ServeHTTP(answer, forged)
	fmt.Println(answer.Code, strings.TrimSpace(answer.Body.String()))
	// Output:
	// received greeting
	// 401 webhook: no signature fits
}

// An endpoint is given a URL with a token in it, and calls it when its work has ended.
func ExampleSigner_Callback() {
	secret := webhook.NewSecret()
	signer, err := webhook.NewSigner(secret)
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := signer.Callback(webhook.Callback{Task: "report", Key: "report@1", Attempt: 1, Expires: time.Now().Add(time.Hour)})
	if err != nil {
		fmt.Println(err)
		return
	}

	verifier, err := webhook.NewVerifier(secret)
	if err != nil {
		fmt.Println(err)
		return
	}
	callback, err := verifier.Callback(token)
	fmt.Println(callback.Task, callback.Key, callback.Attempt, err)
	// Output: report report@1 1 <nil>
}
