// Package pipenet is a network inside one process: a net.Listener whose
// connections are net.Pipe pairs. Unlike a socket, a pipe counts as blocked in
// a testing/synctest bubble, so that whole HTTP exchanges run on a fake clock.
package pipenet

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// Listener accepts what Dial connects. Make one with Listen.
type Listener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// Listen returns an open listener.
func Listen() *Listener {
	return &Listener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

// Dial connects to the listener whatever the address.
func (l *Listener) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	var err error
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
		err = net.ErrClosed
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	_ = client.Close()
	_ = server.Close()
	return nil, &net.OpError{Op: "dial", Net: "pipe", Err: err}
}

// Transport returns a transport whose every request, to http and https URLs of
// any host, goes to the listener in clear text.
func (l *Listener) Transport() *http.Transport {
	return &http.Transport{DialContext: l.Dial, DialTLSContext: l.Dial}
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr implements net.Listener.
func (l *Listener) Addr() net.Addr { return addr{} }

type addr struct{}

func (addr) Network() string { return "pipe" }
func (addr) String() string  { return "pipe" }
