package broker

// Same is the comparison of grants.
var Same = same

// Seats returns how many seats there are.
func (b *Broker) Seats() int {
	b.seats.mu.Lock()
	defer b.seats.mu.Unlock()
	return len(b.seats.all)
}

// Keys returns how many keys the cache holds.
func (b *Broker) Keys() int { return b.tokens.Len() }
