// Package webhook signs what is sent to an endpoint, and verifies what an endpoint receives, in the form of Standard Webhooks.
//
// Each request has three headers: webhook-id, which stays the same when the same thing is sent again; webhook-timestamp, in seconds since
// 1970; and webhook-signature, one or more of "v1,<HMAC-SHA256 in base64>" with spaces between them, over "<id>.<timestamp>.<body>". A
// secret is "whsec_" and the key in base64.
//
// A sender that changes its secret signs with both for a while, so that receivers can follow one by one: a [Signer] and a [Verifier] take
// several secrets. A receiver needs a [Verifier] alone:
//
//	v, err := webhook.NewVerifier(os.Getenv("WEBHOOK_SECRET"))
//	...
//	http.Handle("/hook", v.Middleware(hook))
//
// The same secrets sign the tokens of callback URLs, with which an endpoint that answered 202 tells later how it ended: [Signer.Callback]
// and [Verifier.Callback].
package webhook
