package when

import "errors"

func parseRRule(string, Scope) (parsed, error)     { return parsed{}, errors.New("not yet") }
func parseRepeating(string, Scope) (parsed, error) { return parsed{}, errors.New("not yet") }
func parsePhrase(text string, _ Scope) (parsed, error)    { return parsed{}, errors.New("cannot read "+quote(text)) }
