package store

// Limits bound what is written. They can be changed while the store is open.
type Limits struct {
	// Document is the largest document, in bytes of its JSON without attachments.
	Document int
	// Attachment is the largest attachment, in bytes as they are sent; 0 or less: none is too large.
	Attachment int64
	// ID is the longest document id, in bytes; 0 or less: none is too long.
	ID int
}

// Limits are those in force.
func (s *Store) Limits() Limits { return *s.limits.Load() }

// SetLimits puts others in force, for writes that begin from now on.
func (s *Store) SetLimits(l Limits) { s.limits.Store(&l) }

// CheckID tells what is wrong with a document id, as a 400: see the function of that name, and the store's limit.
func (s *Store) CheckID(id string) error {
	if err := CheckID(id); err != nil {
		return err
	}
	if limit := s.Limits().ID; limit > 0 && len(id) > limit {
		return illegalID("Document id is too long")
	}
	return nil
}
