package script

// Accuse lets the pool take the function of a design document for one that does not end.
func (p *Pool) Accuse(d *Design) { p.accuse(d.Key) }

// Suspects tells whether it does.
func (p *Pool) Suspects(d *Design) bool { return p.suspect(d.Key) }

// MostKnown bounds what is kept of a child.
const MostKnown = mostKnown

// Known is how many design documents the children that are idle are thought to have, each.
func (p *Pool) Known() (most int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, child := range p.idle {
		most = max(most, len(child.known))
	}
	return most
}
