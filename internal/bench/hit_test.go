package bench_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/auth"
	"github.com/aws/aws-sdk-go-v2/aws"
	dbauth "github.com/databricks/databricks-sdk-go/config/experimental/auth"
	"golang.org/x/oauth2"

	"github.com/brickfed/brickfed/cache"
)

// A hitter calls a warm cache n times, as its users would: without the closure
// of a get in between, which costs a tenth of the call.
type hitter struct {
	name string
	call func(ctx context.Context, n int) error
}

func hitters() []hitter {
	s := &service{ttl: 24 * time.Hour}
	return []hitter{
		{xoauth2, hitOAuth2(oauth2.ReuseTokenSource(nil, oauth2Source(s.token)))},
		{google, hitGoogle(auth.NewCachedTokenProvider(googleProvider(s.token), nil))},
		{amazon, hitAmazon(newAmazon(s.token))},
		{amazon5m, hitAmazon(newAmazon(s.token, earlier))},
		{sdk, hitSDK(dbauth.NewCachedTokenSource(dbauth.TokenSourceFn(s.token)))},
		{brickfed, hitOwn(cache.New(cache.SourceFunc(s.token), cache.Options{}))},
	}
}

func hitOAuth2(ts oauth2.TokenSource) func(context.Context, int) error {
	return func(_ context.Context, n int) error {
		for range n {
			if _, err := ts.Token(); err != nil {
				return err
			}
		}
		return nil
	}
}

func hitGoogle(tp auth.TokenProvider) func(context.Context, int) error {
	return func(ctx context.Context, n int) error {
		for range n {
			if _, err := tp.Token(ctx); err != nil {
				return err
			}
		}
		return nil
	}
}

func hitAmazon(c *aws.CredentialsCache) func(context.Context, int) error {
	return func(ctx context.Context, n int) error {
		for range n {
			if _, err := c.Retrieve(ctx); err != nil {
				return err
			}
		}
		return nil
	}
}

func hitSDK(ts dbauth.TokenSource) func(context.Context, int) error {
	return func(ctx context.Context, n int) error {
		for range n {
			if _, err := ts.Token(ctx); err != nil {
				return err
			}
		}
		return nil
	}
}

func hitOwn(c *cache.Cache) func(context.Context, int) error {
	return func(ctx context.Context, n int) error {
		for range n {
			if _, err := c.Token(ctx); err != nil {
				return err
			}
		}
		return nil
	}
}

// parallel calls n times in all, from as many goroutines as can run at once.
func (h hitter) parallel(ctx context.Context, n int) error {
	procs := runtime.GOMAXPROCS(0)
	errs := make([]error, procs)
	var wg sync.WaitGroup
	for i := range procs {
		wg.Go(func() { errs[i] = h.call(ctx, n/procs) })
	}
	wg.Wait()
	_ = slices.Max[[]int]
	return errs[0]
}

func TestX(t *testing.T) {
	hs := hitters()
	ctx := context.Background()
	for _, par := range []bool{false, true} {
		best := make([]time.Duration, len(hs))
		for r := range 30 {
			for i, h := range hs {
				const n = 100_000
				start := time.Now()
				if par {
					var wg sync.WaitGroup
					for range 2 {
						wg.Go(func() { h.call(ctx, n/2) })
					}
					wg.Wait()
				} else {
					h.call(ctx, n)
				}
				d := time.Since(start)
				if r == 0 || d < best[i] {
					best[i] = d
				}
			}
			if r%5 == 4 {
				for i, h := range hs {
					fmt.Printf("%s %.1f  ", h.name, float64(best[i])/100_000)
				}
				fmt.Printf("%.3f\n", float64(best[len(hs)-1])/float64(slices.Min(best[:len(hs)-1])))
			}
		}
	}
}
