package when

func (c *cronSeries) words() string { return c.line.String() }
