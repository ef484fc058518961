package exchangetest

// InForce returns how many access tokens the server remembers.
func (s *Server) InForce() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.issued)
}
