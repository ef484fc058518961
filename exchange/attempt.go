package exchange

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/brickfed/brickfed/internal/httpx"
	"github.com/brickfed/brickfed/internal/skew"
	"github.com/brickfed/brickfed/oidc"
)

// Wire values of RFC 8693, sections 2.1 and 3.
const (
	grantTokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	typeJWT            = "urn:ietf:params:oauth:token-type:jwt"
)

const userAgent = "brickfed"

// answerLimit bounds a token endpoint's answer, in bytes. Real ones have a few
// thousand.
const answerLimit = 64 << 10

// try is one attempt of one call: from asking the source to judging the answer.
type try struct {
	*Exchanger
	order    order
	number   int
	question question
	event    Event
}

// make runs the attempt and tells of it.
func (t *try) make(ctx context.Context) (*oauth2.Token, *Error) {
	t.event = Event{Time: time.Now(), Attempt: t.number}
	bounded, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	token, err := t.exchange(bounded)
	var failure *Error
	if err != nil {
		failure = t.failure(ctx, err)
		token = nil
	}
	t.report(ctx, failure)
	return token, failure
}

func (t *try) exchange(ctx context.Context) (*oauth2.Token, error) {
	t.question = question{host: t.origin.String(), account: t.cfg.AccountID, audience: t.cfg.Audience}
	if g := t.order.grant; g != nil { // before the network
		t.event.Grant, t.question.target = *g, g.Target
		if failure := t.within(g.Target); failure != nil {
			return nil, failure
		}
	}
	p, err := t.locator.place(ctx)
	if err != nil {
		return nil, t.placeError(ctx, err)
	}
	t.question.kind, t.question.account, t.question.endpoint = p.kind, p.account, p.endpoint
	if t.question.audience == "" {
		t.question.audience = p.audience
	}
	subject, grant, err := t.obtain(ctx, p.audience, t.order)
	t.event.Endpoint, t.event.Grant = p.endpoint, grant
	t.question.subject, t.question.target = subject, grant.Target
	t.question.scope = joinScopes(grant.Target.Scopes)
	if subject != nil {
		t.event.Subject = subject.Fingerprint()
	}
	if err != nil {
		return nil, err
	}
	if err := t.precheck(); err != nil {
		return nil, err
	}
	a, err := t.post(ctx)
	if err != nil {
		return nil, err
	}
	t.event.RequestID = requestID(a.header, t.question.secrets()...)
	response, failure := parseAnswer(t.question, a)
	if t.tells(a, failure) {
		t.clock.Observe(a.header, a.sent, a.received)
	}
	if failure != nil {
		return nil, t.misplaced(p, failure)
	}
	return t.accept(response, a)
}

// tells reports whether the answer's Date is worth a look. What is not the token
// endpoint's own answer may be a proxy's, by its own clock. And a Date that has
// the subject token ended long ago, in an answer that accepts it, is wrong.
func (t *try) tells(a answer, failure *Error) bool {
	if failure != nil {
		return failure.Code != ""
	}
	end := t.question.subject.Expiry()
	return end.IsZero() || dateOf(a).Sub(end) <= expiryLeeway
}

// misplaced makes the next attempt ask for the endpoint again if nothing of
// Databricks is where it was looked for.
func (t *try) misplaced(p *place, failure *Error) *Error {
	if failure.Kind != KindNotDatabricks {
		return failure
	}
	t.locator.expire(p)
	if p.guessed {
		failure.Kind = KindUnavailable
		failure.addHint("the host's metadata could not be read, so its endpoint was guessed")
	}
	return failure
}

// precheck refuses what Databricks is sure to refuse.
func (t *try) precheck() error {
	q := t.question
	switch alg := q.subject.Algorithm(); {
	case alg != "RS256" && alg != "ES256":
		return q.refuse(KindSubject, fmt.Sprintf("its alg is %.32q; Databricks takes RS256 and ES256 only, so have the identity provider sign with one of these", alg))
	case q.target.AssumeGroup != "" && q.kind != workspaceHost:
		return q.refuse(KindConfig, "AssumeGroup works on workspace hosts only; use the workspace's URL as Host")
	}
	if t.cfg.Audience != "" {
		audiences, _, err := q.subject.UnverifiedClaims().Strings("aud")
		if err != nil || !slices.Contains(audiences, t.cfg.Audience) {
			return q.refuse(KindAudience, fmt.Sprintf("Audience is %.256q and the token's aud %q has no such element; have the identity provider issue it for that audience, or set Audience to what the federation policy accepts", t.cfg.Audience, t.question.audiences()))
		}
	}
	if by := t.overdue(q.subject, time.Now()); by > 0 {
		return q.refuse(KindSubjectExpired, "it ended "+by.Round(time.Second).String()+" ago by the token endpoint's clock")
	}
	return nil
}

// expiryLeeway is how long after its end a subject token is still sent, for the
// server to judge.
const expiryLeeway = time.Minute

// overdue returns how long ago a subject token has ended, or 0 if it may be good.
// That is judged by the server's clock only: ours may be wrong. And one Date may
// be wrong as well, so either a second one or our clock must say the same; else
// the token is sent, which also brings another Date.
func (t *try) overdue(subject *oidc.Token, now time.Time) time.Duration {
	sample, known := t.clock.Best(now)
	end := subject.Expiry()
	if !known || end.IsZero() || !credible(sample) {
		return 0
	}
	by := now.Add(sample.Offset - sample.Err).Sub(end)
	if by < expiryLeeway || !sample.Agreed && now.Before(end) {
		return 0
	}
	return by
}

// credible is false for a clock a day away: it is explained, not believed.
func credible(s skew.Sample) bool { return s.Offset.Abs() <= 24*time.Hour }

// post sends the request of RFC 8693, section 2.1. There is no client
// authentication: the subject token is what authenticates.
func (t *try) post(ctx context.Context) (answer, error) {
	q := t.question
	form := url.Values{
		"grant_type":         {grantTokenExchange},
		"subject_token":      {q.subject.Raw()},
		"subject_token_type": {typeJWT},
		"scope":              {q.scope},
	}
	if q.target.ClientID != "" {
		form.Set("client_id", strings.ToLower(q.target.ClientID)) // RFC 9562, section 4: output is in lower case
	}
	if q.target.AssumeGroup != "" {
		form.Set("assume_group", q.target.AssumeGroup)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, q.endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return answer{}, q.refuse(KindConfig, "the token endpoint's URL cannot be used")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", userAgent)
	sent := time.Now()
	resp, err := t.client.Do(req)
	if err != nil {
		return answer{}, networkFailure(q, err)
	}
	defer resp.Body.Close()
	body, err := httpx.ReadBody(resp.Body, answerLimit)
	a := answer{status: resp.StatusCode, header: resp.Header, body: body, sent: sent, received: time.Now()}
	var tooLarge *httpx.TooLargeError
	switch {
	case errors.As(err, &tooLarge):
		failure := q.fail(KindBadResponse, a)
		if a.status != http.StatusOK {
			failure = q.refused(a) // without a body the status says enough
		}
		failure.Err = err
		return a, failure
	case err != nil:
		return a, networkFailure(q, err)
	}
	return a, nil
}

// failure completes an error: who cancelled, whose clock is off.
func (t *try) failure(ctx context.Context, err error) *Error {
	var failure *Error
	if !errors.As(err, &failure) {
		failure = &Error{Op: opExchange, Kind: KindSource, Err: err}
	}
	t.question.describe(failure)
	if ctx.Err() != nil && failure.Temporary() {
		failure.Kind, failure.Err = KindCanceled, context.Cause(ctx)
	}
	switch failure.Kind {
	case KindNoPolicy, KindSubject, KindSubjectExpired:
		t.explainTime(failure)
	}
	return failure
}

// explainTime adds what the clocks say about a refused subject token.
func (t *try) explainTime(failure *Error) {
	if source := t.order.source; failure.Kind == KindSubjectExpired && source != nil && !mints(source) {
		failure.addHint(fmt.Sprintf("the token comes from %s: whoever provides it must renew it", sourceName(source)))
	}
	failure.addHint(t.clock.Hint(time.Now(), "the token endpoint"))
}

// rotated reports whether a refused subject token has been replaced at its
// source since, so that another attempt makes sense. A source that mints gave a
// new one just now.
func (t *try) rotated(ctx context.Context, err *Error) bool {
	switch err.Kind {
	case KindNoPolicy, KindSubject, KindSubjectExpired, KindAudience:
	default:
		return false
	}
	source := t.order.source
	if t.question.subject == nil || source == nil || mints(source) || t.event.Subject == "" {
		return false
	}
	if keeper, ok := source.(oidc.Invalidator); ok {
		keeper.Invalidate(t.question.subject) // or it would give the same one again
	}
	bounded, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	fresh, _, ferr := t.obtain(bounded, t.question.audience, t.order)
	return ferr == nil && fresh.Fingerprint() != t.event.Subject
}

// report tells the hook.
func (t *try) report(ctx context.Context, failure *Error) {
	if t.cfg.OnExchange == nil {
		return
	}
	now := time.Now()
	t.event.Duration = now.Sub(t.event.Time)
	offset, _ := t.clock.Best(now)
	t.event.ClockOffset = offset.Offset
	t.event.Err = failure
	t.cfg.OnExchange(ctx, t.event)
}

// placeError says why the host's endpoint is not known.
func (x *Exchanger) placeError(ctx context.Context, err error) *Error {
	failure := &Error{Op: opExchange, Kind: KindConfig, Err: err, Endpoint: x.origin.Host}
	if ctx.Err() != nil {
		failure.Kind, failure.Err = KindUnavailable, context.Cause(ctx)
	}
	return failure
}

func mints(s oidc.Source) bool {
	m, ok := s.(oidc.Minter)
	return !ok || m.Mints()
}

func sourceName(s oidc.Source) string {
	if named, ok := s.(fmt.Stringer); ok {
		return named.String()
	}
	return "the source"
}
