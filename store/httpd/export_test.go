package httpd

import "time"

// CookieAt gives the session cookie that a name would have got at an instant.
func (s *Server) CookieAt(name string, at time.Time) (string, error) {
	_, salt, err := s.auth.named(name)
	return cookieName + "=" + s.auth.newCookie(name, salt, at), err
}

// SetLockoutClock replaces the clock that ends lockouts.
func (s *Server) SetLockoutClock(now func() time.Time) {
	s.auth.locks.mu.Lock()
	defer s.auth.locks.mu.Unlock()
	s.auth.locks.now = now
}
