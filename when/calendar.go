package when

// Calendar is a parsed calendar document.
type Calendar struct{}
