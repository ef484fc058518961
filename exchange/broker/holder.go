package broker

import (
	"context"
	"errors"
	"time"

	"golang.org/x/oauth2"

	"github.com/brickfed/brickfed/exchange"
	"github.com/brickfed/brickfed/oidc"
)

// leeway is how far the clocks of issuer and broker may differ: as much as
// [oidc.Verifier] allows, or what has just been verified would be refused here.
const leeway = 60 * time.Second

// Holder is a [Broker] for the holder of one verified token. It is an
// [exchange.TokenSource] for an [exchange.Transport] or a Databricks client, and
// as good as the verified token: when that has ended, it takes a new one.
type Holder struct {
	broker *Broker
	who    *oidc.Verified
}

// For returns the Holder of a verified token. It decides nothing yet.
func (b *Broker) For(who *oidc.Verified) *Holder { return &Holder{broker: b, who: who} }

// Token is [Broker.Token] for this holder.
func (h *Holder) Token(ctx context.Context) (*oauth2.Token, error) {
	return h.broker.Token(ctx, h.who)
}

// Invalidate is [Broker.Invalidate].
func (h *Holder) Invalidate(refused *oauth2.Token) { h.broker.Invalidate(refused) }

// check refuses a verified token that no verifier would have returned, or would
// not any more. Whoever makes an [oidc.Verified] by hand, to add what another
// service knows of the person, keeps to that person.
func check(who *oidc.Verified, now time.Time) error {
	if who == nil || who.Token == nil || who.Claims == nil {
		return &exchange.Error{Op: opToken, Kind: exchange.KindSubject, Err: errors.New("nobody was verified"), Hint: "give it what oidc.Verifier.Verify returned"}
	}
	refuse := func(kind exchange.Kind, reason, hint string) error {
		return &exchange.Error{
			Op: opToken, Kind: kind, Err: errors.New(reason), Hint: hint,
			Issuer: who.Claims.Issuer(), Subject: who.Claims.Subject(),
		}
	}
	said := who.Token.UnverifiedClaims()
	switch {
	case who.Claims.Issuer() == "" || who.Claims.Subject() == "":
		return refuse(exchange.KindSubject, "its claims name no holder: iss or sub is missing", "")
	case who.Claims.Issuer() != said.Issuer() || who.Claims.Subject() != said.Subject():
		return refuse(exchange.KindSubject, "the token and the claims beside it are of two holders", "")
	case who.Token.Expiry().IsZero():
		return refuse(exchange.KindSubject, "it has no exp, and nothing is granted for ever", "")
	case !now.Before(end(who)):
		ago := now.Sub(who.Token.Expiry()).Round(time.Second)
		return refuse(exchange.KindSubjectExpired, "it ended "+ago.String()+" ago", "let its holder log in again or refresh it, and verify the new one")
	}
	return nil
}

// end is when a verified token is not taken any more.
func end(who *oidc.Verified) time.Time { return who.Token.Expiry().Add(leeway) }

// presented supplies the token of a holder, the one that ends last of those which
// were shown for the seat. It serves one exchange.
type presented struct {
	broker *Broker
	seat   *seat
	who    *oidc.Verified // of the call that began the exchange
}

var (
	_ oidc.Minter      = (*presented)(nil)
	_ oidc.Invalidator = (*presented)(nil)
)

// Token implements oidc.Source.
func (p *presented) Token(ctx context.Context, _ string) (*oidc.Token, error) {
	return p.best(ctx), nil
}

// best returns the token to exchange. One that another call has shown is mapped
// again: it must have the target that this exchange is for, by the policy of now
// and by its own claims.
func (p *presented) best(ctx context.Context) *oidc.Token {
	newest := p.seat.newest.Load()
	if newest == nil || !newest.Token.Expiry().After(p.who.Token.Expiry()) {
		return p.who.Token
	}
	grant, err := p.broker.exchanger.Map(ctx, newest.Claims)
	if err != nil || p.broker.key(grant) != p.seat.key {
		return p.who.Token
	}
	return newest.Token
}

// Mints implements oidc.Minter: a refused token is sent again only if its holder
// has shown another one since.
func (p *presented) Mints() bool { return false }

// Invalidate implements oidc.Invalidator: if Databricks refuses the newest token,
// the caller's own may be better.
func (p *presented) Invalidate(refused *oidc.Token) {
	newest := p.seat.newest.Load()
	if newest != nil && refused != nil && newest.Token.Raw() == refused.Raw() {
		p.seat.newest.CompareAndSwap(newest, nil)
	}
}

// String names the source in errors.
func (p *presented) String() string { return "its holder" }
