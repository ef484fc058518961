package pipenet_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brickfed/brickfed/internal/pipenet"
)

func TestListener_servesHTTPInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := pipenet.Listen()
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-time.After(time.Hour):
			case <-r.Context().Done():
			}
			_, _ = io.WriteString(w, r.Host)
		})}
		go func() { _ = server.Serve(l) }()
		defer server.Close()
		client := &http.Client{Transport: l.Transport()}
		defer client.CloseIdleConnections()
		for _, url := range []string{"http://one.example/", "https://two.example/"} {
			start := time.Now()
			res, err := client.Get(url)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if err != nil || "http://"+string(body)+"/" != url && "https://"+string(body)+"/" != url {
				t.Errorf("%s: %q, %v", url, body, err)
			}
			if got := time.Since(start); got != time.Hour {
				t.Errorf("%s took %v", url, got)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "https://three.example/", nil)
		res, err := client.Do(req)
		if err == nil {
			_ = res.Body.Close()
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a slow request: %v", err)
		}
	})
}

func TestListener_close(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := pipenet.Listen()
		accepted := make(chan error)
		go func() {
			_, err := l.Accept()
			accepted <- err
		}()
		synctest.Wait()
		for range 2 {
			if err := l.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
		if err := <-accepted; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept: %v", err)
		}
		if _, err := l.Dial(t.Context(), "", ""); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Dial: %v", err)
		}
	})
}

func TestListener_dialHonoursItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := pipenet.Listen() // nobody accepts
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := l.Dial(ctx, "", ""); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Dial: %v", err)
		}
		if l.Addr().Network() != "pipe" || l.Addr().String() != "pipe" {
			t.Errorf("Addr: %v", l.Addr())
		}
	})
}
