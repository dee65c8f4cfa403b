//go:build unix

package cli_test

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// answersOfHTTPMD says what the examples of the queue in docs/http.md answer, by a piece of each.
var answersOfHTTPMD = map[string]string{
	"after start manobi":   `manobi is ready`,
	"task.id=first":        `"id":"first"(?s:.*)"status":"done"(?s:.*)"result":\{"status":200`,
	`"id":"order-7"}`:      `"status":"scheduled","id":"order-7"\}`,
	"countdown=1h\n":       `\{"status":"scheduled","id":"(post-[0-9a-f]+)"\}\n\{"status":"scheduled","id":"post-[0-9a-f]+"\}`,
	"task.eta='2099":       `"executions":1(?s:.*)Content-Type: application/json\r\n(?s:.*)\{"status":"ok"(?s:.*)"due":"(?s:.*)"scheduled","id":"order-7"(?s:.*)"cancel","id":"order-7"(?s:.*)"tasks":\[\{"id":"first"`,
	"task.id=greeting":     `"id":"greeting"\}\n\{"status":"scheduled","id":"bounded"\}\n\{"status":"scheduled","id":"hourly"\}\n(?s:.*)"repeat":"1h","period":"every hour"`,
	"task.id=twice":        `"executions":2(?s:.*)"id":"twice@(?s:.*)"id":"twice@`,
	"ftp://example.org -d": `"field":"url"\}\n(?s:.*)"field":"countdown"\}\n(?s:.*)"field":"headers.X-Colour"\}\n`,
	"head -c 9000000":      `"error":"bad_request"(?s:.*)"error":"bad_content_type"(?s:.*)"error":"bad_content_type"(?s:.*)"error":"too_large"`,
	"task.worker=nobody":   `"warning":"no worker named nobody is running(?s:.*)"status":"error"(?s:.*)"failure":\{"message":"[^"]*169\.254\.169\.254 must not be called`,
	"task.id=told":         `"id":"told"\}\n\{"status":"scheduled","id":"[^"]+"\}`,
	"task.countdown=2h":    `"error":"conflict"(?s:.*)"differs":\["countdown"\]`,
	"bookmark=$next":       `"tasks":\[\{"id":"(?s:.*)"bookmark":"`,
	"task.id=convert":      `"id":"convert"\}`,
	"$CALLBACK":            `"status":"done","id":"convert"\}\n(?s:.*)"status":"done"(?s:.*)"result":\{"pages":7\}(?s:.*)\n\{"pages":7\}`,
	"Bearer $TOKEN":        `"id":"ordered"\}\n\{"error":"forbidden"(?s:.*) 429 (?s:.*)(?i:retry-after): \d+`,
	"Access-Control-":      `(?i:access-control-allow-origin: https://app\.example)(?s:.*)"error":"forbidden"`,
	"/queue/batch":         `"status":"scheduled","id":"[^"]+","code":201(?s:.*)"field":"url","code":400`,
	"after.id=handed":      `"id":"handed"\}\n\{"status":"scheduled"`,
	"after.at=":            `"id":"at"\}\n\{"status":"scheduled","id":"every"\}\n\{"status":"scheduled","id":"cron"\}\n(?s:.*)"result":\{"status":200(?s:.*)"result":\{"status":201`,
	"after.id=in-hours":    `"status":"scheduled","id":"in-hours"`,
	"/ping/nightly-backup": `"id":"expect:nightly-backup","due":"(?s:.*)"id":"expect:nightly-backup","due":"`,
	"after gateway token":  `^after_\S+\n\{"gateway":\{"tokens":\{"shop":"sha256:[0-9a-f]{64} post read worker=manobi limit=2/h"`,
	"/openapi.json":        `"openapi": ?"3.1.0"`,
}

// answers types a block that may be refused, and gives all that it says.
func (r *reader) answers(block string) string {
	r.t.Helper()
	frank := *r
	frank.here = strings.NewReplacer("curl -sSf ", "curl -sS ")
	return frank.succeeds(r.here.Replace(block))
}

// callbacks is an endpoint that answers 202, and tells the URLs that it was given.
func callbacks(t *testing.T) (address string, called <-chan string) {
	t.Helper()
	urls := make(chan string, 1)
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		urls <- q.Header.Get("X-After-Callback")
	}))
	t.Cleanup(endpoint.Close)
	return endpoint.URL, urls
}

// queueSection is the part of docs/http.md that is typed here.
const queueSection = "## The queue\n"

// TestCommandsOfTheQueue types every example of the queue in docs/http.md in order, as it stands, at a worker that the first of them starts.
func TestCommandsOfTheQueue(t *testing.T) {
	t.Parallel()
	address, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	slow, called := callbacks(t)
	const token = "after_of-a-shop"
	r := &reader{
		t: t,
		env: []string{
			"PATH=" + os.Getenv("PATH"), "HOME=" + folder, "TZ=UTC", "TERM=dumb", "GORACE=atexit_sleep_ms=0", "AFTER_STORE_LISTEN=" + address,
			"AFTER_COUCH_URL=http://after:after@" + address, "AFTER_STATE_FOLDER=" + filepath.Join(folder, "state"),
			"AFTER_STORE_DATA=" + filepath.Join(folder, "data"), "AFTER_JOBS_FOLDER=" + folder,
			"AFTER_HTTP_SIGNING_KEY=whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "AFTER_HTTP_CALLBACK_URL=http://" + address + "/_after",
			fmt.Sprintf(`AFTER_GATEWAY_TOKENS={"shop":"sha256:%x post worker=manobi limit=2/h"}`, sha256.Sum256([]byte(token))), "TOKEN=" + token, "SLOW=" + slow,
			"AFTER_GATEWAY_CORS_ORIGINS=https://app.example",
		},
		here: strings.NewReplacer("127.0.0.1:5984", address, "127.0.0.1%3A5984", strings.ReplaceAll(address, ":", "%3A"), "curl ", "curl -sSf "),
	}
	t.Cleanup(func() {
		stop := exec.Command("after", "stop", "--all", "--now")
		stop.Env = r.env
		if out, err := stop.CombinedOutput(); err != nil {
			t.Errorf("stopping the worker: %v\n%s", err, out)
		}
	})
	_, section, found := strings.Cut(page(t, "docs/http.md"), queueSection)
	if !found {
		t.Fatal("the page has no section of the queue")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	typed := examples{answers: answersOfHTTPMD, seen: map[string]bool{}}
	for i, match := range fence.FindAllStringSubmatch(section, -1) {
		kind, block := match[1], match[2]
		switch kind {
		case "json":
			r.configures(block)
			continue
		case "go", "js": // the tests of the repository compile it, and a browser runs it
			continue
		case "sh":
		default:
			t.Errorf("block %d is of the kind %q, which nobody tests", i+1, kind)
			continue
		}
		typed.answer(t, block, r.answers(typed.exported.String()+block))
		if strings.Contains(block, "$SLOW") {
			callback := <-called
			if callback == "" {
				t.Errorf("the endpoint was given no address to call back:\n%s", block)
			}
			typed.exported.WriteString("export CALLBACK='" + callback + "'\n")
		}
	}
	typed.end(t)
}
