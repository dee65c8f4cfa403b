package when

func (s *recurSeries) words() string { return s.rule.String() }
