package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/oauth2"

	"github.com/brickfed/brickfed/cache"
	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/exchange"
	"github.com/brickfed/brickfed/oidc"
)

// Config says how a [Broker] decides and exchanges. It is copied by [New].
type Config struct {
	// Exchange says where tokens are exchanged and, by its Policy, what their
	// holders may become. Its Subject stays empty. Without a Policy all holders
	// have the same target, and the federation policies tell them apart by their
	// own tokens. Required; see [exchange.Config].
	Exchange exchange.Config

	// Service supplies the service's own token, which is then exchanged on behalf
	// of everybody: what people need to reach a service principal, whose
	// federation policy trusts one exact subject. The Policy alone decides, so
	// there must be one. Optional: without it each holder's own token is
	// exchanged. It is asked for each exchange of each holder; where minting is
	// dear, wrap it in [oidc.Reuse].
	Service oidc.Source

	// Cache configures the cache of Databricks tokens. Its MaxKeys also bounds
	// what the broker remembers of holders. Optional.
	Cache cache.Options
}

// Broker gets Databricks tokens for many people and workloads, each their own.
// Make it with [New]. Its methods may be called by any number of goroutines.
type Broker struct {
	exchanger *exchange.Exchanger
	service   oidc.Source // nil: holders' own tokens are exchanged
	tokens    *cache.Keyed[string]
	seats     *seats
}

// New checks the configuration and returns a Broker. It does not touch the
// network. Everything that is wrong is in one [*exchange.Error] of kind
// [exchange.KindConfig].
func New(cfg Config) (*Broker, error) {
	var problems []error
	x, err := exchange.New(cfg.Exchange)
	if err != nil {
		problems = append(problems, errors.Unwrap(err))
	}
	if cfg.Exchange.Subject != nil {
		problems = append(problems, errors.New("Exchange.Subject: leave it empty; holders bring their own tokens, and the service's belongs in Service"))
	}
	if cfg.Service != nil && cfg.Exchange.Policy == nil {
		problems = append(problems, errors.New("Exchange.Policy: set it; with Service nothing else decides what a holder may become"))
	}
	if len(problems) > 0 {
		return nil, &exchange.Error{Op: "check broker configuration", Kind: exchange.KindConfig, Err: errors.Join(problems...)}
	}
	return &Broker{
		exchanger: x,
		service:   cfg.Service,
		tokens:    cache.NewKeyed[string](cfg.Cache),
		seats:     newSeats(cfg.Cache.MaxKeys),
	}, nil
}

// Token returns a Databricks token for the holder of a verified token. It maps the
// policy on each call, before it looks for a token and once more after it had to
// wait for one. So what comes back is what the policy gives the holder now, and
// whoever it no longer names is refused from the moment its replacement returned.
//
// The token is this holder's alone. All calls for them share it: never modify it.
// [exchange.GrantOf] tells the grant of this call. Its Expiry is no later than the
// end of the verified token, which is taken for 60 seconds longer than its exp
// says: who keeps a token until its Expiry comes back with a fresh verified token.
//
// Before the network comes an [*exchange.Error], of kind
// [exchange.KindSubjectExpired] for a verified token that has ended, of kind
// [exchange.KindSubject] for one that cannot be relied on, and else as
// [exchange.Exchanger.Map] says: of kind [exchange.KindDenied] for a holder whom
// the policy refuses, with the policy's error as its cause. A failed exchange is a
// [*cache.Error] around an *exchange.Error; it is remembered for this holder and
// target only. If ctx ends first, the error wraps its error and its cause.
func (b *Broker) Token(ctx context.Context, who *oidc.Verified) (*oauth2.Token, error) {
	var awaited outcome
	for range maxRounds {
		if err := check(who, time.Now()); err != nil {
			return nil, err
		}
		grant, err := b.exchanger.Map(ctx, who.Claims)
		if err != nil {
			return nil, err
		}
		key := b.key(grant)
		if awaited.key == key {
			return awaited.hand(grant, who)
		}
		o := b.lookUp(ctx, key, grant, who)
		if !o.waited {
			return o.hand(grant, who)
		}
		awaited = o // under a policy that may have been replaced meanwhile
	}
	return nil, &exchange.Error{
		Op: opToken, Kind: exchange.KindUnavailable, Issuer: who.Claims.Issuer(), Subject: who.Claims.Subject(),
		Err: fmt.Errorf("in each of %d rounds the policy gave another target, or somebody revoked the token, before it came", maxRounds),
	}
}

// Invalidate says that a server has refused a token which Token returned. The
// next call for its holder and target waits for another one; see
// [cache.Cache.Invalidate]. A token from elsewhere is ignored.
func (b *Broker) Invalidate(refused *oauth2.Token) {
	grant, ok := exchange.GrantOf(refused)
	if !ok {
		return
	}
	key := b.key(grant)
	b.seats.forget(key, refused.AccessToken)
	b.tokens.Invalidate(key, refused)
}

// Revoke drops every token of a holder, as after a logout: once it has returned,
// none that was fetched or being fetched before is handed out. It ends their use
// here and not their validity, and it bars nobody from coming back; who may come
// is for the policy to say, and for whoever verifies.
func (b *Broker) Revoke(issuer, subject string) {
	for _, key := range b.seats.remove(issuer, subject) {
		b.tokens.Revoke(key)
	}
}

const opToken = "get a token for a holder"

// maxRounds bounds how often one call looks a token up.
const maxRounds = 4

func (b *Broker) key(g claims.Grant) string {
	return b.exchanger.Key(g.Target, g.Issuer, g.Subject)
}

// outcome is what one look into the cache has brought.
type outcome struct {
	key    string // empty: nothing that may be used
	seat   *seat
	token  *oauth2.Token
	err    error
	waited bool // for a flight, during which the policy may have been replaced
}

// hand returns the outcome to a holder whose grant was decided just now.
func (o outcome) hand(grant claims.Grant, who *oidc.Verified) (*oauth2.Token, error) {
	if o.err != nil {
		return nil, o.err
	}
	return o.seat.hand(o.token, grant, end(who)), nil
}

// lookUp asks the cache for the token of a key.
func (b *Broker) lookUp(ctx context.Context, key string, grant claims.Grant, who *oidc.Verified) outcome {
	s := b.seats.take(key, grant, b.tokens.Revoke)
	defer s.leave()
	s.extend(end(who))
	if b.service == nil {
		s.show(who)
	}
	w := &watch{Context: ctx}
	token, err := b.tokens.Token(w, key, func(ctx context.Context) (*oauth2.Token, error) {
		return b.fetch(ctx, s, grant, who)
	})
	if s.gone.Load() || errors.Is(err, cache.ErrRevoked) {
		return outcome{waited: true}
	}
	return outcome{key: key, seat: s, token: token, err: err, waited: w.waited}
}

// fetch makes the exchange for a seat, whose holder was granted its target just
// now. It serves all who wait at that seat.
func (b *Broker) fetch(ctx context.Context, s *seat, grant claims.Grant, who *oidc.Verified) (*oauth2.Token, error) {
	subject := b.service
	if subject == nil {
		own := &presented{broker: b, seat: s, who: who}
		if token := s.kept(own.best(ctx)); token != nil {
			return token, nil
		}
		subject = own
	}
	token, err := b.exchanger.ExchangeFor(ctx, grant, subject)
	s.fetched(token)
	return token, err
}

// watch is a context that notes whether somebody waits for it. Whoever waits
// within a context asks for its channel, and a cache that has a token at hand does
// not: so a hit costs one mapping and not two.
type watch struct {
	context.Context
	waited bool // written by the goroutine that waits, which is the caller's
}

// Done implements context.Context.
func (w *watch) Done() <-chan struct{} {
	w.waited = true
	return w.Context.Done()
}
