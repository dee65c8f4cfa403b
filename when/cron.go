package when

import (
	"errors"
	"strings"
)

// parseCron is where a cron line becomes a rule.
func parseCron(string) (*Rule, error) {
	return nil, errors.New("cron lines are not supported yet; use an object such as {\"days\": 1} or an ISO 8601 duration such as \"P1D\"")
}

// looksLikeCron says whether text can only be meant as a cron line: "@daily", or at least five fields whose first is no word.
func looksLikeCron(text string) bool {
	return strings.HasPrefix(text, "@") ||
		len(strings.Fields(text)) >= 5 && strings.ContainsAny(text[:1], "*0123456789?~H")
}
