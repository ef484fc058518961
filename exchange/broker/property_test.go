package broker_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/exchange"
	"github.com/brickfed/brickfed/exchange/broker"
	"github.com/brickfed/brickfed/exchange/exchangetest"
	"github.com/brickfed/brickfed/oidc"
)

// Whatever is replaced, revoked, invalidated, canceled or out while people ask,
// each of them gets what a policy gave them that was in place during the call:
// their own token, for that target, or a refusal.
func TestProperty_policyOfNow(t *testing.T) {
	var handed, refused, failed int
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			p := &play{world: newWorld(t), rand: rand.New(rand.NewPCG(seed, 3)), own: seed%2 == 1, holders: map[string]string{}}
			p.run(t)
			handed, refused, failed = handed+p.handed, refused+p.refused, failed+p.failed
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		})
	}
	t.Logf("%d tokens handed out, %d refusals, %d failures", handed, refused, failed)
	if handed < 1000 || refused < 500 || failed < 50 {
		t.Error("too few of one kind to say anything")
	}
}

// play is one random course of events.
type play struct {
	*world
	own    bool // people's own tokens are exchanged
	broker *broker.Broker
	people []*oidc.Verified

	mu       sync.Mutex // guards what follows
	rand     *rand.Rand
	policies []map[string]claims.Target // by subject; index 0 is the first
	begun    int                        // index of the last one whose replacement began
	returned int                        // index of the last one whose replacement returned
	holders  map[string]string          // access token → whose
	last     []*oauth2.Token

	handed, refused, failed int
}

func (p *play) intN(n int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rand.IntN(n)
}

// pause sleeps for up to d.
func (p *play) pause(d time.Duration) { time.Sleep(time.Duration(p.intN(int(d)))) }

func (p *play) run(t *testing.T) {
	p.broker = p.world.broker(func(c *broker.Config) {
		if !p.own {
			c.Service = oidc.SourceFunc(p.service)
		}
		c.Cache.MaxKeys = 2 + p.intN(20)
	})
	for _, name := range []string{"ada", "bob", "eve"} {
		for n := range 2 {
			p.people = append(p.people, p.until(name, time.Hour+time.Duration(n)*20*time.Minute, nil))
		}
	}
	for range 400 {
		p.dbx.Fail(exchangetest.Token, p.weather())
	}
	p.replace(t)
	var wg sync.WaitGroup
	for _, who := range p.people {
		for range 2 {
			wg.Go(func() {
				for range 15 {
					p.call(t, who)
					p.pause(3 * time.Second)
				}
			})
		}
	}
	wg.Go(func() {
		for range 15 {
			p.pause(4 * time.Second)
			p.replace(t)
		}
	})
	wg.Go(func() {
		for range 10 {
			p.pause(6 * time.Second)
			p.disturb()
		}
	})
	wg.Wait()
	time.Sleep(time.Minute) // flights that nobody waits for
	p.checkEvents(t)
}

// weather is how the token endpoint answers once.
func (p *play) weather() exchangetest.Fault {
	f := exchangetest.Fault{Delay: time.Duration(p.intN(int(2 * time.Second)))}
	if p.intN(8) == 0 {
		f.Status, f.Body = 503, `{"error_code":"TEMPORARILY_UNAVAILABLE","message":"try again"}`
	}
	return f
}

// replace puts a random policy in place.
func (p *play) replace(t *testing.T) {
	policy := map[string]claims.Target{}
	var rules []claims.Rule
	for _, name := range []string{"ada", "bob", "eve"} {
		var target claims.Target
		switch n := p.intN(4); {
		case n == 0:
			continue
		case p.own:
			target = group(n)
		default:
			target = claims.Target{ClientID: appID(n), AssumeGroup: groupID(n)}
		}
		policy[name] = target
		rules = append(rules, gives(name, target))
	}
	p.mu.Lock()
	p.policies = append(p.policies, policy)
	p.begun = len(p.policies) - 1
	p.mu.Unlock()
	p.set(rules...)
	p.mu.Lock()
	p.returned = p.begun
	p.mu.Unlock()
}

// disturb revokes or invalidates.
func (p *play) disturb() {
	switch p.intN(3) {
	case 0:
		p.broker.Revoke(p.idp.Issuer(), []string{"ada", "bob", "eve"}[p.intN(3)])
	case 1:
		p.mu.Lock()
		tokens := p.last
		p.mu.Unlock()
		if len(tokens) > 0 {
			p.broker.Invalidate(tokens[p.intN(len(tokens))])
		}
	}
}

func (p *play) call(t *testing.T, who *oidc.Verified) {
	ctx := t.Context()
	if p.intN(5) == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(p.intN(int(3*time.Second))))
		defer cancel()
	}
	p.mu.Lock()
	from := p.returned
	p.mu.Unlock()
	token, err := p.broker.Token(ctx, who)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.judge(t, who, token, err, p.policies[from:p.begun+1])
}

// judge holds the outcome of a call against the policies that were in place while
// it lasted.
func (p *play) judge(t *testing.T, who *oidc.Verified, token *oauth2.Token, err error, policies []map[string]claims.Target) {
	name := who.Claims.Subject()
	var failure *exchange.Error
	denied := errors.As(err, &failure) && failure.Kind == exchange.KindDenied
	allowed := false
	for _, policy := range policies {
		target, named := policy[name]
		switch {
		case err != nil:
			allowed = allowed || !denied || !named
		case named:
			got := read(t, token)
			identity := target.ClientID
			if p.own {
				identity = name
			}
			allowed = allowed || got.Subject == identity && got.Group == target.AssumeGroup
		}
	}
	switch {
	case err != nil && denied:
		p.refused++
	case err != nil:
		p.failed++
	default:
		p.handed++
		p.last = append(p.last, token)
		if owner := p.holders[token.AccessToken]; owner != "" && owner != name {
			t.Errorf("%s got the token of %s", name, owner)
		}
		p.holders[token.AccessToken] = name
		if grant := grantOf(t, token); grant.Subject != name {
			t.Errorf("the token of %s says it is of %+v", name, grant)
		}
	}
	if !allowed {
		t.Errorf("%s: got %+v, %v; the policies meanwhile say %v", name, token, err, policies)
	}
}

// checkEvents compares whose token was posted, for whom each exchange was, and who
// got the result.
func (p *play) checkEvents(t *testing.T) {
	posted := map[string]string{} // fingerprint of a person's token → whose
	for _, who := range p.people {
		posted[who.Token.Fingerprint()] = who.Claims.Subject()
	}
	got := map[string]string{} // fingerprint of a Databricks token → whose
	for raw, name := range p.holders {
		got[fingerprint(raw)] = name
	}
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	for _, e := range p.events {
		if name := got[e.Token]; name != "" && name != e.Grant.Subject {
			t.Errorf("a token exchanged for %s went to %s", e.Grant.Subject, name)
		}
		if owner := posted[e.Subject]; owner != "" && (!p.own || owner != e.Grant.Subject) {
			t.Errorf("the token of %s was posted for %s", owner, e.Grant.Subject)
		}
	}
}

// Without anything to disturb them, people cost one exchange for each target that
// they ever had, however often the policy changes.
func TestProperty_editsAreFree(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			random := rand.New(rand.NewPCG(seed, 4))
			b := w.serving()
			people := []*oidc.Verified{w.person("ada"), w.person("bob"), w.person("eve")}
			had := map[string]bool{}
			for range 60 {
				var rules []claims.Rule
				now := map[string]int{}
				for _, who := range people {
					name := who.Claims.Subject()
					if now[name] = random.IntN(4); now[name] > 0 {
						rule := gives(name, principal(now[name]))
						rule.Groups = []string{fmt.Sprint("group ", random.IntN(3))}
						rules = append(rules, rule)
					}
				}
				w.set(rules...)
				for _, who := range people {
					name := who.Claims.Subject()
					if now[name] == 0 {
						token, err := b.Token(t.Context(), who)
						wantKind(t, token, err, exchange.KindDenied)
						continue
					}
					get(t, b, who, principal(now[name]))
					had[fmt.Sprint(name, now[name])] = true
				}
				if w.exchanges() != len(had) {
					t.Fatalf("seed %d: %d exchanges for %d targets of people", seed, w.exchanges(), len(had))
				}
				time.Sleep(10 * time.Second)
			}
		})
	}
}
