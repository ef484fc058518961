package broker

import (
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/exchange"
	"github.com/brickfed/brickfed/oidc"
)

// seat is what the broker remembers of one holder with one target. Its tokens are
// never those of another holder: the key has issuer and subject in it.
type seat struct {
	key             string
	issuer, subject string

	newest atomic.Pointer[oidc.Verified] // the one that ends last of those shown; nil: none is known to be better
	last   atomic.Pointer[oauth2.Token]  // what the last exchange brought; nil: nothing that may come back
	handed atomic.Pointer[labelled]
	until  atomic.Int64 // Unix time from which the seat is of no use

	at   int          // index in all; guarded by the mu of seats
	busy atomic.Int32 // calls under way: it cannot be removed for want of room
	used atomic.Bool  // since the hand was here
	gone atomic.Bool  // removed
}

// labelled is a token with the grant and the end that it was handed out with.
type labelled struct {
	of    *oauth2.Token
	grant claims.Grant
	end   time.Time
	token *oauth2.Token
}

// use marks the seat as used.
func (s *seat) use() {
	if !s.used.Load() { // writing each time would take the cache line from others
		s.used.Store(true)
	}
}

// show notes a verified token of the holder, for an exchange.
func (s *seat) show(who *oidc.Verified) {
	for {
		newest := s.newest.Load()
		if newest != nil && !who.Token.Expiry().After(newest.Token.Expiry()) {
			return
		}
		if s.newest.CompareAndSwap(newest, who) {
			return
		}
	}
}

// extend keeps the seat until t at least.
func (s *seat) extend(t time.Time) {
	for {
		until := s.until.Load()
		if t.Unix() < until || s.until.CompareAndSwap(until, t.Unix()+1) {
			return
		}
	}
}

// leave ends a call that took the seat.
func (s *seat) leave() { s.busy.Add(-1) }

// retire marks the seat as gone unless a call is under way.
func (s *seat) retire() bool {
	s.gone.Store(true) // first: whoever takes it now is seen, or sees this in the end
	if s.busy.Load() == 0 {
		return true
	}
	s.gone.Store(false)
	return false
}

// fetched notes what an exchange brought, or nil.
func (s *seat) fetched(token *oauth2.Token) {
	if token != nil {
		s.extend(token.Expiry)
		s.last.Store(token)
	}
}

// slack is how much earlier than its subject token a token may end and still
// count as ending with it: a Databricks token's life is derived from the subject
// token's, by another clock and in whole seconds.
const slack = time.Minute

// kept returns the last token if an exchange of subject could bring no better one,
// because both end together. Each early refresh would otherwise cost an exchange
// and gain nothing, until the holder shows a fresh token.
func (s *seat) kept(subject *oidc.Token) *oauth2.Token {
	last := s.last.Load()
	if last == nil || last.Expiry.Before(subject.Expiry().Add(-slack)) || !time.Now().Before(last.Expiry) {
		return nil
	}
	return last
}

// hand returns the token as it is handed out: with the holder's grant of now, and
// ending at end at the latest. The copy serves until one of these changes.
func (s *seat) hand(token *oauth2.Token, grant claims.Grant, end time.Time) *oauth2.Token {
	l := s.handed.Load()
	if l != nil && l.of == token && l.end.Equal(end) && same(l.grant, grant) {
		return l.token
	}
	l = &labelled{of: token, grant: grant, end: end, token: exchange.WithGrant(token, grant)}
	if l.token.Expiry.After(end) {
		l.token.Expiry, l.token.ExpiresIn = end, 0
	}
	s.handed.Store(l)
	return l.token
}

// same reports whether two grants say the same.
func same(a, b claims.Grant) bool {
	return a.Policy == b.Policy && a.Issuer == b.Issuer && a.Subject == b.Subject &&
		slices.Equal(a.Rules, b.Rules) && slices.Equal(a.Groups, b.Groups) &&
		a.Target.Rule == b.Target.Rule && a.Target.ClientID == b.Target.ClientID &&
		a.Target.AssumeGroup == b.Target.AssumeGroup && slices.Equal(a.Target.Scopes, b.Target.Scopes)
}
