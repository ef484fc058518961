package sdkauth

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/databricks/databricks-sdk-go/config"
	"github.com/databricks/databricks-sdk-go/config/credentials"

	"github.com/brickfed/brickfed/exchange"
)

// Apply makes cfg authenticate by s. Call it before a client is made from cfg:
//
//	cfg := &databricks.Config{Host: host}
//	err := sdkauth.Apply((*config.Config)(cfg), strategy)
//
// It sets Credentials and AuthType, and adds to Loaders. While the SDK resolves
// the config it then
//
//   - fills in what the environment and a profile say, except credentials: what
//     belongs to other authentication methods is neither read nor sent, and
//     cannot make the SDK refuse the config (see the package documentation);
//   - checks strategy and config, so that the client's constructor fails instead
//     of the first request;
//   - wraps HTTPTransport, so that a token which the host refuses is replaced and
//     the request sent once more, if its body can be.
//
// A config made from cfg by config.Config.NewWithWorkspaceHost authenticates by
// s as well, at its own host and with tokens of its own.
//
// Set everything else in cfg before. Apply refuses a config that has credentials
// in its fields, that was applied to before, or that has already been resolved,
// with every such problem in one error, and then leaves cfg as it was. It does
// not touch the network. cfg must not be in use by another goroutine.
func Apply(cfg *config.Config, s Strategy) error {
	if cfg == nil {
		return wrap("apply", errors.New("the config is nil"))
	}
	if err := errors.Join(append(s.problems(cfg), conflicts(cfg, s)...)...); err != nil {
		return wrap("apply", err)
	}
	p := &plug{strategy: s, cfg: cfg}
	cfg.Credentials = p
	// Without it the SDK refuses a config as soon as the environment offers
	// another method too.
	cfg.AuthType = name
	if len(cfg.Loaders) == 0 {
		cfg.Loaders = []config.Loader{environment{}, loader{p}}
	} else {
		cfg.Loaders = append(slices.Clone(cfg.Loaders), loader{p})
	}
	return nil
}

// conflicts returns what in a config contradicts the strategy.
func conflicts(cfg *config.Config, s Strategy) (problems []error) {
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	switch _, applied := cfg.Credentials.(*plug); {
	case applied:
		problem("Config: a strategy was applied to it before; make a new config for each client")
	case cfg.Credentials != nil:
		problem("Config.Credentials: it is set already, to %q; leave it empty", cfg.Credentials.Name())
	case resolved(cfg):
		problem("Config: it has been resolved already, as the first client made from it does; apply the strategy before that, to a new config")
	}
	if cfg.AuthType != "" && cfg.AuthType != name {
		problem("Config.AuthType: it asks for %q; leave it empty", cfg.AuthType)
	}
	for _, attr := range config.ConfigAttributes {
		if foreign(&attr) && attr.HasAuthAttribute() && !attr.IsZero(cfg) {
			problem("Config: its attribute %s belongs to another authentication method; leave it empty", attr.Name)
		}
	}
	if cfg.ClientID != "" && s.clientID(cfg) != cfg.ClientID {
		problem("Config.ClientID: the strategy says who the token is for; leave it empty")
	}
	return problems
}

// resolved reports whether the SDK has resolved the config. The SDK does not
// tell, and a strategy that comes too late would be ignored without a word.
func resolved(cfg *config.Config) bool {
	f := reflect.ValueOf(cfg).Elem().FieldByName("resolved")
	return f.IsValid() && f.Kind() == reflect.Bool && f.Bool()
}

// plug is what Apply leaves in one config: the strategy, and what is known of
// the config alone. Another config never shares it.
type plug struct {
	strategy Strategy
	cfg      *config.Config // whose Credentials this is
	explicit explicit       // written while cfg resolves, under its mutex
	loaded   bool           // the same
}

// explicit is what the user said, as opposed to what the SDK learned from the
// host later and put into the same fields.
type explicit struct {
	audience  string // TokenAudience
	discovery string // DiscoveryURL
	host      string // origin of Host; empty if it became known only later
	derived   bool   // whether the config was made from another
	home      string // of a derived config: the host of that other
}

func (p *plug) Name() string { return name }

// Format keeps the strategy's fields out of a printed config.
func (p *plug) Format(w fmt.State, verb rune) { p.strategy.Format(w, verb) }

func (p *plug) Configure(_ context.Context, cfg *config.Config) (credentials.CredentialsProvider, error) {
	if p.cfg != cfg || !p.loaded {
		return nil, wrap("configure", errors.New("the loader that Apply added to Config.Loaders is gone; set Loaders before Apply"))
	}
	provider, err := newProvider(p.strategy, cfg, p.explicit)
	if err != nil {
		return nil, wrap("configure", err)
	}
	return provider, nil
}

// loader runs when the SDK resolves a config: after what the user says has been
// loaded, before anything is learned from the host.
type loader struct{ plug *plug }

func (loader) Name() string { return name }

func (l loader) Configure(cfg *config.Config) error {
	p, ok := cfg.Credentials.(*plug)
	if !ok {
		return nil // a derived config may have been given other credentials
	}
	if p.cfg != cfg {
		p = p.derive(cfg)
	}
	return wrap("configure", p.load())
}

// derive makes the plug of a config that NewWithWorkspaceHost has copied from
// this plug's. The copy carries along what the SDK had learned of the other host
// and takes it for what the user said: an account's token endpoint and audience
// for a workspace. Taken away, the SDK learns the workspace's own.
//
// The other config may be in use meanwhile. What load noted of it, and what the
// SDK learned for it, is not written any more; its Host is, by any first request.
func (p *plug) derive(cfg *config.Config) *plug {
	child := &plug{strategy: p.strategy, cfg: cfg, explicit: explicit{derived: true, home: p.explicit.host}}
	if p.explicit.audience == "" && cfg.TokenAudience == p.cfg.TokenAudience {
		cfg.TokenAudience = ""
	}
	if same := originOf(cfg.Host) == p.explicit.host; cfg.DiscoveryURL == p.cfg.DiscoveryURL && !same {
		cfg.DiscoveryURL = "" // also one that the user set: it was for the other host
	}
	cfg.Credentials = child
	loaders := slices.Clone(cfg.Loaders) // the array is the other config's too
	for i, l := range loaders {
		if l, ok := l.(loader); ok && l.plug == p {
			loaders[i] = loader{child}
		}
	}
	cfg.Loaders = loaders
	return child
}

// load notes what is explicit, checks it as far as that is possible without the
// host's metadata, and wraps the transport.
func (p *plug) load() error {
	cfg := p.cfg
	p.explicit.audience, p.explicit.discovery, p.explicit.host = cfg.TokenAudience, cfg.DiscoveryURL, originOf(cfg.Host)
	if cfg.CanonicalHostName() != "" { // a host may become known later
		if err := p.check(); err != nil {
			return err
		}
	}
	cfg.HTTPTransport = withRecovery(cfg)
	p.loaded = true
	return nil
}

func (p *plug) check() error {
	if p.strategy.Tokens != nil {
		return p.strategy.checkTokens(p.cfg, p.explicit)
	}
	c := p.strategy.exchangeConfig(p.cfg, p.explicit)
	if c.AccountID == "" {
		c.AccountID = "00000000-0000-0000-0000-000000000000" // the host may tell
	}
	_, err := exchange.New(c)
	return err
}

// wrap says in an error what was being done. Nil stays nil.
func wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("sdkauth: %s: %w", op, err)
}
