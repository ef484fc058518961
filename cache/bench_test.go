package cache_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/brickfed/brickfed/cache"
)

func hourly(context.Context) (*oauth2.Token, error) {
	return &oauth2.Token{AccessToken: "secret", Expiry: time.Now().Add(time.Hour)}, nil
}

func BenchmarkHit(b *testing.B) {
	c := cache.New(cache.SourceFunc(hourly), cache.Options{})
	ctx := context.Background()
	if _, err := c.Token(ctx); err != nil {
		b.Fatal(err)
	}
	b.Run("serial", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.Token(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := c.Token(ctx); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

func BenchmarkTokenSource(b *testing.B) {
	ts := cache.New(cache.SourceFunc(hourly), cache.Options{}).TokenSource()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ts.Token(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkKeyedHit(b *testing.B) {
	ctx := context.Background()
	for _, n := range []int{1, 50_000} {
		k := cache.NewKeyed[string](cache.Options{})
		keys := make([]string, n)
		for i := range keys {
			keys[i] = "0123456789abcdef0123456789abcdef0123456789abcdef-" + strconv.Itoa(i)
			if _, err := k.Token(ctx, keys[i], hourly); err != nil {
				b.Fatal(err)
			}
		}
		b.Run("serial/keys="+strconv.Itoa(n), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := k.Token(ctx, keys[i%n], hourly); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("parallel/keys="+strconv.Itoa(n), func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					if _, err := k.Token(ctx, keys[i%n], hourly); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
