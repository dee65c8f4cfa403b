package when

import "errors"

func parsePhrase(text string, _ Scope) (parsed, error) {
	return parsed{}, errors.New("cannot read " + quote(text))
}
