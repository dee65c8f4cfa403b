package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/adlayer/after/when"
)

type callFlags struct {
	worker, every, cron string
	method, body        string
	headers             []string
	limit, callback     string
	request             string // JSON
	add                 addOptions
}

func newCall(a *app) *cobra.Command {
	var o callFlags
	cmd := &cobra.Command{
		Use:   "call <url>",
		Short: "Have a URL called, once or every so often",
		Long: `Schedules calls of a URL: tasks of the job http, in fewer words than after add. Without --every or --cron it is called
once, at once or when --at or --in say. A status of 2xx is done; what becomes of others, "codes" in --request can say, and
docs/http.md does.

--every takes any rule in words (5s, "weekday at 9:00", "2 hours"), --cron a crontab line of five fields, or six with
seconds.

after calls shows how the endpoints do, after runs each call of one.`,
		Example: `  after call https://example.org/ping --worker manobi --every 5s --id ping
  after call https://example.org/report --worker manobi --cron "0 9 * * MON-FRI" -X POST -d '{"full": true}'
  after call https://example.org/hook --worker manobi --in 5m --retry 3 -H 'Authorization: Bearer x'`,
		Args: one("the URL"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.call(cmd, args[0], o) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.worker, "worker", "", "the `worker` that makes the calls (default: gateway.worker of the configuration)")
	flags.StringVar(&o.every, "every", "", "call it `again` and again: 5s, \"weekday at 9:00\"")
	flags.StringVar(&o.cron, "cron", "", "call it at the times of a crontab `line`")
	flags.StringVarP(&o.method, "method", "X", "", "the `method` (default: GET, or POST with a body)")
	flags.StringArrayVarP(&o.headers, "header", "H", nil, "a `header`, \"Name: value\"; may be given more than once")
	flags.StringVarP(&o.body, "data", "d", "", "the `body`: JSON, text or bytes, or @file, or @- for standard input")
	flags.StringVar(&o.request, "request", "", "more of the job's arguments as a `JSON` object, or @file")
	flags.StringVar(&o.limit, "rate", "", "at most so many `calls` in a time to this host, with other tasks of the same rate: 10/s")
	flags.StringVar(&o.callback, "callback", "", "the URL may answer 202 and finish later, within this `time` (2h), or true")
	flags.StringVar(&o.add.at, "at", "", "`when` it is called first: words, a local time, or RFC 3339")
	flags.StringVar(&o.add.in, "in", "", "call it first this `long` from now: 30s, 1h30m")
	flags.StringVar(&o.add.zone, "timezone", "", "the `zone` to read times in (default: your own)")
	flags.StringVar(&o.add.retry, "retry", "", "`how` often to try again after an error, or the document's object")
	flags.StringVar(&o.add.timeout, "timeout", "", "the longest `call`: 30s")
	flags.StringVar(&o.add.id, "id", "", "the task's `id`; one that is there already is a conflict (default: a new one)")
	flags.StringSliceVar(&o.add.tags, "tag", nil, "a `tag`; may be given more than once")
	o.add.told.add(flags)
	flags.BoolVar(&o.add.wait, "wait", false, "wait until it has ended; the exit status is 6 if that is not as done")
	keyFlags(cmd, serverKeys()...)
	a.jsonFlag(cmd)
	return cmd
}

func (a *app) call(cmd *cobra.Command, url string, o callFlags) error {
	if o.worker == "" {
		c, err := a.load(cmd)
		if err != nil {
			return err
		}
		o.worker = c.Gateway.Worker
	}
	add, err := a.callAsTask(url, o)
	if err != nil {
		return &usageError{err: err, command: cmd.CommandPath()}
	}
	return a.add(cmd, []string{o.worker, "http"}, add)
}

// callAsTask makes the options of after add of those of after call.
func (a *app) callAsTask(url string, o callFlags) (addOptions, error) {
	add := o.add
	switch {
	case o.worker == "":
		return add, errors.New("--worker is missing: say which worker makes the calls, or have one configured (gateway.worker)")
	case o.every != "" && o.cron != "":
		return add, errors.New("--every and --cron both say when: give one of them")
	case o.every != "" && strings.Trim(o.every, "0123456789.") == "": // in documents a bare number is milliseconds
		return add, fmt.Errorf("--every %s: %[1]s of what? Write %[1]ss for seconds, %[1]sms for milliseconds", o.every)
	case o.cron != "" && !when.LooksLikeCron(o.cron):
		return add, fmt.Errorf("--cron %q is no crontab line: it has five fields, \"0 9 * * MON-FRI\" say, or is a word such as @daily", o.cron)
	case !strings.HasPrefix(url, "http://") && !strings.HasPrefix(url, "https://"):
		return add, fmt.Errorf("%q is no address that begins with http:// or https://", url)
	case !utf8.ValidString(url):
		return add, fmt.Errorf("%q is no UTF-8: it has bytes that must be percent-encoded in it", url)
	}
	if add.repeat.rule, add.repeat.flag = o.every, "every"; o.cron != "" {
		add.repeat.rule, add.repeat.flag = o.cron, "cron"
	}
	arguments := map[string]any{}
	if o.request != "" {
		raw, err := a.jsonOf("request", o.request)
		if err != nil {
			return add, err
		}
		var more map[string]json.RawMessage // as it stands, long numbers too
		if json.Unmarshal(raw, &more) != nil || more == nil {
			return add, fmt.Errorf("--request is no JSON object: %.60s", raw)
		}
		for name, value := range more {
			if said := o.saidBeside(strings.ToLower(name)); said != "" {
				return add, fmt.Errorf("--request has %q, and %s says that too: give one of them", name, said)
			}
			arguments[name] = value
		}
	}
	arguments["url"] = url
	if o.method != "" {
		arguments["method"] = strings.ToUpper(o.method)
	}
	if o.limit != "" {
		arguments["limit"] = o.limit
	}
	switch o.callback {
	case "":
	case "true", "false":
		arguments["callback"] = o.callback == "true"
	default:
		arguments["callback"] = o.callback
	}
	if err := a.callBody(arguments, o); err != nil {
		return add, err
	}
	raw, err := json.Marshal(arguments)
	if err != nil {
		return add, fmt.Errorf("making the request: %w", err)
	}
	add.arguments = string(raw)
	return add, nil
}

// saidBeside names what says an argument of the job beside --request; empty where nothing does.
func (o callFlags) saidBeside(argument string) string {
	switch {
	case argument == "url":
		return "the address"
	case argument == "method" && o.method != "":
		return "--method"
	case argument == "limit" && o.limit != "":
		return "--rate"
	case argument == "callback" && o.callback != "":
		return "--callback"
	case argument == "headers" && len(o.headers) > 0:
		return "--header"
	case o.body != "" && slices.Contains([]string{"body", "form", "text", "base64", "attachment"}, argument):
		return "--data"
	}
	return ""
}

// callBody puts the headers and the body into a call's arguments.
func (a *app) callBody(arguments map[string]any, o callFlags) error {
	if len(o.headers) > 0 {
		headers := map[string]any{}
		for _, line := range o.headers {
			name, value, ok := strings.Cut(line, ":")
			if !ok || strings.TrimSpace(name) == "" {
				return fmt.Errorf("--header %q: write \"Name: value\"", line)
			}
			if !utf8.ValidString(line) {
				return fmt.Errorf("--header %q is no UTF-8, and JSON has no such texts", line)
			}
			name, value = http.CanonicalHeaderKey(strings.TrimSpace(name)), strings.TrimSpace(value)
			switch before := headers[name].(type) {
			case nil:
				headers[name] = value
			case string:
				headers[name] = []string{before, value}
			case []string:
				headers[name] = append(before, value)
			}
		}
		arguments["headers"] = headers
	}
	if o.body == "" {
		return nil
	}
	content := []byte(o.body)
	if path, ok := strings.CutPrefix(o.body, "@"); ok {
		var err error
		if content, err = a.read(path); err != nil {
			return fmt.Errorf("--data: %w", err)
		}
	}
	switch text := strings.TrimSpace(string(content)); {
	case !utf8.Valid(content):
		arguments["base64"] = content
	case json.Valid([]byte(text)) && strings.ContainsAny(text[:1], `{["`):
		arguments["body"] = json.RawMessage(text)
	default:
		arguments["body"] = string(content)
	}
	return nil
}
