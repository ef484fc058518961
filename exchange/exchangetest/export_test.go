package exchangetest

// InForce returns how many access tokens the server remembers.
func (s *Server) InForce() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.issued)
}

// FillLog enters n requests that nobody sent.
func (s *Server) FillLog(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		s.enter(&Request{Endpoint: Other})
	}
}
