package script

// Accuse lets the pool take the function of a design document for one that does not end.
func (p *Pool) Accuse(d *Design) { p.accuse(d.Key) }

// Suspects tells whether it does.
func (p *Pool) Suspects(d *Design) bool { return p.suspect(d.Key) }
